"""Rows -> blocks of each bucket -> the same rows; rows are gathered until there are enough for blocks."""

import numpy as np
import pyarrow as pa

from etl.tasks.blocks import blocks_of_rows, gathered, rows_of_block


def test_a_block_holds_the_rows_of_its_bucket_in_their_order() -> None:
    rows = pa.concat_tables(pa.table({"n": part, "words": [[str(n)] * n for n in part]}) for part in ([0, 1, 2], [3, 4], [5]))
    blocks = list(blocks_of_rows(rows, np.array([7, 0, 7, 7, 0, 2])))
    assert [(block.bucket, rows_of_block(block)["n"].to_pylist()) for block in blocks] == [(0, [1, 4]), (2, [5]), (7, [0, 2, 3])]
    assert all(rows_of_block(block)["words"].to_pylist() == [[str(n)] * n for n in rows_of_block(block)["n"].to_pylist()] for block in blocks)


def test_rows_are_gathered_until_they_take_so_many_bytes() -> None:
    batches = [pa.record_batch({"n": pa.array([number] * 10, pa.int64())}) for number in range(5)]
    assert [table["n"].unique().to_pylist() for table in gathered(batches, bytes_at_once=150)] == [[0, 1], [2, 3], [4]]
    assert list(gathered([], bytes_at_once=150)) == []
