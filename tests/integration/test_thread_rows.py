"""Files of acts -> blocks -> acts of whole threads: nothing is lost, no thread is parted, and of a grown partition only touched threads are read."""

from collections.abc import Iterable
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from etl.tasks.changes import partition_of
from etl.units import thread_rows
from etl.units.thread_rows import ActsFile, ActTexts, ThreadBuckets, acts_of_blocks, blocks_of_files, thread_hashes, thread_keys
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.schema import rows_table
from tests.etl_rows import act

TEXTS = ActTexts(of_units=20, of_others=8)
PARTITIONS = [("reddit", "0"), ("reddit", "1")]


def write_acts(lake: LakeConfig, acts: Iterable[dict[str, Any]], source: str) -> list[ActsFile]:
    """The files that a source adds to `acts`."""
    arrow_tables.create_table(lake, ACTS)
    before = {file["path"] for file in arrow_tables.live_files(arrow_tables.open_table(lake, ACTS))}
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [row | {"source_file": source, "line": number} for number, row in enumerate(acts, 1)]))
    live = arrow_tables.live_files(arrow_tables.open_table(lake, ACTS))
    return [ActsFile(file["path"], partition_of(file, ACTS)) for file in live if file["path"] not in before]


def by_task(lake: LakeConfig, files: list[ActsFile], tasks: ThreadBuckets) -> dict[int, list[dict[str, Any]]]:
    """What each task gets to see of the files, each read by a task of its own."""
    blocks: dict[int, list[pa.RecordBatch]] = {}
    for file in files:
        for batch in blocks_of_files(lake, [file], tasks, TEXTS):
            blocks.setdefault(batch["bucket"][0].as_py(), []).append(batch)
    return {task: [row for batch in acts_of_blocks(found, tasks) for row in batch.to_pylist()] for task, found in blocks.items()}


def random_acts(seed: int, threads: int) -> list[dict[str, Any]]:
    random = Random(seed)
    acts = [act(f"a{number}", thread=f"t{random.randrange(threads)}") for number in range(200)]
    acts += [act(f"s{number}", thread=None, session_id=f"session {random.randrange(9)}") for number in range(50)]
    return [row | {"thread_group": str(len(row["thread_id"] or "") % 2)} for row in acts]


def test_every_act_reaches_one_task_of_its_partition_and_threads_stand_in_a_row(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_rows, "BYTES_OF_BLOCKS", 2000)
    acts = random_acts(seed=1, threads=40)
    tasks = ThreadBuckets({PARTITIONS[0]: range(3), PARTITIONS[1]: range(3, 5)})
    seen = by_task(lake, write_acts(lake, acts, "RC"), tasks)
    assert sorted(row["unit_id"] for rows in seen.values() for row in rows) == sorted(row["unit_id"] for row in acts)
    threads_seen = set()
    for task, rows in seen.items():
        assert {(row["platform"], row["thread_group"]) for row in rows} == {tasks.partition_of(task)}
        hashes = [row["thread_hash"] for row in rows]
        assert hashes == sorted(hashes)
        threads = {row["thread_key"] for row in rows}
        assert not threads & threads_seen
        threads_seen |= threads
        assert all(row["is_new"] for row in rows)


def test_of_a_grown_partition_whole_threads_with_new_acts_are_read_and_of_another_all(lake: LakeConfig) -> None:
    old = write_acts(lake, [act("a", thread="t"), act("b", thread="u"), act("c", thread="v", thread_group="1")], "old")
    new = write_acts(lake, [act("d", thread="t"), act("e", thread=None, session_id="s", user_id="u")], "new")
    grown, whole = PARTITIONS
    tasks = ThreadBuckets({grown: range(1), whole: range(1, 2)}, {grown: [file.path for file in new]}, frozenset({"new"}))
    seen = by_task(lake, [*old, *new], tasks)
    assert {row["unit_id"]: row["is_new"] for row in seen[0]} == {"a": False, "b": False, "d": True, "e": True}
    assert {row["unit_id"]: row["is_new"] for row in seen[1]} == {"c": True}


def test_texts_are_cut_as_their_act_may_be_a_unit_or_not(lake: LakeConfig) -> None:
    long = "äöü" * 10
    acts = [act("unit", title=long, text=long), act("nobody", user_id=None, text=long), act("deleted", state="deleted", text=long), act("short", text="x")]
    seen = by_task(lake, write_acts(lake, acts, "RC"), ThreadBuckets({PARTITIONS[0]: range(1)}))
    assert {row["unit_id"]: (row["title"], row["text"]) for row in seen[0]} == {
        "unit": (long[:20], long[:20]), "nobody": (None, long[:8]), "deleted": (None, long[:8]), "short": (None, "x"),
    }  # fmt: skip


def test_a_thread_is_what_is_looked_up_together_and_its_hash_never_changes() -> None:
    columns = {"thread_id": ["t", None, None, None], "session_id": ["s", "s", "s", None], "user_id": ["u", "u", None, "u"], "unit_id": ["a", "b", "c", "d"]}
    assert thread_keys(pa.table(columns)).to_pylist() == ["t", "u", "s", "d"]
    assert thread_hashes(pa.array(["t", "s", "t"])).to_pylist() == [2238339752, 453955339, 2238339752]
