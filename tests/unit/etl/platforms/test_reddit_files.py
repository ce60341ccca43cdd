"""What files of Reddit's dumps are called in the lake: those that are named after a person get a pseudonym."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from etl.platforms.reddit import PLATFORM
from lake.pseudonyms import pseudonym
from tests.data.pack_dump import zstd_frames
from tests.unit.etl.platforms.reddit_rows import KEY, SETTINGS, comment, submission

ADA = pseudonym(KEY, "reddit", "ada")[:16]


def write(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(zstd_frames(content) if path.suffix == ".zst" else content)


def names_in_lake(dump: Path) -> list[str]:
    return [file.source_file for file in PLATFORM.input_files(str(dump), SETTINGS)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada_comments.zst", f"{ADA}_comments.zst"),
        ("ada_Comments.ndjson", f"{ADA}_Comments.ndjson"),
        ("u_Ada_comments_2020.zst", f"u_{ADA}_comments_2020.zst"),
        ("people/ADA/ada_comments.zst", f"people/{ADA}/{ADA}_comments.zst"),
        ("ADA/RC_2019-01.zst", f"{ADA}/RC_2019-01.zst"),
        ("all of ada.ndjson", f"all of {ADA}.ndjson"),
        ("RC_2019-01/Ada_comments.zst", f"RC_2019-01/{ADA}_comments.zst"),
        ("{ada}_comments.zst", f"{{{ADA}}}_comments.zst"),
        ("RC_2019-01_comments.zst", "RC_2019-01_comments.zst"),
        ("tea_comments.zst", "tea_comments.zst"),
        ("Canada_comments.zst", "Canada_comments.zst"),
    ],
)
def test_a_dump_whose_rows_are_all_of_one_account_does_not_name_it(name: str, expected: str, tmp_path: Path) -> None:
    write(tmp_path / name, *(comment(id=f"c{number}", author="Ada", subreddit="tea") for number in range(30)))
    assert names_in_lake(tmp_path) == [expected]


def test_the_same_dump_has_the_same_name_when_it_has_grown(tmp_path: Path) -> None:
    for rows in (1, 3, 40):
        write(tmp_path / "Ada_submissions.zst", *(submission(id=f"a{number}", author="Ada" if number % 2 else "ada") for number in range(rows)))
        assert names_in_lake(tmp_path) == [f"{ADA}_submissions.zst"]


@pytest.mark.parametrize("author", ["Bob", "[deleted]", None])
def test_a_dump_of_a_subreddit_keeps_its_name_whoever_wrote_there(author: str | None, tmp_path: Path) -> None:
    write(tmp_path / "Tea_comments.zst", comment(id="c1", author="Tea", subreddit="tea"), comment(id="c2", author="Bob", subreddit="tea"))
    write(tmp_path / "Tea_submissions.zst", submission(id="a1", author=author, subreddit="tea"))
    assert names_in_lake(tmp_path) == ["Tea_comments.zst", "Tea_submissions.zst"]


def test_a_dump_that_is_named_after_one_of_several_authors_does_not_name_them(tmp_path: Path) -> None:
    """Some tools fetch what was answered, too."""
    write(tmp_path / "Ada_comments.zst", comment(id="c1", author="Ada", subreddit="tea"), comment(id="c2", author="Bob", subreddit="tea"))
    assert names_in_lake(tmp_path) == [f"{ADA}_comments.zst"]


def test_a_profile_is_somebodys_whoever_wrote_there(tmp_path: Path) -> None:
    write(tmp_path / "u_Ada_comments.zst", comment(id="c1", author="Bob"), comment(id="c2", author="Eve"))
    assert names_in_lake(tmp_path) == [f"u_{ADA}_comments.zst"]


@pytest.mark.parametrize("content", [b"", b"<html>404</html>\n", bytes(range(256)), b'{"author": "[deleted]", "body": "gone", "id": "c1"}\n'])
def test_where_the_rows_tell_nobody_the_name_may_be_an_account(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "Ada_comments.ndjson").write_bytes(content)
    assert names_in_lake(tmp_path) == [f"{ADA}_comments.ndjson"]


def test_files_that_are_left_alone_are_counted_and_not_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("Ada.csv", "notes of Ada.txt", "ada@example.org", "Ada.json"):
        (tmp_path / name).write_text("{}\n")
    write(tmp_path / "RC_2019-01.zst", comment())
    with caplog.at_level(logging.DEBUG):
        assert names_in_lake(tmp_path) == ["RC_2019-01.zst"]
    assert "4 of 5 files are left alone" in caplog.text
    assert "ada" not in caplog.text.lower()
