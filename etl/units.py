"""Acts -> units: one shuffle by thread, in which duplicates are settled and contexts attached."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.contexts import context_column, find_ancestors, whole_threads, words_as_context
from etl.counting import counted_schema, with_counts
from etl.masking import without_control_characters, without_names
from lake.acts import DELETED_LATER
from lake.schema import arrow_schema
from lake.units import UNITS, unit_hash

OBSTACLES = ("duplicate", "deleted", "removed", "no user", "no words")
CONFLICTS = "duplicates that differ"
COUNTED = ("acts", CONFLICTS, *OBSTACLES)

_OF_ACTS = ("state", "retrieved_at", "source_file", "line")
_MADE_HERE = ("context", "root_state", "chain_state", "unit_hash", "duplicate_group")
_CONTENT = ("user_id", "parent_unit_id", "title", "text")


def units_and_counts(acts: DataFrame, context_depth: int, context_chars: int, text_chars: int) -> DataFrame:
    """Units, and between them rows that only count: `counted` (one of COUNTED) and `row_count`, all else null.

    An act makes a unit if it has a user and words and is not deleted. Of several acts with one `unit_id` the winner is
    one that the archive saw deleted later, else one with text, else one that was kept, then the latest retrieved, then
    the greatest (`source_file`, `line`).
    """
    make = partial(_units_of_batches, context_depth=context_depth, context_chars=context_chars)
    return acts.transform(by_thread, context_chars, text_chars).mapInArrow(make, counted_schema(UNITS))


def by_thread(acts: DataFrame, context_chars: int, text_chars: int) -> DataFrame:
    """Acts with texts cut, each thread in one partition, the acts of one `unit_id` in a row, the winner first."""
    may_be_unit = F.col("user_id").isNotNull() & (F.col("state") != "deleted")
    columns = [name for name in UNITS.columns if name not in (*_MADE_HERE, "title", "text")]
    cut = acts.select(
        F.coalesce("thread_id", "unit_id").alias("thread_key"),
        *columns,
        *_OF_ACTS,
        _cut("title", may_be_unit, context_chars, text_chars),
        _cut("text", may_be_unit, context_chars, text_chars),
    )
    winner_first = [
        F.coalesce(F.col("attributes")[DELETED_LATER] == "true", F.lit(False)).desc(),
        (F.coalesce(F.trim("text"), F.lit("")) != "").desc(),
        (F.col("state") == "kept").desc(),
        F.col("retrieved_at").desc_nulls_last(),
        F.col("source_file").desc(),
        F.col("line").desc(),
    ]
    return cut.repartition("thread_key").sortWithinPartitions("thread_key", "unit_id", *winner_first)


def settle_duplicates(acts: pa.RecordBatch) -> tuple[pa.RecordBatch, int, int]:
    """The first act of each run of equal `unit_id`, how many others there were, and how many of those said something else."""
    same = _equals_previous(acts["thread_key"]) & _equals_previous(acts["unit_id"])
    first_of_run = np.maximum.accumulate(np.where(same, 0, np.arange(acts.num_rows)))
    others, winners = pa.array(np.flatnonzero(same)), pa.array(first_of_run[same])
    differs = np.zeros(len(others), dtype=bool)
    for name in _CONTENT:
        lost, won = acts[name].take(others).fill_null(""), acts[name].take(winners).fill_null("")
        differs |= pc.not_equal(lost, won).to_numpy(zero_copy_only=False)
    return acts.filter(pa.array(~same)), len(others), int(differs.sum())


def clean_words(acts: pa.RecordBatch) -> pa.RecordBatch:
    """Acts whose title, text and link hold no control characters and no names; blank ones are null."""
    for name in ("title", "text", "url"):
        texts = without_names(without_control_characters(acts[name]))
        blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
        acts = acts.set_column(acts.schema.get_field_index(name), name, pc.if_else(blank, pa.scalar(None, pa.string()), texts))
    return acts


def obstacles(acts: pa.RecordBatch, has_words: np.ndarray) -> np.ndarray:
    """Why each act makes no unit, as one of OBSTACLES; empty where it makes one."""
    deleted, removed = (pc.equal(acts["state"], state).to_numpy(zero_copy_only=False) for state in ("deleted", "removed"))
    reasons = [deleted, removed & ~has_words, pc.is_null(acts["user_id"]).to_numpy(zero_copy_only=False), ~has_words]
    return np.select(reasons, ["deleted", "removed", "no user", "no words"], default="")


def units_of_threads(acts: pa.RecordBatch, context_depth: int, context_chars: int) -> tuple[pa.Table, Counter[str]]:
    """Units of acts whose threads are whole (each act's winner first), and how many acts were counted as what."""
    counts = Counter(acts=acts.num_rows)
    settled, counts["duplicate"], counts[CONFLICTS] = settle_duplicates(acts)
    settled = clean_words(settled)
    words = words_as_context(settled["title"], settled["text"], context_chars)
    has_words = words.is_valid().to_numpy(zero_copy_only=False)
    why_not = obstacles(settled, has_words)
    counts.update(why_not[why_not != ""].tolist())
    targets = np.flatnonzero(why_not == "")
    ancestors = find_ancestors(settled, has_words, targets, context_depth)
    units = settled.take(pa.array(targets))
    context = context_column(settled, words, ancestors)
    made = {
        "text": units["text"].fill_null(""),
        "context": context,
        "root_state": pa.array(ancestors.root_states, pa.string()),
        "chain_state": pa.array(ancestors.chain_states, pa.string()),
        "unit_hash": _hashes(units, context),
        "duplicate_group": pa.nulls(units.num_rows, pa.string()),
    }
    schema = arrow_schema(UNITS)
    return pa.table([made[name] if name in made else units[name] for name in schema.names], schema=schema), counts


def _units_of_batches(batches: Iterable[pa.RecordBatch], context_depth: int, context_chars: int) -> Iterator[pa.RecordBatch]:
    for acts in whole_threads(batches):
        yield from with_counts(*units_of_threads(acts, context_depth, context_chars), UNITS)


def _hashes(units: pa.RecordBatch, context: pa.ListArray) -> pa.Array:
    texts, offsets = context.flatten().field("text").to_pylist(), context.offsets.to_pylist()
    own = zip(*(units[name].to_pylist() for name in ("action", "community", "title", "text")), strict=True)
    hashes = [
        unit_hash(action, community, title, text or "", texts[start:end])
        for (action, community, title, text), start, end in zip(own, offsets[:-1], offsets[1:], strict=True)
    ]
    return pa.array(hashes, pa.string())


def _equals_previous(values: pa.Array) -> np.ndarray:
    same = np.zeros(len(values), dtype=bool)
    same[1:] = pc.equal(values.slice(1), values.slice(0, max(len(values) - 1, 0))).to_numpy(zero_copy_only=False)
    return same


def _cut(column: str, may_be_unit: Column, context_chars: int, text_chars: int) -> Column:
    own, for_others = F.substring(column, 1, text_chars), F.substring(column, 1, context_chars)
    return F.when(may_be_unit, own).otherwise(for_others).alias(column)
