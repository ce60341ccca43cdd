"""Rows sorted in memory, and by way of temporary files that leave nothing behind."""

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from etl.tasks import sorted_rows as module
from etl.tasks.sorted_rows import sorted_rows

KEYS = ("person", "time", "unit")


def tables(rng: random.Random) -> list[pa.Table]:
    """Rows of a few people, one of whom has most; times tie, ids are of all kinds of letters."""
    numbers = list(range(rng.randint(1, 200)))
    rng.shuffle(numbers)
    people = [rng.choice(["giant", "giant", "giant", "a", "é", "z"]) for _ in numbers]
    rows = pa.table({
        "words": [["x" * (number % 7)] for number in numbers], "person": people, "time": [rng.randint(0, 5) for _ in numbers],
        "unit": [f"{'aé🙂￿'[number % 4]}{number}" for number in numbers],
    })  # fmt: skip
    cuts = sorted(rng.choices(numbers, k=5))
    return [rows.slice(start, end - start) for start, end in zip([0, *cuts], [*cuts, len(numbers)], strict=True)]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("bytes_in_memory", [1, 2000, 10**9])
def test_rows_are_sorted_however_few_fit_into_memory(seed: int, bytes_in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_OF_RUN_AT_ONCE", 3)
    given = tables(random.Random(seed))
    found = [row for batch in sorted_rows(iter(given), KEYS, bytes_in_memory) for row in batch.to_pylist()]
    assert found == sorted(pa.concat_tables(given).to_pylist(), key=lambda row: tuple(row[key] for key in KEYS))


def test_no_rows_are_no_batches() -> None:
    assert list(sorted_rows([], KEYS)) == []


def test_rows_that_wait_leave_no_file_behind_when_the_rows_fail_to_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    open_files: list[list[str]] = []

    def failing() -> Iterator[pa.Table]:
        yield from tables(random.Random(1))
        open_files.append([str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and str(tmp_path) in str(link.readlink())])
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(sorted_rows(failing(), KEYS, bytes_in_memory=1))
    assert open_files[0]
    assert list(tmp_path.iterdir()) == []
