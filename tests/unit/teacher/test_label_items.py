"""Items out of labels: spellings, ties, counts, other sources."""

import pyarrow as pa

from lake.labels import ITEMS, LEVELS, Item, label_item_id
from lake.schema import rows_table
from teacher.items import count_spellings, items_of, only_labels, with_other_sources


def label_batch(*rows: tuple[str, str, str]) -> pa.RecordBatch:
    columns = ("unit_hash", *LEVELS)
    schema = pa.schema([(column, pa.string()) for column in columns])
    return pa.RecordBatch.from_pylist([dict(zip(columns, row, strict=True)) for row in rows], schema=schema)


def items_by_id(*batches: pa.RecordBatch) -> dict[str, tuple[str, int]]:
    items = items_of(count_spellings(batches)).to_pylist()
    return {item["item_id"]: (item["text"], item["label_count"]) for item in items}


def test_no_labels_are_no_items() -> None:
    assert items_of(count_spellings([])).num_rows == 0
    assert items_of(count_spellings([label_batch()])).num_rows == 0


def test_the_most_frequent_spelling_names_the_item_and_all_are_counted() -> None:
    items = items_by_id(label_batch(("1", "Brake pads", "Cycling"), ("2", "brake pads!", "Cycling")), label_batch(("3", "brake pads!", "Cooking")))
    assert items[label_item_id("specific", "brake pads")] == ("brake pads!", 3)
    assert items[label_item_id("broad", "cycling")] == ("Cycling", 2)
    assert len(items) == 3


def test_equally_frequent_spellings_are_settled_by_the_alphabet() -> None:
    for rows in ((("1", "brake pads", "X"), ("2", "Brake pads", "X")), (("1", "Brake pads", "X"), ("2", "brake pads", "X"))):
        assert items_by_id(label_batch(*rows))[label_item_id("specific", "brake pads")] == ("Brake pads", 2)


def test_one_text_at_two_levels_is_two_items() -> None:
    assert len(items_by_id(label_batch(("1", "Brake pads", "Brake Pads")))) == 2


def test_a_content_that_two_teachers_labelled_alike_counts_once() -> None:
    assert items_by_id(label_batch(("1", "Brake pads", "Cycling"), ("1", "Brake pads", "Cycling")))[label_item_id("broad", "cycling")] == ("Cycling", 1)


def test_items_of_other_sources_stay() -> None:
    own = Item(item_id="app-1", source="shop", level=None, text="A bell", external_id="1", label_count=None)
    old = Item(item_id="gone", source="labels", level="broad", text="Gone", external_id=None, label_count=1)
    written = rows_table(ITEMS, [own, old])
    items = with_other_sources(items_of(count_spellings([label_batch(("1", "Brake pads", "Cycling"))])), written)
    assert [item["source"] for item in items.to_pylist()] == ["labels", "labels", "shop"]
    assert only_labels(written)["item_id"].to_pylist() == ["gone"]
