"""Keyed pseudonyms of accounts: HMAC-SHA-256 of '<platform>:<lower-cased name>'.

The key comes from the environment (KINDRED_PSEUDONYM_KEY, hex) or from a file; it never enters a lake or a Spark plan.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
from pathlib import Path

from conf.errors import ConfigError

logger = logging.getLogger(__name__)

KEY_VARIABLE = "KINDRED_PSEUDONYM_KEY"
KEY_ID_PROPERTY = "kindred.pseudonym_key_id"
PATH_CHARS = 16
"""Of a pseudonym that stands in a path."""
_OF_PATH = re.compile(rf"(?<![^\W_])[0-9a-f]{{{PATH_CHARS}}}(?![^\W_])")


def load_key(key_file: str) -> bytes:
    """The key of the environment, else of the file. Raises ConfigError where there is none or it is no hex of 16 bytes or more."""
    text = os.environ.get(KEY_VARIABLE)
    origin = KEY_VARIABLE
    if text is None:
        path = Path(key_file).expanduser()
        origin = str(path)
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(
                f"no pseudonym key: {KEY_VARIABLE} is not set and {path} cannot be read; 'kindred etl ingest' makes one, spark-submit --files takes it to executors"
            ) from None
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) < 16:
        raise ConfigError(f"{origin}: expected a pseudonym key of at least 32 hex digits")
    return key


def load_or_new_key(key_file: str) -> bytes:
    """The configured key; where there is none, a new one, which `keep_key` keeps."""
    if KEY_VARIABLE not in os.environ and not Path(key_file).expanduser().exists():
        return secrets.token_bytes(32)
    return load_key(key_file)


def keep_key(key: bytes, key_file: str) -> bytes:
    """The configured key; where there is none, this one, kept in the file (mode 600) for this OS account."""
    path = Path(key_file).expanduser()
    if KEY_VARIABLE not in os.environ and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(key.hex() + "\n", encoding="ascii")
        try:
            os.link(draft, path)  # fails where another process was first: then theirs is the key
            logger.warning("made a pseudonym key in %s; keep it, without it no name can be looked up", path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return load_key(key_file)


def key_id(key: bytes) -> str:
    """Public id of a key, 16 hex digits: tells two keys apart and gives nothing away."""
    return hmac.new(key, b"kindred key id", hashlib.sha256).hexdigest()[:16]


def pseudonym(key: bytes, platform: str, name: str) -> str:
    """The `user_id` of an account, 64 hex digits."""
    return hmac.digest(key, f"{platform}:{name.lower()}".encode("utf-8", "surrogatepass"), "sha256").hex()


def path_pseudonym(user_id: str) -> str:
    """What of a pseudonym stands in a path in the place of an account: its first PATH_CHARS digits."""
    return user_id[:PATH_CHARS]


def words_of_path(path: str) -> list[str]:
    """What in a path may be a pseudonym."""
    return _OF_PATH.findall(path)


def check_key_id(found: str | None, key: bytes, where: str) -> None:
    """Raise ConfigError where a table was made with another key."""
    if found is not None and found != key_id(key):
        raise ConfigError(f"{where}: made with pseudonym key {found}, but the configured key is {key_id(key)}; use that key, or another lake")
