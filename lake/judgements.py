"""Table of graded relevance: how much candidate items, found by an encoder, are about a unit or a history, as a teacher judges. Those of 'kindred teacher judge', or your own."""

from datetime import datetime

from pydantic import Field

from lake.labels import Level
from lake.tables import Row, TableSpec


class Judgement(Row):
    """One item judged for one unit, or for a history up to a unit. Self-contained: the item's words are those that were judged."""

    query_id: str = Field(description="What was judged: the `unit_id` of a unit; of a history `history_query_id` of its last unit.")
    person_id: str = Field(description="Whose unit or history it is, as in `sequences`.")
    item_id: str = Field(description="The item.")
    level: Level | None = Field(description="Of a label; null for an app's own item.")
    text: str = Field(description="The item's words.")
    grade: float = Field(
        ge=0,
        le=1,
        description="0: not about it; 1: nothing could be more so. Of 'kindred teacher judge' a rank among what was judged for the query at a level: 1 is the first by all prompts, 0 the last.",
    )
    encoder_version: str | None = Field(description="Who found the neighbours among the items; null where they were given.")
    teacher_model: str = Field(description="Who judged.")
    prompt_version: str = Field(description="Names and versions of the prompts that were fused.")
    judged_at: datetime | None = Field(description="UTC; null where imported.")


JUDGEMENTS = TableSpec(
    name="judgements", row=Judgement, key=("query_id", "item_id"), write_mode="merge", written_by=("teacher judge",),
    subjects={"person_id": "person", "query_id": "judged", "item_id": "item"},
)  # fmt: skip


def history_query_id(unit_id: str) -> str:
    """`query_id` of a person's history up to a unit, itself included."""
    return f"history:{unit_id}"
