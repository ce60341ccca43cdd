"""YAML file and `--set` overrides -> one checked model per section."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from conf.errors import ConfigError
from conf.mistakes import did_you_mean, sentences

SECTIONS = ("lake", "etl", "teacher", "trainer", "serving")


class StageConfig(BaseModel):
    """Base of every section's model: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Section = TypeVar("Section", bound=StageConfig)


class Settings:
    """The raw settings of one run: a mapping per section, checked when a section is asked for. `origin` is what an error names as their source."""

    def __init__(self, sections: Mapping[str, Mapping[str, Any]], origin: str = "defaults") -> None:
        self._sections = {name: dict(values) for name, values in sections.items()}
        self.origin = origin

    def section(self, name: str, model: type[Section]) -> Section:
        """The section's checked model. Raises ConfigError that names each wrong key, and each unknown section."""
        wrong = self.unknown_sections() + self.mistakes(name, model)
        if wrong:
            raise ConfigError(f"{self.origin}: {'; '.join(wrong)}")
        return model.model_validate(self.given(name))

    @property
    def sections(self) -> list[str]:
        """Names of the sections that were given."""
        return list(self._sections)

    def as_yaml(self) -> str:
        """What was given, as a configuration file."""
        return yaml.safe_dump(self._sections, allow_unicode=True, sort_keys=False)

    def given(self, name: str) -> Mapping[str, Any]:
        """The section as it was given, unchecked."""
        return self._sections.get(name, {})

    def mistakes(self, name: str, model: type[StageConfig]) -> list[str]:
        """A sentence on each wrong key of a section."""
        try:
            model.model_validate(self.given(name))
        except ValidationError as error:
            return sentences(name, error, model)
        return []

    def unknown_sections(self) -> list[str]:
        """A sentence on each section that no stage has."""
        unknown = sorted(set(self._sections) - set(SECTIONS))
        return [f"unknown section {name!r}, there are {', '.join(SECTIONS)}{did_you_mean(name, SECTIONS)}" for name in unknown]

    def with_value(self, dotted_key: str, value: Any) -> "Settings":
        """A copy with `section.key` set to the value."""
        *parents, last = dotted_key.split(".")
        if not parents:
            raise ConfigError(f"--set {dotted_key}: expected section.key=value, e.g. etl.units_per_chunk=32")
        sections: dict[str, Any] = deepcopy(self._sections)
        target = sections
        for depth, parent in enumerate(parents, start=1):
            if target.get(parent) is None:
                target[parent] = {}
            target = target[parent]
            if not isinstance(target, dict):
                raise ConfigError(f"--set {dotted_key}: {'.'.join(parents[:depth])} is {target!r}, which has no keys below it")
        target[last] = value
        return Settings(sections, self.origin)


def load_settings(path: str | None, overrides: Sequence[str] = ()) -> Settings:
    """The settings of a YAML file (none: all defaults) with `section.key=value` overrides on top."""
    origin = " and ".join(filter(None, (path, "--set" if overrides else ""))) or "defaults"
    settings = Settings(read_mappings(Path(path)) if path else {}, origin)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override}: expected section.key=value")
        settings = settings.with_value(key.strip(), _parse_yaml(value, f"--set {override}"))
    return settings


def read_mappings(path: Path) -> dict[str, dict[str, Any]]:
    """The mappings of a YAML file by name, e.g. its sections. Raises ConfigError where it cannot be read or holds something else."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.reason} at byte {error.start}; expected UTF-8") from None
    content = _parse_yaml(text, str(path)) or {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected one mapping per section ({', '.join(SECTIONS)})")
    wrong = [f"section {name!r} is {values!r}" for name, values in content.items() if not isinstance(values, dict | None)]
    if wrong:
        raise ConfigError(f"{path}: {'; '.join(wrong)}; expected one mapping per section ({', '.join(SECTIONS)})")
    return {str(name): values or {} for name, values in content.items()}


class _Loader(yaml.SafeLoader):
    """Plain YAML in which a key that stands twice is an error, as the format has it: PyYAML lets the last one win in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        mapping = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], yaml.Mark] = {}
        for key, _ in mapping.value:
            if isinstance(key, yaml.ScalarNode):
                earlier = first.setdefault((key.tag, key.value), key.start_mark)
                if earlier is not key.start_mark:
                    raise yaml.MarkedYAMLError(problem=f"key {key.value!r} stands here and in line {earlier.line + 1}", problem_mark=key.start_mark)
        return mapping


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigError(f"{where}: no valid YAML{f' in line {mark.line + 1}' if mark else ''}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: no valid YAML: {error}") from None
    except ValueError as error:  # of a value that looks like a date or a number and is none
        raise ConfigError(f"{where}: a value is no date or number though it is written like one ({error}); put it in quotes where it is text") from None
