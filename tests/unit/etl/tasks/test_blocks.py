"""Rows -> blocks of each bucket -> the same rows; rows are gathered until there are enough for blocks."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.tasks.blocks import blocks_of_rows, gathered, places_of_buckets, rows_of_block


def test_a_block_holds_the_rows_of_its_bucket_in_their_order() -> None:
    rows = pa.concat_tables(pa.table({"n": part, "words": [[str(n)] * n for n in part]}) for part in ([0, 1, 2], [3, 4], [5]))
    blocks = list(blocks_of_rows(rows, np.array([7, 0, 7, 7, 0, 2])))
    assert [(block.bucket, rows_of_block(block)["n"].to_pylist()) for block in blocks] == [(0, [1, 4]), (2, [5]), (7, [0, 2, 3])]
    assert all(rows_of_block(block)["words"].to_pylist() == [[str(n)] * n for n in rows_of_block(block)["n"].to_pylist()] for block in blocks)


def test_rows_are_gathered_until_they_take_so_many_bytes() -> None:
    batches = [pa.record_batch({"n": pa.array([number] * 10, pa.int64())}) for number in range(5)]
    assert [table["n"].unique().to_pylist() for table in gathered(batches, bytes_at_once=150)] == [[0, 1], [2, 3], [4]]
    assert list(gathered([], bytes_at_once=150)) == []


def test_small_buckets_share_places_and_big_ones_have_their_own() -> None:
    assert places_of_buckets([9] * 64, at_least=2, size_of_place=200_000) == [0, 1] * 32
    assert places_of_buckets([500, 9, 700, 8, 7], at_least=2, size_of_place=600) == [0, 2, 1, 2, 2]
    assert places_of_buckets([1_000_000] * 3, at_least=2, size_of_place=200_000) == [0, 1, 2]
    assert places_of_buckets([5], at_least=8, size_of_place=200_000) == [0]
    assert places_of_buckets([0, 0], at_least=2, size_of_place=200_000) == [0, 1]


@given(st.lists(st.integers(0, 300), min_size=1), st.integers(1, 20), st.integers(1, 200))
def test_places_are_filled_evenly_and_are_as_many_as_there_is_work_for(sizes: list[int], cores: int, size_of_place: int) -> None:
    places = places_of_buckets(sizes, cores, size_of_place)
    assert len(places) == len(sizes)
    assert set(places) == set(range(len(set(places))))
    assert len(set(places)) >= min(cores, len(sizes))
    shared = [sum(size for size, of in zip(sizes, places, strict=True) if of == place) for place, buckets in Counter(places).items() if buckets > 1]
    assert all(size < 2 * size_of_place for size in shared)
