"""One thread of a million comments through `etl units`, one person of five million units through `etl sequences`: peak memory of each process.

    python -m benchmarks.extremes [--comments 1000000] [--units 5000000]

Spark's one JVM has 1 GB of heap; a task's Python worker has no limit, and is what is looked at.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from benchmarks.cpu import cost_of
from etl.units.contexts import CONTEXT_TYPE
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.schema import arrow_schema
from lake.table_files import TableFiles
from lake.tables import TableSpec
from lake.units import SEQUENCES, UNITS

ROWS_AT_ONCE = 50_000
WORDS = np.array(
    [
        "the",
        "of",
        "a",
        "to",
        "and",
        "in",
        "that",
        "is",
        "it",
        "for",
        "on",
        "with",
        "was",
        "as",
        "be",
        "this",
        "have",
        "are",
        "not",
        "but",
        "they",
        "at",
        "one",
        "you",
        "all",
        "can",
    ]
)
START = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1e6)


def main() -> None:
    """Write each extreme into a lake of its own, run the job, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comments", type=int, default=1_000_000)
    parser.add_argument("--units", type=int, default=5_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = LakeConfig(path=f"{folder}/thread")
        write(lake, ACTS, thread_of(arguments.comments))
        run("units", lake)
        print(f"  {arrow_tables.count_rows(lake, UNITS):,} units of one thread")
    with tempfile.TemporaryDirectory() as folder:
        lake = LakeConfig(path=f"{folder}/person")
        write(lake, UNITS, history_of(arguments.units))
        run("sequences", lake)
        print(f"  {arrow_tables.count_rows(lake, SEQUENCES):,} chunks of one person")


def thread_of(count: int) -> Iterator[pa.Table]:
    """Comments of one thread, each an answer to one of the thousand before it."""
    rng = np.random.default_rng(7)
    for start in range(0, count, ROWS_AT_ONCE):
        numbers = np.arange(start, min(start + ROWS_AT_ONCE, count))
        parents = np.maximum(numbers - rng.integers(1, 1000, len(numbers)), 0)
        ids, parent_ids = ([f"reddit:t1_{number:x}" for number in some] for some in (numbers, parents))
        yield _table(ACTS, len(numbers), {
            "unit_id": ids, "parent_unit_id": parent_ids, "thread_id": ["reddit:t3_0"] * len(numbers), "user_id": _people(rng, len(numbers)),
            "text": _texts(rng, len(numbers)), "created_at": _times(numbers), "line": numbers + 1, "source_file": ["RC"] * len(numbers),
        })  # fmt: skip


def history_of(count: int) -> Iterator[pa.Table]:
    """Units of one person, each with a root and two parents as context."""
    rng = np.random.default_rng(7)
    entries = pa.array([[{"role": role, "unit_id": role, "speaker": "other-1", "speaker_id": "f" * 64, "text": " ".join(WORDS) * 2, "created_at": None}
                         for role in ("root", "parent", "parent")]], CONTEXT_TYPE)  # fmt: skip
    for start in range(0, count, ROWS_AT_ONCE):
        numbers = np.arange(start, min(start + ROWS_AT_ONCE, count))
        yield _table(UNITS, len(numbers), {
            "unit_id": [f"reddit:t1_{number:x}" for number in numbers], "user_id": ["a" * 64] * len(numbers), "text": _texts(rng, len(numbers)),
            "created_at": _times(numbers), "context": entries.take(pa.array(np.zeros(len(numbers), dtype=int))), "unit_hash": _people(rng, len(numbers)),
            "root_state": ["present"] * len(numbers), "chain_state": ["complete"] * len(numbers),
        })  # fmt: skip


def write(lake: LakeConfig, spec: TableSpec, parts: Iterator[pa.Table]) -> None:
    """Make a table of these parts."""
    arrow_tables.create_table(lake, spec)
    files = TableFiles(lake, spec, "extreme")
    for part in parts:
        files.write(part)
    arrow_tables.commit_files(lake, spec, files.finish())


def run(job: str, lake: LakeConfig) -> None:
    """Run a job of the ETL and print its cost."""
    cost = cost_of([sys.executable, "-m", f"etl.jobs.{job}", "--lake", lake.path, "--set", "lake.driver_memory=1g", "--set", "lake.spark_master=local[2]"])
    print(
        f"{job}: {cost.cpu_seconds:.0f} CPU s; peak of the JVM {cost.peaks['java'] / 1e6:,.0f} MB, of a Python process {cost.peaks['python'] / 1e6:,.0f} MB",
        flush=True,
    )


def _table(spec: TableSpec, count: int, columns: dict[str, object]) -> pa.Table:
    given = {"platform": ["reddit"] * count, "thread_group": ["0"] * count, "action": ["comment"] * count, "state": ["kept"] * count} | columns
    given.setdefault("attributes", pa.array([[]] * count, pa.map_(pa.string(), pa.string())))
    made = {}
    for field in arrow_schema(spec):
        value = given.get(field.name)
        made[field.name] = pa.nulls(count, field.type) if value is None else pa.array(value).cast(field.type)
    return pa.table(made)


def _people(rng: np.random.Generator, count: int) -> list[str]:
    return [value.hex() for value in np.frombuffer(rng.bytes(32 * count), dtype="V32").tolist()]


def _texts(rng: np.random.Generator, count: int) -> list[str]:
    return [" ".join(words) for words in WORDS[rng.integers(0, len(WORDS), (count, 40))]]


def _times(numbers: np.ndarray) -> pa.Array:
    return pa.array(START + numbers * 1_000_000, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


if __name__ == "__main__":
    main()
