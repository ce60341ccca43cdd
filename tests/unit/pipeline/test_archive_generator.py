"""The generator writes the archive's own format, the same bytes each time, with interests that a person takes up over time."""

import io
import json
from pathlib import Path
from typing import Any

import zstandard

from pipeline.archive_generator import write_archive


def rows(path: Path) -> list[dict[str, Any]]:
    reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(path.open("rb"))
    return [json.loads(line) for line in io.TextIOWrapper(reader, "utf-8")]


def test_files_are_one_frame_with_the_archives_window(tmp_path: Path) -> None:
    write_archive(tmp_path, people=20, months=2, acts_per_month=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RC_2023-01.zst", "RC_2023-02.zst", "RS_2023-01.zst", "RS_2023-02.zst"]
    header = zstandard.get_frame_parameters((tmp_path / "RC_2023-01.zst").read_bytes())
    assert header.window_size == 2**31


def test_second_run_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_archive(tmp_path / name, people=20, months=1, acts_per_month=3)
    assert (tmp_path / "a" / "RC_2023-01.zst").read_bytes() == (tmp_path / "b" / "RC_2023-01.zst").read_bytes()


def test_every_reply_belongs_to_a_thread_and_time_goes_forward(tmp_path: Path) -> None:
    write_archive(tmp_path, people=30, months=2, acts_per_month=4)
    threads, comments = set(), {}
    for month in ("2023-01", "2023-02"):
        threads |= {f"t3_{row['id']}" for row in rows(tmp_path / f"RS_{month}.zst")}
        dump = rows(tmp_path / f"RC_{month}.zst")
        comments |= {f"t1_{row['id']}": row for row in dump}
        assert [row["created_utc"] for row in dump] == sorted(row["created_utc"] for row in dump)
    assert all(row["link_id"] in threads for row in comments.values())
    assert all(row["parent_id"] in threads or comments[row["parent_id"]]["link_id"] == row["link_id"] for row in comments.values())


def test_people_keep_to_their_circle_and_take_up_new_interests(tmp_path: Path) -> None:
    people = {person.name: person for person in write_archive(tmp_path, people=40, months=6, acts_per_month=5)}
    first = [row for row in rows(tmp_path / "RC_2023-01.zst") if row["author"] in people]
    last = [row for row in rows(tmp_path / "RC_2023-06.zst") if row["author"] in people]
    on_circle = [row["subreddit"] in people[row["author"]].interests for row in first + last]
    assert sum(on_circle) / len(on_circle) > 0.9
    taken_up_later = [[row["subreddit"] in people[row["author"]].interests[2:] for row in month] for month in (first, last)]
    assert sum(taken_up_later[0]) < 0.1 * len(first)
    assert sum(taken_up_later[1]) > 0.3 * len(last)
