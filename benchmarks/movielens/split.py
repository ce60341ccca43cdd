"""The split of acts that `trainer.examples.held_out_acts` makes, as a table that any other recommender can be trained on. Pure.

One row an item that a person acts on for the first time: `person_id`, `item_id`, `place` (its order in the history; ties in time are settled there), `at` (UTC) and `part`:
train, validation (to choose by) or test (to judge by). A recommender may be given all parts before the one that it is asked about, and be trained on train alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from trainer.evaluation.catalogue import AppItems

COLUMNS = ("person_id", "item_id", "place", "at", "part")
SCHEMA = pa.schema([("person_id", pa.string()), ("item_id", pa.string()), ("place", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("part", pa.string())])


def split_table(examples: Iterable[Mapping[str, Any]], items: AppItems) -> pa.Table:
    """Rows of the split, person by person and in time, of `person_id`, `history`, `cuts`, `acted_on` and `trained_units`."""
    return pa.Table.from_pylist([row for example in examples for row in _rows(example, items)], SCHEMA)


def _rows(example: Mapping[str, Any], items: AppItems) -> Iterator[dict[str, Any]]:
    judged_from = min((cut["history_length"] for cut in example["cuts"] if cut["part"] == "test"), default=len(example["history"]))
    met: set[int] = set()
    for act in sorted(example["acted_on"], key=lambda act: act["place"]):
        number, place = items.number[act["item_id"]], act["place"]
        if number in met:
            continue
        met.add(number)
        part = "train" if place < example["trained_units"] else "validation" if place < judged_from else "test"
        yield {
            "person_id": example["person_id"],
            "item_id": items.item_ids[number],
            "place": place,
            "at": example["history"][place]["created_at"],
            "part": part,
        }
