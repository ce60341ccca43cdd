"""Who and what an erasure is about: from the ids that were given to all that the tables know of them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.acts import ACTS, profile_place
from lake.config import LakeConfig
from lake.judgements import history_query_id
from lake.labels import ITEMS, LABELS, LEVELS, label_item_id
from lake.presence import has_table
from lake.pseudonyms import path_pseudonym, words_of_path
from lake.rendering import plain
from lake.tables import SubjectKind, TableSpec
from lake.units import IDENTITIES, SEQUENCES, SHORT_SEQUENCES, UNITS
from lake.vectors import USER_VECTORS

PROBE_CHARS, SHORTEST_PROBE = 60, 20
_BY_ACCOUNTS = (SEQUENCES, SHORT_SEQUENCES, USER_VECTORS)
"""Tables that know accounts of a person, whatever `identities` says by now."""


@dataclass(frozen=True)
class Subjects:
    """What is to go: accounts and people, acts, contents of no act that stays, items of no label that stays; and accounts' names in clear,
    where they are known."""

    people: frozenset[str] = frozenset()
    acts: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def named_in(self, kind: SubjectKind, values: pa.Array) -> pa.Array:
        """Which of a column's strings name one of them, shape (N,); null names nobody."""
        if kind == "path":
            encoded = values.dictionary_encode()
            found = pa.array([not self.values["path"].isdisjoint(words_of_path(path or "")) for path in encoded.dictionary.to_pylist()], pa.bool_())
            return found.take(encoded.indices).fill_null(False)
        if kind == "raw":
            return pc.match_substring_regex(values, self._names).fill_null(False) if self.names else pa.array(np.zeros(len(values), bool))
        return pc.is_in(values, value_set=self._sorted[kind], skip_nulls=True)

    @cached_property
    def values(self) -> Mapping[SubjectKind, frozenset[str]]:
        """What each kind of column may hold of them."""
        return {
            "person": self.people,
            "act": self.acts,
            "judged": self.acts | frozenset(map(history_query_id, self.acts)),
            "content": self.contents | self.acts,  # an import keeps the id of a unit that it does not know in the place of its content
            "item": self.items,
            "place": frozenset(map(profile_place, self.people)),
            "path": frozenset(map(path_pseudonym, self.people)),
        }

    @cached_property
    def _names(self) -> str:
        """Any of the names as a word, whatever its case."""
        return rf"(?i)(?:^|[^\w-])(?:{'|'.join(re.escape(name) for name in sorted(self.names))})(?:[^\w-]|$)"

    @cached_property
    def _sorted(self) -> Mapping[SubjectKind, pa.Array]:
        return {kind: pa.array(sorted(values), pa.string()) for kind, values in self.values.items()}


def find_subjects(lake: LakeConfig, users: Collection[str], units: Collection[str], names: Collection[str] = ()) -> Subjects:
    """All that goes with these accounts, people and acts. Of a half-done erasure what is left: tables that others are told by are erased last."""
    people = _all_accounts(lake, users)
    acts = frozenset(units) | _acts_of(lake, people)
    contents = _contents_of_nobody_else(lake, people, acts)
    return Subjects(people, acts, contents, _items_of_no_other_label(lake, contents), frozenset(names))


def words_of(lake: LakeConfig, subjects: Subjects) -> list[str]:
    """How the titles and texts of their acts begin, on one line, and the words of their items: PROBE_CHARS at most, those aside that are too short to be theirs alone."""
    found = set[str]()
    for spec in (ACTS, UNITS):
        theirs = pc.field("user_id").isin(pa.array(sorted(subjects.people), pa.string())) | pc.field("unit_id").isin(
            pa.array(sorted(subjects.acts), pa.string())
        )
        for batch in _batches(lake, spec, ["title", "text"], theirs):
            found.update(text for column in batch.columns for text in column.drop_null().to_pylist())
    for batch in _batches(lake, ITEMS, ["text"], pc.field("item_id").isin(pa.array(sorted(subjects.items), pa.string()))):
        found.update(batch["text"].to_pylist())
    probes = {plain(text, PROBE_CHARS).removesuffix("…") for text in found}
    return sorted(probe for probe in probes if len(probe) >= SHORTEST_PROBE)


def _all_accounts(lake: LakeConfig, users: Collection[str]) -> frozenset[str]:
    """These accounts and people, with all other accounts of the same people. Each round is a pass over the tables; the last finds nobody new."""
    known, met = set[str](), set(users)
    while met - known:
        known |= met
        wanted = pa.array(sorted(known), pa.string())
        for batch in _batches(lake, IDENTITIES, ["user_id", "person_id"]):
            same = batch.filter(pc.or_(*(pc.is_in(column, value_set=wanted) for column in batch.columns)))
            met.update(*(column.to_pylist() for column in same.columns))
        for spec in _BY_ACCOUNTS:
            for batch in _batches(lake, spec, ["person_id", "user_ids"]):
                met.update(_ids_of_rows(batch, wanted))
    return frozenset(known)


def _ids_of_rows(batch: pa.RecordBatch, wanted: pa.Array) -> set[str]:
    """All ids of the rows (`person_id`, `user_ids`) that name one of these."""
    rows = pc.list_parent_indices(batch["user_ids"]).filter(pc.is_in(batch["user_ids"].flatten(), value_set=wanted))
    is_same = np.zeros(batch.num_rows, bool)
    is_same[rows.to_numpy()] = True
    same = batch.filter(pc.or_(pa.array(is_same), pc.is_in(batch["person_id"], value_set=wanted)))
    return {*same["person_id"].to_pylist(), *same["user_ids"].flatten().to_pylist()}


def _acts_of(lake: LakeConfig, people: frozenset[str]) -> frozenset[str]:
    """Ids of all acts of these people."""
    ids, wanted = set[str](), pa.array(sorted(people), pa.string())
    for spec in (ACTS, UNITS):
        for batch in _batches(lake, spec, ["unit_id"], pc.field("user_id").isin(wanted)) if people else ():
            ids.update(batch["unit_id"].to_pylist())
    return frozenset(ids)


def _contents_of_nobody_else(lake: LakeConfig, people: frozenset[str], acts: frozenset[str]) -> frozenset[str]:
    """Contents (`lake.labels.Label.unit_hash`) of these people's acts, and of these acts, that no other unit carries."""
    going, staying = set[str](), set[str]()
    leaving = Subjects(people, acts)
    for batch in _batches(lake, UNITS, ["unit_id", "user_id", "unit_hash", "duplicate_group"]):
        goes = pc.or_(leaving.named_in("person", batch["user_id"]), leaving.named_in("act", batch["unit_id"]))
        if pc.any(goes).as_py():
            gone = batch.filter(goes)
            going.update(gone["unit_hash"].to_pylist(), gone["duplicate_group"].drop_null().to_pylist())
    candidates = pa.array(sorted(going), pa.string())
    for batch in _batches(lake, UNITS, ["unit_id", "user_id", "unit_hash", "duplicate_group"]) if going else ():
        goes = pc.or_(leaving.named_in("person", batch["user_id"]), leaving.named_in("act", batch["unit_id"]))
        rest = batch.filter(pc.invert(goes))
        carried = pc.coalesce(rest["duplicate_group"], rest["unit_hash"])
        staying.update(carried.filter(pc.is_in(carried, value_set=candidates)).to_pylist())
    return frozenset(going - staying)


def _items_of_no_other_label(lake: LakeConfig, contents: frozenset[str]) -> frozenset[str]:
    """`item_id`s of labels of these contents that no label of another content gives."""
    given, by_others = set[str](), set[str]()
    leaving = Subjects(contents=contents)
    for turn in (given, by_others) if contents else ():
        texts: dict[str, set[str]] = {level: set() for level in LEVELS}
        for batch in _batches(lake, LABELS, ["unit_hash", *LEVELS]):
            goes = leaving.named_in("content", batch["unit_hash"])
            chosen = batch.filter(goes if turn is given else pc.invert(goes))
            for level in LEVELS:
                texts[level].update(chosen[level].unique().to_pylist())
        turn.update(label_item_id(level, text) for level in LEVELS for text in texts[level] if text)
    return frozenset(given - by_others)


def _batches(lake: LakeConfig, spec: TableSpec, columns: Sequence[str], where: ds.Expression | None = None) -> Iterator[pa.RecordBatch]:
    """Columns of a table's rows; nothing where it is absent."""
    if has_table(lake, spec):
        yield from arrow_tables.read_batches(lake, spec, columns, where)
