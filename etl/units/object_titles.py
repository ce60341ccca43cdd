"""Acts without words of their own (a rating, a purchase) that take the title of the object that they are about."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.units.contexts import NOBODY, OBJECT, root_rows
from lake.acts import WORDS_OF_OBJECT


@dataclass(frozen=True)
class TitledActs:
    """Acts with the titles of objects in the place of their own, where they ask for it: which do, and what they ask. Shapes: (N,).

    `asked` is the row of what opened the thread (-1: it is not there): an object, or what is none by now.
    """

    acts: pa.RecordBatch
    asks: np.ndarray
    asked: np.ndarray


def titled_by_objects(acts: pa.RecordBatch) -> TitledActs:
    """Acts that ask for it titled by the object that opened their thread; one without a title, or that is not there, leaves an act its own.

    Whole threads, no `unit_id` twice.
    """
    asks, asked = np.zeros(acts.num_rows, dtype=bool), np.full(acts.num_rows, NOBODY)
    if not _is_any_marked(acts["attributes"]):
        return TitledActs(acts, asks, asked)
    is_marked = pc.equal(pc.map_lookup(acts["attributes"], WORDS_OF_OBJECT, "last"), "true").fill_null(False)
    asks = pc.and_(is_marked, pc.equal(acts["state"], "kept")).to_numpy(zero_copy_only=False)
    asked = np.where(asks, root_rows(acts), NOBODY)
    is_object = pc.equal(acts["action"], OBJECT).to_numpy(zero_copy_only=False)
    of_objects = acts["title"].take(pa.array(asked, mask=(asked == NOBODY) | ~is_object[asked]))
    titled = acts.set_column(acts.schema.get_field_index("title"), "title", pc.coalesce(of_objects, acts["title"]))
    return TitledActs(titled, asks, asked)


def without_marks(attributes: pa.MapArray) -> pa.MapArray:
    """Attributes of acts as those of their units: not whether they asked for an object's title. Shape: (N,) -> (N,)."""
    if not _is_any_marked(attributes):
        return attributes
    stays = pc.not_equal(attributes.keys, WORDS_OF_OBJECT)
    before = np.concatenate([[0], np.cumsum(stays.to_numpy(zero_copy_only=False))]).astype(np.int32)
    offsets = pa.array(before[attributes.offsets.to_numpy()])
    return pa.MapArray.from_arrays(offsets, attributes.keys.filter(stays), attributes.items.filter(stays))


def _is_any_marked(attributes: pa.MapArray) -> bool:
    return bool(pc.any(pc.equal(attributes.keys, WORDS_OF_OBJECT)).as_py())
