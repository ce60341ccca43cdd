"""Tokens by which apps are let in. The file holds their hashes alone; tokens are random, so that a plain SHA-256 gives nothing away."""

import hashlib
import hmac
import logging
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from yaml import YAMLError, safe_load

from conf.errors import ConfigError
from conf.settings import StageConfig
from serving.questions import Scope

logger = logging.getLogger(__name__)


class Token(StageConfig):
    """One app's token."""

    name: Annotated[str, StringConstraints(pattern="^[a-z0-9-]{1,32}$")] = Field(description="What the app is called in logs.")
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] = Field(description="SHA-256 of the token, hex.")
    scopes: frozenset[Scope] = Field(min_length=1, description="What it may do: people, items, histories, metrics.")


class Tokens:
    """The tokens of a file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where the file cannot be read."""
        self._path = path
        self._tokens, self._changed_at = read_tokens(path), _changed_at(path)

    def find(self, presented: str) -> Token | None:
        """The token that was presented, compared with all of them in constant time; None where it is none."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).hexdigest()
        matching = [token for token in self._tokens if hmac.compare_digest(token.sha256, digest)]
        return matching[0] if matching else None

    def refresh(self) -> None:
        """Read the file again where it has changed; what was read stays where it cannot be read now."""
        changed_at = _changed_at(self._path)
        if changed_at == self._changed_at:
            return
        self._changed_at = changed_at
        try:
            self._tokens = read_tokens(self._path)
            logger.info("%d tokens are let in from now on", len(self._tokens))
        except ConfigError as error:
            logger.error("the tokens stay what they were: %s", error.public)


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a YAML file, a list. Raises ConfigError where it is none, or two have one name or hash."""
    wanted = "expected a list of {name, sha256, scopes}, as in SERVING.md"
    try:
        tokens = TypeAdapter(list[Token]).validate_python(safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConfigError(f"serving.tokens_file: {path} cannot be read ({type(error).__name__}); {wanted}") from None
    except ValidationError as error:
        places = ", ".join(sorted({".".join(str(step) for step in found["loc"]) or "the file" for found in error.errors()}))
        raise ConfigError(f"serving.tokens_file: {path}: wrong at {places}; {wanted}") from None
    for what in ("name", "sha256"):
        if len({getattr(token, what) for token in tokens}) < len(tokens):
            raise ConfigError(f"serving.tokens_file: {path}: two tokens have one {what}; {wanted}")
    if not tokens:
        raise ConfigError(f"serving.tokens_file: {path} lets nobody in; {wanted}")
    return tokens


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
