"""Acts of whole threads -> the context of each: what opened the thread, and the chain of parents, walked level by level.

Where a platform has sessions and no threads, the chain is of what the person did before in the session.
Every function takes an Arrow batch in which a thread is complete and no `unit_id` stands twice. Rows are looked up by
thread and id together, so that the result does not depend on which other threads share the batch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.tasks.texts import cut
from lake.schema import arrow_schema
from lake.units import UNITS, ChainState, RootState

CONTEXT_TYPE = arrow_schema(UNITS).field("context").type
NOBODY = -1
OBJECT = "object"
"""Action of an act that is a thing which others act on (a product, a video): it makes no unit."""


@dataclass(frozen=True)
class Ancestors:
    """Where the context of N targets stands, as row numbers of their batch; -1 where there is nothing.

    Shapes: targets, roots, root_states, chain_states, is_touched (N,); parents (N, depth), nearest first. `is_touched` is true where a new act
    is the target, its root, one of its parents, or where the chain breaks; and of a target in a session, since a new copy may take an act away from it.
    """

    targets: np.ndarray
    roots: np.ndarray
    parents: np.ndarray
    root_states: np.ndarray
    chain_states: np.ndarray
    is_touched: np.ndarray

    def of(self, chosen: np.ndarray | slice) -> "Ancestors":
        """Those of some of the targets, chosen by a mask or a slice of (N,)."""
        return Ancestors(*(getattr(self, field.name)[chosen] for field in fields(self)))


def whole_threads(batches: Iterable[pa.RecordBatch], key: str = "thread_key") -> Iterator[pa.RecordBatch]:
    """The batches' rows as batches that cut no thread in two. Rows of one thread must follow each other."""
    pending: list[pa.RecordBatch] = []
    open_key = None
    for batch in batches:
        if not batch.num_rows:
            continue
        keys = batch.column(key)
        last_key = keys[-1].as_py()
        whole_rows = batch.num_rows - pc.sum(pc.equal(keys, keys[-1])).as_py()
        if whole_rows or (pending and last_key != open_key):
            whole, pending = pa.concat_batches([*pending, batch.slice(0, whole_rows)]), []
            yield whole
        pending.append(batch.slice(whole_rows))
        open_key = last_key
    if pending:
        whole, pending = pa.concat_batches(pending), []  # before the yield: a giant thread is not held twice
        yield whole


def find_ancestors(acts: pa.RecordBatch, has_words: np.ndarray, targets: np.ndarray, depth: int, is_new: np.ndarray) -> Ancestors:
    """The root and up to `depth` parents of each target (row numbers), how whole they are, and whether an act that `is_new` is among them.

    The chain stops at the first break above the target: an ancestor that is absent, has no words, or was met before.
    The root is not one of the parents. In a session, an act without a parent follows the person's act before it.
    """
    keys = _joined(acts, "unit_id")
    parent_rows, root_rows = _rows_of(_joined(acts, "parent_unit_id"), keys), _rows_of(_joined(acts, "thread_id"), keys)
    is_root, has_no_thread = _true(pc.equal(acts["unit_id"], acts["thread_id"])), _true(pc.is_null(acts["thread_id"]))
    opens = is_root | has_no_thread
    ends = is_root | _true(pc.or_kleene(pc.is_null(acts["parent_unit_id"]), pc.equal(acts["parent_unit_id"], acts["thread_id"])))
    in_session = has_no_thread & _true(pc.is_valid(acts["session_id"]))
    follows = in_session & ends
    if follows.any():
        parent_rows = np.where(follows, _rows_before(acts), parent_rows)
        ends &= ~(follows & (parent_rows != NOBODY))
    roots, root_states = _find_roots(root_rows, has_words, opens, targets)
    is_touched = is_new[targets] | _marked(is_new, root_rows[targets]) | in_session[targets]
    parents, chain_states = _climb(parent_rows, has_words, ends, targets, depth, is_new, is_touched)
    return Ancestors(targets, roots, parents, root_states, chain_states, is_touched)


def context_column(acts: pa.RecordBatch, words: pa.Array, ancestors: Ancestors, title_chars: int) -> pa.ListArray:
    """`context` of each target: root, then parents from outermost to nearest. `words` are the acts' texts as context; a root's title is cut."""
    rows = np.column_stack([ancestors.roots, ancestors.parents[:, ::-1]])
    present = rows >= 0
    speakers = _number_speakers(acts["user_id"], ancestors.targets, rows)
    flat = rows[present]
    is_root = np.zeros(rows.shape, dtype=bool)
    is_root[:, 0] = True
    taken = acts.select(["unit_id", "user_id", "created_at", "action", "title"]).take(pa.array(flat))
    roots = pa.array(is_root[present])
    in_session = np.repeat(_true(pc.is_null(acts["thread_id"]))[ancestors.targets], present.sum(axis=1))
    entries = {
        "role": pc.case_when(
            pc.make_struct(roots, pa.array(in_session)),
            pc.if_else(pc.equal(taken["action"], OBJECT), "object", "root"),
            "earlier",
            "parent",
        ),
        "unit_id": taken["unit_id"],
        "speaker": speakers.filter(pa.array(present.ravel())),
        "speaker_id": taken["user_id"],
        "title": cut(pc.if_else(roots, taken["title"], pa.scalar(None, pa.string())), title_chars),
        "text": words.take(pa.array(flat)),
        "created_at": taken["created_at"],
    }
    parts = list(CONTEXT_TYPE.value_type)
    structs = pa.StructArray.from_arrays([entries[part.name].cast(part.type) for part in parts], fields=parts)
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), structs, type=CONTEXT_TYPE)


def root_rows(acts: pa.RecordBatch) -> np.ndarray:
    """Row number of what opened each act's thread; -1 where the batch has no such act. Shape: (N,)."""
    return _rows_of(_joined(acts, "thread_id"), _joined(acts, "unit_id"))


def words_as_context(titles: pa.Array, texts: pa.Array, max_chars: int) -> pa.Array:
    """Title and text of each act as others see them, cut; null where there is neither. Empty strings must be null."""
    both = pc.binary_join_element_wise(titles, texts, "\n\n")  # null where one is; null_handling="skip" loses rows of two nulls
    return pc.utf8_slice_codeunits(pc.coalesce(both, titles, texts), 0, max_chars)


def _find_roots(root_rows: np.ndarray, has_words: np.ndarray, opens: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    roots = root_rows[targets]
    states: list[RootState] = ["none", "missing", "present", "deleted"]
    none, missing, present = opens[targets], roots < 0, has_words[roots]
    found = np.select([none, missing, present], [0, 1, 2], default=3)
    return np.where(found == 2, roots, NOBODY), np.array(states)[found]


def _climb(
    parent_rows: np.ndarray, has_words: np.ndarray, ends: np.ndarray, targets: np.ndarray, depth: int, is_new: np.ndarray, is_touched: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Parents of each target, nearest first, and the state of its chain; sets `is_touched` where an act that is met `is_new`."""
    states: list[ChainState] = ["none", "missing", "cycle", "deleted", "complete", "truncated"]
    parents = np.full((len(targets), depth), NOBODY, dtype=np.int64)
    found = np.zeros(len(targets), dtype=np.int8)
    climbing = np.flatnonzero(~ends[targets])
    rows = parent_rows[targets[climbing]]
    for level in range(depth):
        is_touched[climbing] |= _marked(is_new, rows)
        met_before = (rows == targets[climbing]) | (parents[climbing, :level] == rows[:, None]).any(axis=1)
        stops = np.select([rows < 0, met_before, ~has_words[rows]], [1, 2, 3], default=0)
        found[climbing] = stops
        climbing, rows = climbing[stops == 0], rows[stops == 0]
        parents[climbing, level] = rows
        found[climbing[ends[rows]]] = 4
        climbing, rows = climbing[~ends[rows]], parent_rows[rows[~ends[rows]]]
    found[climbing] = 5
    return parents, np.array(states)[found]


def _number_speakers(user_ids: pa.Array, targets: np.ndarray, rows: np.ndarray) -> pa.Array:
    """'self', 'other-1', ... or 'unknown' for each cell of `rows` (N, K), row by row; numbers go by first appearance."""
    codes = user_ids.dictionary_encode().indices.fill_null(NOBODY).to_numpy(zero_copy_only=False)
    people = np.where(rows >= 0, codes[rows], NOBODY) if len(codes) else np.full(rows.shape, NOBODY)
    numbers = np.zeros(rows.shape, dtype=np.int64)  # 0 unknown, 1 self, 2 other-1, ...
    others = np.ones(len(rows), dtype=np.int64)
    for column in range(rows.shape[1]):
        person = people[:, column]
        number = np.where(person == codes[targets], 1, 0)
        for earlier in range(column):
            number = np.where((number == 0) & (person == people[:, earlier]), numbers[:, earlier], number)
        is_new = (number == 0) & (person != NOBODY)
        others += is_new
        numbers[:, column] = np.where(person == NOBODY, 0, np.where(is_new, others, number))
    names = pa.array(["unknown", "self", *(f"other-{number}" for number in range(1, rows.shape[1] + 1))])
    return names.take(pa.array(numbers.ravel()))


def _rows_before(acts: pa.RecordBatch) -> np.ndarray:
    """Row of the act that the same person did before each act in its session; -1 where there is none. The batch holds whole sessions."""
    rows = np.flatnonzero(_true(pc.is_valid(acts["session_id"])))
    sessions = acts.select(["session_id", "user_id", "created_at", "unit_id"]).take(pa.array(rows))
    order = pc.sort_indices(sessions, sort_keys=[(name, "ascending", "at_end") for name in sessions.schema.names])
    sessions, rows = sessions.take(order), rows[order.to_numpy()]
    same = [_true(pc.equal(sessions[name].slice(1), sessions[name].slice(0, len(rows) - 1))) for name in ("session_id", "user_id")]
    before = np.full(acts.num_rows, NOBODY, dtype=np.int64)
    before[rows[1:]] = np.where(same[0] & same[1], rows[:-1], NOBODY)
    return before


def _joined(acts: pa.RecordBatch, column: str) -> pa.Array:
    return pc.binary_join_element_wise(acts["thread_key"], acts[column], "\n")


def _rows_of(wanted: pa.Array, keys: pa.Array) -> np.ndarray:
    """Row number of each wanted key; -1 where it is null or nowhere."""
    found = pc.index_in(wanted, value_set=keys, skip_nulls=True)
    return found.cast(pa.int64()).fill_null(NOBODY).to_numpy()


def _marked(marks: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Marks of these rows; false where there is no row."""
    return (rows >= 0) & marks[rows]


def _true(values: pa.Array) -> np.ndarray:
    return values.fill_null(False).to_numpy(zero_copy_only=False)
