"""What was forgotten, for whoever brings new rows: an ingest or an import leaves it out."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from lake import arrow_tables
from lake.acts import profile_place
from lake.config import LakeConfig
from lake.erasures import ERASURES, ErasedKind, Erasure
from lake.presence import check_lake_key, has_table
from lake.pseudonyms import load_key, path_pseudonym, words_of_path


@dataclass(frozen=True)
class Erased:
    """Digests of all kinds of what was forgotten; none: nothing was. `key` is the lake's pseudonym key, under which they were made."""

    key: bytes
    digests: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.digests)

    def has(self, kind: ErasedKind, value: str | None) -> bool:
        """Whether this was forgotten."""
        return value is not None and bool(self.digests) and digest(self.key, kind, value) in self.digests

    def among(self, kind: ErasedKind, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Which of these strings were forgotten, shape (N,); null is nobody's. Each distinct one is looked up once."""
        encoded = values.combine_chunks().dictionary_encode() if isinstance(values, pa.ChunkedArray) else values.dictionary_encode()
        found = pa.array([self.has(kind, value) for value in encoded.dictionary.to_pylist()], pa.bool_())
        return found.take(encoded.indices).fill_null(False)

    def names_path(self, path: str) -> bool:
        """Whether a file is called after somebody who was forgotten."""
        return bool(self.digests) and any(self.has("path", word) for word in words_of_path(path))


def digest(key: bytes, kind: ErasedKind, value: str) -> str:
    """What stands in `erasures` for an id."""
    return hmac.digest(key, f"kindred erasure\x1f{kind}:{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:32]


def erased_of_lake(lake: LakeConfig) -> Erased:
    """What this lake has forgotten. Raises ConfigError where that is something and the lake's pseudonym key is not at hand."""
    if not has_table(lake, ERASURES):
        return Erased(b"")
    subjects = arrow_tables.read(lake, ERASURES, ["subject"])["subject"].to_pylist()
    return Erased(lake_key(lake), frozenset(subjects)) if subjects else Erased(b"")


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
    known = erased_of_lake(lake).digests
    rows = [Erasure(subject=subject, kind=kind, erased_at=now) for subject, kind in sorted(wanted.items()) if subject not in known]
    if rows:
        arrow_tables.append(lake, ERASURES, rows)
    return len(rows)
