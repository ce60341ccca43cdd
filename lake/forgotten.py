"""What was forgotten, for whoever brings new rows: an ingest or an import leaves it out."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from lake import arrow_tables
from lake.acts import profile_place
from lake.config import LakeConfig
from lake.erasures import ERASURES, ErasedKind, Erasure
from lake.presence import check_lake_key, has_table
from lake.pseudonyms import load_key, path_pseudonym, words_of_path

DIGEST_BYTES = 16


class Erased:
    """What was forgotten, as digests (`erasures.subject`) made under the lake's pseudonym key; without any, nothing was."""

    def __init__(self, key: bytes = b"", subjects: Iterable[str] = ()) -> None:
        self._digests = frozenset(map(bytes.fromhex, subjects))
        self._begun = {kind: _begun(key, kind) for kind in get_args(ErasedKind)} if self._digests else {}

    def __bool__(self) -> bool:
        return bool(self._digests)

    def has(self, kind: ErasedKind, value: str | None) -> bool:
        """Whether this was forgotten."""
        return value is not None and bool(self) and _ended(self._begun[kind], value) in self._digests

    def among(self, kind: ErasedKind, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Which of these strings were forgotten, shape (N,); null is nobody's."""
        if not self:
            return pa.array(np.zeros(len(values), bool))
        if kind == "act":  # hardly any comes twice
            return pa.array([self.has(kind, value) for value in values.to_pylist()], pa.bool_())
        encoded = (values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values).dictionary_encode()
        found = pa.array([self.has(kind, value) for value in encoded.dictionary.to_pylist()], pa.bool_())
        return found.take(encoded.indices).fill_null(False)

    def names_path(self, path: str) -> bool:
        """Whether a file is called after somebody who was forgotten."""
        return bool(self) and any(self.has("path", word) for word in words_of_path(path))


def digest(key: bytes, kind: ErasedKind, value: str) -> str:
    """What stands in `erasures` for an id: keyed BLAKE2b of kind and id, 32 hex digits. An ingest asks for every act, and HMAC would take five times as long."""
    return _ended(_begun(key, kind), value).hex()


def _begun(key: bytes, kind: ErasedKind) -> Any:
    return hashlib.blake2b(f"kindred erasure\x1f{kind}:".encode(), key=hashlib.sha256(key).digest(), digest_size=DIGEST_BYTES)


def _ended(begun: Any, value: str) -> bytes:
    whole = begun.copy()
    whole.update(value.encode("utf-8", "surrogatepass"))
    return bytes(whole.digest())


def erased_of_lake(lake: LakeConfig) -> Erased:
    """What this lake has forgotten. Raises ConfigError where that is something and the lake's pseudonym key is not at hand."""
    subjects = _subjects(lake)
    return Erased(lake_key(lake), subjects) if subjects else Erased()


def lake_key(lake: LakeConfig) -> bytes:
    """The key of the lake's pseudonyms. Raises ConfigError where it is not at hand, or is another one."""
    key = load_key(lake.pseudonym_key_file)
    check_lake_key(lake, key)
    return key


def note_erasures(lake: LakeConfig, people: Iterable[str], acts: Iterable[str]) -> int:
    """Keep digests of accounts, people and acts, those that are there aside, in one commit; how many are new."""
    key, now = lake_key(lake), datetime.now(UTC)
    wanted: dict[str, ErasedKind] = {}
    for person in people:
        wanted |= {
            digest(key, "person", person): "person",
            digest(key, "place", profile_place(person)): "place",
            digest(key, "path", path_pseudonym(person)): "path",
        }
    wanted |= {digest(key, "act", act): "act" for act in acts}
    known = _subjects(lake)
    rows = [Erasure(subject=subject, kind=kind, erased_at=now) for subject, kind in sorted(wanted.items()) if subject not in known]
    if rows:
        arrow_tables.append(lake, ERASURES, rows)
    return len(rows)


def _subjects(lake: LakeConfig) -> frozenset[str]:
    return frozenset(arrow_tables.read(lake, ERASURES, ["subject"])["subject"].to_pylist()) if has_table(lake, ERASURES) else frozenset()
