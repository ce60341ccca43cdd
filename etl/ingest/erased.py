"""What a parser gives of people and acts that were forgotten is left out before it reaches a table, and counted."""

from collections import Counter
from dataclasses import replace

import pyarrow.compute as pc

from etl.platforms import ParsedBatch
from lake.forgotten import Erased

ERASED = "erased"
"""What such lines are counted as: they have numbers in the file, and are neither rows nor rejects."""
FILES_OF_ERASED = "files of erased people"


def without_erased(batch: ParsedBatch, erased: Erased) -> ParsedBatch:
    """The batch without acts and rejects of whom and what was forgotten, and without the names of their profiles; `lines` are those that stay."""
    if not erased or not batch.lines:
        return batch
    acts = batch.acts.filter(pc.invert(pc.or_(erased.among("person", batch.acts["user_id"]), erased.among("act", batch.acts["unit_id"]))))
    places = pc.if_else(erased.among("place", acts["community"]), None, acts["community"])
    acts = acts.set_column(acts.schema.get_field_index("community"), acts.schema.field("community"), places)
    rejects = batch.rejects.filter(pc.invert(erased.among("person", batch.rejects["user_id"])))
    gone = batch.acts.num_rows + batch.rejects.num_rows - acts.num_rows - rejects.num_rows
    left_out = Counter(batch.left_out) + Counter({ERASED: gone})
    return replace(batch, acts=acts, rejects=rejects, lines=batch.lines - gone, left_out=left_out)
