"""Acts of whole threads -> units: duplicates are settled and contexts attached.

Only those units are made that a new act changes: its own, and those that have it among their ancestors.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.config import UnitFilters
from etl.tasks.changes import Partition
from etl.tasks.files import Made
from etl.units.contexts import NOBODY, OBJECT, Ancestors, context_column, find_ancestors, whole_threads, words_as_context
from etl.units.filters import filtered_out
from etl.units.languages import with_languages
from etl.units.masking import cleaned, cleaned_attributes
from etl.units.object_titles import titled_by_objects, without_marks
from etl.units.signatures import signature_rows
from etl.units.unit_ids import sampled_ids
from lake.acts import DELETED_LATER
from lake.schema import arrow_schema
from lake.units import UNIT_SIGNATURES, UNITS

UNITS_VERSION = "2"
"""Counted up when the same acts give other units than before: all units are made again then. 2: entries of a context have a title."""

OBSTACLES = ("duplicate", "object", "deleted", "removed", "no user", "no words", "no title of its object")
CONFLICTS = "duplicates that differ"
CHANGED = "units changed"

ACTS_OF_BUCKET = 1_000_000
ACTS_OF_SHARED_PLACE = 200_000
"""Partitions of fewer acts are worked on several in one task, which holds so many of them as compressed blocks: about 30 MB."""
OLD_ACTS_TOO = 4
"""So many acts are taken to be in the threads of one new act; it decides how many tasks there are, no more."""
UNITS_AT_ONCE = 16_384
"""So many units have their contexts in memory at once: a thread may have a million."""

_CONTENT = ("user_id", "parent_unit_id", "title", "text")


@dataclass(frozen=True)
class UnitSettings:
    """What decides the units of acts: parents in a context, characters of its texts, and the settings of the same names.

    Units of so many words (`signature_min_words`) get a row of `unit_signatures`; None: none does. Of `unit_id`s, one in `one_id_in` is told to the driver.
    """

    context_depth: int
    context_chars: int
    mask_contacts: bool = False
    identify_languages: bool = False
    filters: UnitFilters = field(default_factory=UnitFilters)
    bots: frozenset[str] = frozenset()
    signature_min_words: int | None = None
    one_id_in: int = 1


def buckets_of_partitions(rows: Mapping[Partition, int], at_least: int) -> dict[Partition, range]:
    """Numbers of the buckets of each partition's threads: one for a million acts, and if there are few acts, so many that all cores have some."""
    acts_of_bucket = max(1, min(ACTS_OF_BUCKET, sum(rows.values()) // at_least))
    buckets: dict[Partition, range] = {}
    start = 0
    for partition, count in sorted(rows.items()):
        buckets[partition] = range(start, start + max(1, round(count / acts_of_bucket)))
        start = buckets[partition].stop
    return buckets


@dataclass(frozen=True)
class SettledActs:
    """One act for each `unit_id`, its winner (N rows), and of each id whether any copy is new, and whether any was known before (N,)."""

    acts: pa.RecordBatch
    is_new: np.ndarray
    is_known: np.ndarray
    duplicates: int
    conflicts: int


def settle_duplicates(acts: pa.RecordBatch) -> SettledActs:
    """Choose among acts with one `unit_id`. New copies that are not their id's first are counted, and those whose words are not the winner's.

    The winner is one that the archive saw deleted later, else one with text, else one that was kept, then the latest retrieved, then the greatest
    (`source_file`, `line`).
    """
    new = acts["is_new"].to_numpy(zero_copy_only=False)
    ids = pc.binary_join_element_wise(acts["thread_key"], acts["unit_id"], "\n").dictionary_encode()
    if len(ids.dictionary) == acts.num_rows:
        return SettledActs(acts, new, ~new, 0, 0)
    codes = ids.indices.to_numpy()
    order = _winners_first(acts, codes)
    acts, codes, new = acts.take(pa.array(order)), codes[order], new[order]
    first = np.flatnonzero(np.diff(codes, prepend=-1))
    same = np.diff(codes, prepend=-1) == 0
    winner_of = np.maximum.accumulate(np.where(same, 0, np.arange(acts.num_rows)))
    any_new, any_known = np.logical_or.reduceat(new, first), np.logical_or.reduceat(~new, first)
    duplicates = int(new.sum() - (any_new & ~any_known).sum())
    differs = np.zeros(int(same.sum()), dtype=bool)
    for name in _CONTENT:
        lost, won = (acts[name].take(pa.array(rows)).fill_null("") for rows in (np.flatnonzero(same), winner_of[same]))
        differs |= pc.not_equal(lost, won).to_numpy(zero_copy_only=False)
    concerns_new = np.repeat(any_new, np.diff(first, append=len(codes)))[same]
    return SettledActs(acts.take(pa.array(first)), any_new, any_known, duplicates, int((differs & concerns_new).sum()))


def clean_words(acts: pa.RecordBatch, mask_contacts: bool) -> pa.RecordBatch:
    """Acts whose texts and attributes hold no control characters, names or, if asked for, addresses and numbers; blank texts are null."""
    for name in ("title", "text", "url", "source_text"):
        texts = cleaned(acts[name], mask_contacts)
        blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
        acts = acts.set_column(acts.schema.get_field_index(name), name, pc.if_else(blank, pa.scalar(None, pa.string()), texts))
    attributes = cleaned_attributes(acts["attributes"], mask_contacts)
    return acts.set_column(acts.schema.get_field_index("attributes"), "attributes", attributes)


def obstacles(acts: pa.RecordBatch, has_words: np.ndarray, asks_object: np.ndarray) -> np.ndarray:
    """Why each act makes no unit, as one of OBSTACLES; empty where it makes one. `asks_object` is of acts that take the title of an object."""
    deleted, removed = (pc.equal(acts["state"], state).to_numpy(zero_copy_only=False) for state in ("deleted", "removed"))
    is_object = pc.equal(acts["action"], OBJECT).to_numpy(zero_copy_only=False)
    no_user = pc.is_null(acts["user_id"]).to_numpy(zero_copy_only=False)
    reasons = [is_object, deleted, removed & ~has_words, no_user, ~has_words & ~asks_object, ~has_words]
    return np.select(reasons, ["object", "deleted", "removed", "no user", "no words", "no title of its object"], default="")


def units_of_threads(acts: pa.RecordBatch, settings: UnitSettings) -> Iterator[Made]:
    """Units of acts whose threads are whole, as far as new acts change them, and what became of the new acts."""
    settled = settle_duplicates(acts)
    titled = titled_by_objects(clean_words(settled.acts, settings.mask_contacts))
    rows = titled.acts
    if settings.identify_languages or settings.filters.languages:
        rows = with_languages(rows)
    words = words_as_context(rows["title"], rows["text"], settings.context_chars)
    has_words = words.is_valid().to_numpy(zero_copy_only=False)
    why_not = obstacles(rows, has_words, titled.asks)
    if not settings.filters.are_off:
        why_not = np.where(why_not == "", filtered_out(rows, settings.filters, pa.array(settings.bots, pa.string())), why_not)
    ancestors = find_ancestors(rows, has_words, np.flatnonzero(why_not == ""), settings.context_depth, settled.is_new)
    ancestors = ancestors.of(ancestors.is_touched)
    counts = Counter(acts=int(acts["is_new"].true_count), duplicate=settled.duplicates, **{CONFLICTS: settled.conflicts})
    counts.update(why_not[settled.is_new & ~settled.is_known & (why_not != "")].tolist())
    counts[CHANGED] = int(settled.is_known[ancestors.targets].sum())
    has_changed = settled.is_new | ((titled.asked != NOBODY) & settled.is_new[titled.asked])
    replaced = _replaced(rows, settled.is_known, has_changed & (why_not != ""), ancestors.targets)
    objects = rows["unit_id"].filter(pa.array(settled.is_new & (why_not == "object")))
    yield Made(UNITS, arrow_schema(UNITS).empty_table(), counts, replaced, sampled_ids(objects, settings.one_id_in))
    for start in range(0, len(ancestors.targets), UNITS_AT_ONCE):
        units = _unit_rows(rows, words, ancestors.of(slice(start, start + UNITS_AT_ONCE)), settings.context_chars)
        yield Made(UNITS, units, sampled_ids=sampled_ids(units["unit_id"], settings.one_id_in))
        if settings.signature_min_words is not None:
            yield Made(UNIT_SIGNATURES, signature_rows(units, settings.signature_min_words))


def units_of_batches(batches: Iterable[pa.RecordBatch], settings: UnitSettings) -> Iterator[Made]:
    """Units of a stream of acts in which each thread is in a row."""
    for acts in whole_threads(batches, key="thread_hash"):
        yield from units_of_threads(acts, settings)


def unit_hashes(units: pa.RecordBatch, context: pa.ListArray) -> pa.Array:
    """`unit_hash` of each unit: SHA-256 of its content as a JSON array, as `lake.units.Unit` says."""
    texts, offsets = context.flatten().field("text").to_pylist(), context.offsets.to_pylist()
    own = zip(units["action"].to_pylist(), units["community"].to_pylist(), units["title"].to_pylist(), units["text"].fill_null("").to_pylist(), strict=True)
    as_json = msgspec.json.Encoder().encode
    contents = [as_json((*words, *texts[start:end])) for words, start, end in zip(own, offsets[:-1], offsets[1:], strict=True)]
    return pa.array([hashlib.sha256(content).hexdigest() for content in contents], pa.string())


def _unit_rows(acts: pa.RecordBatch, words: pa.Array, ancestors: Ancestors, title_chars: int) -> pa.Table:
    units = acts.take(pa.array(ancestors.targets))
    context = context_column(acts, words, ancestors, title_chars)
    made = {
        "text": units["text"].fill_null(""),
        "attributes": without_marks(units["attributes"]),
        "context": context,
        "root_state": pa.array(ancestors.root_states, pa.string()),
        "chain_state": pa.array(ancestors.chain_states, pa.string()),
        "unit_hash": unit_hashes(units, context),
        "duplicate_group": pa.nulls(units.num_rows, pa.string()),
    }
    schema = arrow_schema(UNITS)
    return pa.table([made[name] if name in made else units[name] for name in schema.names], schema=schema)


def _replaced(acts: pa.RecordBatch, is_known: np.ndarray, is_none: np.ndarray, targets: np.ndarray) -> dict[Partition, set[str]]:
    """Ids whose units of an earlier run are no longer right, by partition: they are made again, or there is none by what is new."""
    is_made = np.zeros(acts.num_rows, dtype=bool)
    is_made[targets] = True
    outdated = acts.filter(pa.array(is_known & (is_made | is_none)))
    replaced: dict[Partition, set[str]] = {}
    for *partition, unit_id in zip(*(outdated[name].to_pylist() for name in (*UNITS.partition_by, "unit_id")), strict=True):
        replaced.setdefault(tuple(partition), set()).add(unit_id)
    return replaced


def _winners_first(acts: pa.RecordBatch, codes: np.ndarray) -> np.ndarray:
    """Row numbers by id, and the winner first among the acts of one id."""
    has_text = pc.not_equal(pc.utf8_trim_whitespace(acts["text"]).fill_null(""), "")
    deleted_later = pc.equal(pc.map_lookup(acts["attributes"], DELETED_LATER, "last"), "true").fill_null(False)
    preferences = {
        "deleted_later": deleted_later.cast(pa.int8()),
        "has_text": has_text.cast(pa.int8()),
        "kept": pc.equal(acts["state"], "kept").cast(pa.int8()),
        "retrieved_at": acts["retrieved_at"],
        "source_file": acts["source_file"],
        "line": acts["line"],
    }
    table = pa.table({"code": pa.array(codes)} | preferences)
    keys = [("code", "ascending", "at_end"), *((name, "descending", "at_end") for name in preferences)]
    return pc.sort_indices(table, sort_keys=keys).to_numpy()
