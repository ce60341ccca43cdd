"""Columns of acts that more than one parser makes: maps of attributes, and values worked out once per distinct text."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa


def string_map(columns: Mapping[str, pa.Array], rows: int) -> pa.MapArray:
    """A map a row of the columns that are not None there, in the columns' order. Shape: every column (rows,)."""
    names, arrays = list(columns), list(columns.values())
    present = np.column_stack([~array.is_null().to_numpy(zero_copy_only=False) for array in arrays]) if rows else np.zeros((0, len(names)), bool)
    row, column = np.nonzero(present)
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    values = pa.chunked_array(arrays).combine_chunks().take(pa.array(column * rows + row))
    return pa.MapArray.from_arrays(offsets, pa.array(names).take(pa.array(column)), values)


def each_distinct(texts: pa.Array, function: Callable[[str | None], str | None]) -> pa.Array:
    """A function of each text (or null), worked out once per distinct one. Shape: (rows,), of strings."""
    distinct = texts.dictionary_encode(null_encoding="encode")
    return pa.array(map(function, distinct.dictionary.to_pylist()), pa.string()).take(distinct.indices)
