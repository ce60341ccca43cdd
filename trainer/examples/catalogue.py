"""Which items of apps' catalogues units act on: looked up by the id of the thread that a unit is in, else of the object that it is about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.examples import answer_key
from trainer.examples.cuts import NONE, Numbers


@dataclass(frozen=True)
class Catalogue:
    """N items of apps. `ids` (M,) are those by which units name them, each once, and `rows` (M,) whose each is; `keys` (N,) are the answer_keys of the texts.

    It is held whole, some 300 bytes an item, while examples are made.
    """

    ids: pa.Array
    rows: Numbers
    item_ids: Sequence[str]
    texts: Sequence[str]
    keys: Numbers

    def find(self, units: pa.StructArray) -> Numbers:
        """The item that each unit acts on, (S,); -1 where it acts on none. A unit's thread is asked first, since where an object opens it that is the object."""
        if not len(self.ids):
            return np.full(len(units), NONE)
        threads, objects = (self._rows(ids) for ids in (pc.struct_field(units, "thread_id"), _object_ids(units)))
        return np.where(threads == NONE, objects, threads)

    def _rows(self, ids: pa.Array) -> Numbers:
        places = pc.index_in(ids, value_set=self.ids, skip_nulls=True)
        return np.where(places.is_null().to_numpy(zero_copy_only=False), NONE, self.rows[places.fill_null(0).to_numpy(zero_copy_only=False)])


def catalogue_of(batches: Iterable[pa.RecordBatch], patterns: Sequence[str]) -> Catalogue:
    """The items of batches of `item_id`, `source`, `external_id` and `text`; patterns are those of `trainer.examples.catalogue_ids`.

    Items without an id of their own cannot be acted on. Of two that an id may mean the one of the earlier pattern counts, then the lesser `item_id`.
    """
    items = sorted(
        (row["item_id"], row["source"], row["external_id"], row["text"]) for batch in batches for row in batch.to_pylist() if row["external_id"] is not None
    )
    named: dict[str, int] = {}
    for pattern in patterns:
        for row, (_, source, external_id, _) in enumerate(items):
            named.setdefault(pattern.replace("{source}", source).replace("{id}", external_id), row)
    return Catalogue(
        ids=pa.array(list(named), pa.string()),
        rows=np.array(list(named.values()), np.int64),
        item_ids=[item_id for item_id, *_ in items],
        texts=[text for *_, text in items],
        keys=np.array([answer_key(text) for *_, text in items], np.int64),
    )


NO_CATALOGUE = catalogue_of((), ())


def _object_ids(units: pa.StructArray) -> pa.Array:
    """`unit_id` of the object that each unit is about, null where it is about none."""
    contexts = pc.struct_field(units, "context")
    entries, unit = contexts.flatten(), pc.list_parent_indices(contexts)
    is_object = pc.equal(pc.struct_field(entries, "role"), "object").fill_null(False)
    of_objects, owners = pc.struct_field(entries, "unit_id").filter(is_object), unit.filter(is_object).to_numpy(zero_copy_only=False)
    places = np.full(len(units), NONE)
    places[owners[::-1]] = np.arange(len(owners))[::-1]  # the first of several
    return of_objects.take(pa.array(places, pa.int64(), mask=places == NONE))
