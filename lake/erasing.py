"""Rows of any table -> the same rows without whom and what is to be forgotten, as the table's spec says what its columns name. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.examples import EXAMPLES
from lake.subjects import Subjects
from lake.tables import SubjectKind, TableSpec
from lake.units import SEQUENCES, SHORT_SEQUENCES, UNITS, thread_title

CONTEXT, ACCOUNT = "context", "user_id"
_OF_CHAIN = ("parent", "earlier")
_OPENINGS = ("root", "object")


def needed_columns(spec: TableSpec) -> list[str]:
    """Columns, and fields inside columns, that tell whether an erasure concerns a row."""
    roles = {f"{name.rpartition('.')[0]}.role" for name in spec.subjects if CONTEXT in name.split(".")}
    return [*spec.subjects, *sorted(roles)]


@dataclass(frozen=True)
class Erasing:
    """What goes of one table's rows."""

    spec: TableSpec
    subjects: Subjects

    def rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows that stay, in their order, each without what goes of it; of `needed_columns`, or of any further ones besides."""
        kept, goes = self._entries(batch.to_struct_array(), "")
        made = pa.RecordBatch.from_struct_array(kept).filter(pc.invert(goes))
        return pa.RecordBatch.from_arrays(made.columns, schema=batch.schema)

    def _entries(self, structs: pa.StructArray, above: str) -> tuple[pa.StructArray, pa.Array]:
        """Structs (rows, or entries of a list) with less inside, and which of them go, shape (N,)."""
        goes = pa.array(np.zeros(len(structs), bool))
        columns = {field.name: structs.field(number) for number, field in enumerate(structs.type)}
        before = dict(columns)
        for name, column in columns.items():
            path = f"{above}{name}"
            kind = self.spec.subjects.get(path)
            if pa.types.is_list(column.type):
                columns[name], takes_row = self._list(column, path, kind)
                goes = pc.or_(goes, takes_row)
            elif kind == "place":
                columns[name] = pc.if_else(self.subjects.named_in(kind, column), pa.scalar(None, column.type), column)
            elif kind is not None:
                named = self.subjects.named_in(kind, column)
                goes = pc.or_(goes, pc.and_(named, columns[ACCOUNT].is_null()) if kind == "path" and ACCOUNT in columns else named)
        columns |= _told_anew(self.spec, above, before, columns)
        made = pa.StructArray.from_arrays(list(columns.values()), fields=list(structs.type), mask=structs.is_null())
        return made, goes

    def _list(self, lists: pa.ListArray, path: str, kind: SubjectKind | None) -> tuple[pa.ListArray, pa.Array]:
        """Lists without the entries that go, and which lists take the row with them that they stand in, shape (N,)."""
        nobody = pa.array(np.zeros(len(lists), bool))
        if not any(name == path or name.startswith(f"{path}.") for name in self.spec.subjects):
            return lists, nobody
        entries = lists.flatten()
        if kind is not None:
            goes = self.subjects.named_in(kind, entries)
        else:
            entries, goes = self._entries(entries, f"{path}.")
        of_list = pc.list_parent_indices(lists).to_numpy()
        goes_here = goes.to_numpy(zero_copy_only=False)
        if path.rpartition(".")[2] == CONTEXT:
            goes_here = with_chains_above(entries, of_list, goes_here)
        if path in self.spec.indivisible:
            takes_row = np.bincount(of_list, goes_here, len(lists)) > 0
            return _lists_of(lists, entries, of_list), pa.array(takes_row)
        stays = ~goes_here
        made = _lists_of(lists, entries.filter(pa.array(stays)), of_list[stays])
        is_emptied = pc.and_(pc.greater(pc.list_value_length(lists), 0), pc.equal(pc.list_value_length(made), 0)).fill_null(False)
        return made, is_emptied if path == self.spec.consists_of else nobody


def with_chains_above(entries: pa.StructArray, of_list: np.ndarray, goes: np.ndarray) -> np.ndarray:
    """Which entries of contexts go: with a link of the chain all that stand above it, as where an act is missing; what opened the thread stays. Shape (N,)."""
    in_chain = pc.is_in(entries.field("role"), value_set=pa.array(_OF_CHAIN)).to_numpy(zero_copy_only=False)
    last_gone = np.full(of_list.max(initial=-1) + 1, -1)
    np.maximum.at(last_gone, of_list[goes & in_chain], np.flatnonzero(goes & in_chain))
    return goes | (in_chain & (np.arange(len(entries)) <= last_gone[of_list]))


def _lists_of(lists: pa.ListArray, entries: pa.Array, of_list: np.ndarray) -> pa.ListArray:
    """Lists as long as others, null where those are, of entries that say in which of them they stand."""
    offsets = np.concatenate([[0], np.cumsum(np.bincount(of_list, minlength=len(lists)))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), entries, type=pa.list_(lists.type.value_field.with_type(entries.type)), mask=lists.is_null())


def _told_anew(spec: TableSpec, above: str, before: Mapping[str, pa.Array], after: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
    """Columns of a row that say something of its lists, where these have less now."""
    if above:
        return {}
    if spec == UNITS and {"root_state", "chain_state"} <= after.keys():
        return {name: _state(name, before[CONTEXT], after[CONTEXT], after[name]) for name in ("root_state", "chain_state")}
    if spec in (SEQUENCES, SHORT_SEQUENCES) and {"first_at", "last_at"} <= after.keys() and not after["units"].equals(before["units"]):
        return {"first_at": _time(after["units"], 0, after["first_at"]), "last_at": _time(after["units"], -1, after["last_at"])}
    if spec == EXAMPLES and _has_fields(after["history"], "title", CONTEXT) and _has_fields(after.get("cuts"), "entered"):
        return {"cuts": _cuts_of_titles(after["cuts"], before["history"], after["history"])}
    return {}


def _has_fields(lists: pa.ListArray | None, *names: str) -> bool:
    return lists is not None and {*names} <= {field.name for field in lists.type.value_type}


def _cuts_of_titles(cuts: pa.ListArray, before: pa.ListArray, after: pa.ListArray) -> pa.ListArray:
    """Cuts that say of no unit that it enters a thread whose title is gone: it would be an answer without words."""
    changed = np.flatnonzero(_context_entries(after) < _context_entries(before))
    if not len(changed):
        return cuts
    made = []
    for row in changed.tolist():
        titles = [thread_title(unit) for unit in after[row].as_py()]
        made.append([cut | {"entered": [place for place in cut["entered"] if titles[place] is not None]} for cut in cuts[row].as_py()])
    order = np.arange(len(cuts))
    order[changed] = len(cuts) + np.arange(len(changed))
    return pa.concat_arrays([cuts, pa.array(made, cuts.type)]).take(pa.array(order))


def _context_entries(histories: pa.ListArray) -> np.ndarray:
    """How many entries the contexts of each history have together, shape (N,)."""
    entries = pc.list_value_length(histories.flatten().field(CONTEXT)).fill_null(0).to_numpy()
    return np.bincount(pc.list_parent_indices(histories).to_numpy(), entries, len(histories))


def _state(name: str, before: pa.ListArray, after: pa.ListArray, states: pa.Array) -> pa.Array:
    """A state of a unit's context, 'missing' where entries that it is about are fewer."""
    roles = _OPENINGS if name == "root_state" else _OF_CHAIN
    fewer = _entries_of(after, roles) < _entries_of(before, roles)
    return pc.if_else(pa.array(fewer), pa.scalar("missing"), states)


def _entries_of(contexts: pa.ListArray, roles: tuple[str, ...]) -> np.ndarray:
    """How many entries of these roles each context has, shape (N,)."""
    is_of = pc.is_in(contexts.flatten().field("role"), value_set=pa.array(roles)).to_numpy(zero_copy_only=False)
    return np.bincount(pc.list_parent_indices(contexts).to_numpy()[is_of], minlength=len(contexts))


def _time(units: pa.ListArray, place: int, times: pa.Array) -> pa.Array:
    """Time of the first (0) or last (-1) unit of each chunk; as it was where there is none."""
    starts, lengths = units.offsets.to_numpy()[:-1] - units.offsets[0].as_py(), pc.list_value_length(units).fill_null(0).to_numpy()
    at = np.where(lengths > 0, starts + (0 if place == 0 else lengths - 1), -1)
    found = units.flatten().field("created_at").take(pa.array(at, mask=at < 0))
    return pc.coalesce(found, times)
