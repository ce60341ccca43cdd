"""Who can be asked, and what stands in `examples` of them (edge)."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES, Split
from trainer.evaluation.questions import people_to_ask

BATCH_ROWS = 64
"""Histories and cuts in memory at once where a table is gone through."""


def askable_people(lake: LakeConfig, version: int, split: Split, items: pa.Table) -> list[str]:
    """`person_id`s, sorted, of the people of a split who have a label among the items after a cut."""
    cuts = arrow_tables.read_batches(lake, EXAMPLES, ("person_id", "cuts"), ds.field("split") == split, version, BATCH_ROWS)
    return people_to_ask(cuts, items)


def examples_of(lake: LakeConfig, version: int, person_ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Examples of these people, in the order of their ids."""
    rows = arrow_tables.read(lake, EXAMPLES, columns, ds.field("person_id").isin(pa.array(person_ids, pa.string())), version)
    return rows.sort_by("person_id")
