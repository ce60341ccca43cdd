"""Labels -> items: one row for each distinct label text of a level."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from lake.labels import ITEMS, LABELS_SOURCE, LEVELS, Level, label_item_id
from lake.schema import checked_table


def count_spellings(labels: Iterable[pa.RecordBatch]) -> pa.Table:
    """Level, text and the number of contents (`unit_hash`) that carry it, from a stream of labels; all teacher versions together.

    A content that several teachers gave the same text counts once.
    """
    pairs: dict[Level, list[pa.Table]] = {level: [] for level in LEVELS}
    for rows in labels:
        for level in LEVELS:
            pairs[level].append(pa.table({"text": rows[level], "unit_hash": rows["unit_hash"]}))
    counted = []
    for level, parts in pairs.items():
        if parts:
            contents = pa.concat_tables(parts).group_by(["text", "unit_hash"]).aggregate([])
            texts = contents.group_by("text").aggregate([("unit_hash", "count")])
            counted.append(pa.table({"level": pa.repeat(pa.scalar(level), len(texts)), "text": texts["text"], "count": texts["unit_hash_count"]}))
    return (
        pa.concat_tables(counted)
        if counted
        else pa.table({"level": pa.array([], pa.string()), "text": pa.array([], pa.string()), "count": pa.array([], pa.int64())})
    )


def items_of(spellings: pa.Table) -> pa.Table:
    """Items of label texts (level, text, count), sorted by `item_id`; an item's text is its most frequent spelling, of equals the first in the alphabet."""
    levels, texts = spellings["level"].to_pylist(), spellings["text"].to_pylist()
    ids = [label_item_id(level, text) for level, text in zip(levels, texts, strict=True)]
    ordered = spellings.append_column("item_id", pa.array(ids, pa.string())).sort_by([("item_id", "ascending"), ("count", "descending"), ("text", "ascending")])
    items = ordered.group_by("item_id", use_threads=False).aggregate([("level", "first"), ("text", "first"), ("count", "sum")])
    nothing = pa.nulls(len(items), pa.string())
    columns = {
        "item_id": items["item_id"], "source": pa.repeat(pa.scalar(LABELS_SOURCE), len(items)), "level": items["level_first"], "text": items["text_first"],
        "external_id": nothing, "label_count": items["count_sum"],
    }  # fmt: skip
    return checked_table(ITEMS, pa.table(columns)).sort_by("item_id")


def with_other_sources(items: pa.Table, written: pa.Table) -> pa.Table:
    """The items of labels, then the rows of other sources (an app's catalogue) that the table holds already."""
    others = written.filter(pc.not_equal(written["source"], LABELS_SOURCE)).sort_by("item_id")
    return pa.concat_tables([items, others])


def only_labels(written: pa.Table) -> pa.Table:
    """Those of the table's items that came from labels, sorted by `item_id`."""
    return written.filter(pc.equal(written["source"], LABELS_SOURCE)).sort_by("item_id")
