"""Batches of a place -> those of each of its buckets."""

import pyarrow as pa

from etl.tasks.files import by_bucket


def batch(*rows: tuple[int, int]) -> pa.RecordBatch:
    """Rows of bucket and content, all of place 3."""
    return pa.RecordBatch.from_pydict({"bucket": [bucket for bucket, _ in rows], "content": [content for _, content in rows], "place": [3] * len(rows)})


def test_a_place_with_several_buckets_gives_one_after_the_other() -> None:
    batches = [batch((7, 1), (2, 2), (7, 3)), batch().slice(0, 0), batch((2, 4))]
    found = [[content for part in of_bucket for content in part["content"].to_pylist()] for of_bucket in by_bucket(iter(batches), {3: 2})]
    assert found == [[2, 4], [1, 3]]


def test_a_bucket_that_is_alone_comes_as_a_stream() -> None:
    taken = []

    def batches():
        for number in range(5):
            taken.append(number)
            yield batch((7, number))

    (stream,) = by_bucket(batches(), {3: 1})
    assert next(iter(stream))["content"].to_pylist() == [0]
    assert taken == [0]


def test_a_place_without_rows_has_no_buckets() -> None:
    assert list(by_bucket(iter([]), {3: 1})) == []
