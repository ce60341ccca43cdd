"""YAML file and `--set` overrides -> one checked model per section."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from conf.errors import ConfigError

SECTIONS = ("lake", "etl", "teacher", "trainer", "serving")


class StageConfig(BaseModel):
    """Base of every section's model: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Section = TypeVar("Section", bound=StageConfig)


class Settings:
    """The raw settings of one run: a mapping per section, checked when a section is asked for."""

    def __init__(self, sections: Mapping[str, Mapping[str, Any]], origin: str = "defaults") -> None:
        unknown = sorted(set(sections) - set(SECTIONS))
        if unknown:
            raise ConfigError(f"{origin}: unknown section {unknown[0]!r}; sections are {', '.join(SECTIONS)}")
        self._sections = {name: dict(values) for name, values in sections.items()}
        self.origin = origin

    def section(self, name: str, model: type[Section]) -> Section:
        """The section's checked model. Raises ConfigError that names each wrong key."""
        try:
            return model(**self._sections.get(name, {}))
        except ValidationError as error:
            raise ConfigError(f"{self.origin}: {sentences(name, error)}") from None

    def with_value(self, dotted_key: str, value: Any) -> "Settings":
        """A copy with `section.key` set to the value."""
        section, _, key = dotted_key.partition(".")
        if not key:
            raise ConfigError(f"--set {dotted_key}: expected section.key=value, e.g. etl.units_per_chunk=32")
        sections = {name: dict(values) for name, values in self._sections.items()}
        target = sections.setdefault(section, {})
        *parents, last = key.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
        return Settings(sections, self.origin)


def load_settings(path: str | None, overrides: Sequence[str] = ()) -> Settings:
    """The settings of a YAML file (none: all defaults) with `section.key=value` overrides on top."""
    settings = Settings(_read_yaml(Path(path)), path) if path else Settings({})
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override}: expected section.key=value")
        settings = settings.with_value(key.strip(), _parse_yaml(value, f"--set {override}"))
    return settings


def _read_yaml(path: Path) -> dict[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror}") from None
    content = _parse_yaml(text, str(path)) or {}
    if not isinstance(content, dict) or any(not isinstance(values, dict | None) for values in content.values()):
        raise ConfigError(f"{path}: expected one mapping per section ({', '.join(SECTIONS)})")
    return {str(name): values or {} for name, values in content.items()}


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: no valid YAML: {error}") from None


def sentences(section: str, error: ValidationError) -> str:
    """What is wrong with each key of a section (or of a part of one, by its dotted name)."""
    found = []
    for problem in error.errors():
        key = ".".join([section, *map(str, problem["loc"])])
        if problem["type"] == "extra_forbidden":
            found.append(f"unknown key {key}")
        else:
            found.append(f"{key}: {problem['msg']}, found {problem['input']!r}")
    return "; ".join(found)
