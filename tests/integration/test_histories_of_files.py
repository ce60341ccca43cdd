"""A history out of a platform's files in one process, and what the ETL makes of the same files."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from conf.errors import ArchiveError
from etl.config import EtlConfig
from etl.jobs import ingest, sequences, units
from lake import arrow_tables
from lake.config import LakeConfig
from lake.pseudonyms import load_key, pseudonym
from lake.units import SEQUENCES
from pipeline.histories import ArchiveParser
from serving.questions import Archive, VectorOfHistory

DATA = Path(__file__).parents[1] / "data"
NAMES = ("RC_2009-09", "RS_2009-09")
NO_IDS = {"unit_hash", "starts_session", "duplicate_group"}


def as_read(unit: dict[str, Any]) -> dict[str, Any]:
    """What of a unit does not depend on the key of pseudonyms, or on what a whole lake tells."""
    context = [{name: entry[name] for name in ("role", "unit_id", "speaker", "title", "text", "created_at")} for entry in unit["context"]]
    return {name: value for name, value in unit.items() if name not in NO_IDS | {"user_id"}} | {"context": context}


def test_a_history_out_of_files_is_that_of_the_etl(lake: LakeConfig, tmp_path: Path) -> None:
    (tmp_path / "dump").mkdir()
    for name in NAMES:
        shutil.copy(DATA / f"{name}.ndjson", tmp_path / "dump" / name)
    words = ["--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "--set", "etl.max_reject_share=1"]
    ingest.main(["--dump", str(tmp_path / "dump"), *words])
    units.main(words)
    sequences.main([*words, "--set", "etl.min_units_per_person=1"])
    rows = sorted(arrow_tables.read(lake, SEQUENCES).to_pylist(), key=lambda row: row["chunk"])
    parse = ArchiveParser(lake, EtlConfig(max_reject_share=1))
    files = {name: (DATA / f"{name}.ndjson").read_text() for name in NAMES}
    compared = 0
    for account in ("Writer_1", "writer_2", "WRITER_3", "poster_0"):
        person_id = pseudonym(load_key(lake.pseudonym_key_file), "reddit", account)
        expected = [as_read(unit) for row in rows if row["person_id"] == person_id for unit in row["units"]]
        assert [as_read(unit) for unit in parse(Archive(platform="reddit", files=files, account=account))] == expected
        compared += len(expected)
    assert compared >= 15


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "no JSON": ({"platform": "reddit", "files": {"RC_2024-02": "{"}}, "1 of 1 lines rejected .*not json"),
    "no such platform": ({"platform": "redit", "files": {"RC_2024-02": "{"}}, "did you mean 'reddit'"),
    "no file of the platform": ({"platform": "reddit", "files": {"x": "{"}}, "no file is called as platform 'reddit' calls its files"),
    "a path through a file": ({"platform": "reddit", "files": {"a": "{", "a/RC_2024-02": "{"}}, "these paths cannot be files of one folder"),
    "a long path": ({"platform": "reddit", "files": {"ü" * 250: "{"}}, "these paths cannot be files of one folder"),
    "an archive that is none": ({"platform": "takeout", "files": {"me/takeout-20240302T101112Z-001.zip": "PK"}, "account": "me"}, "zip"),
    "no settings": ({"platform": "generic", "files": {"a.csv": "a"}}, "etl.platforms.generic.name is missing"),
    "nothing": ({"platform": "reddit", "files": {"RC_2024-02": ""}}, "RC_2024-02: is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_files_that_cannot_be_read_are_told_without_where_they_lay(lake: LakeConfig, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    archive, said = HOSTILE[name]
    with pytest.raises(ArchiveError, match=said) as raised:
        ArchiveParser(lake, EtlConfig())(Archive(**archive))
    assert str(tmp_path) not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/etc/passwd", "../RC_2024-02", "a/../../RC", "a//b", "a/", ".", "a\\b", "a\x00b", "", "C:\\x"])
def test_a_file_may_lie_below_its_folder_alone(path: str) -> None:
    with pytest.raises(ValueError, match="files"):
        VectorOfHistory(archive=Archive(platform="reddit", files={path: "x"}))


def test_whose_history_is_meant_must_be_clear_and_a_name_is_not_logged(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    parse = ArchiveParser(lake, EtlConfig())
    files = {"RC_2024-02": "\n".join(json.dumps(comment(name, number)) for number, name in enumerate(("ann", "bob", "ann")))}
    with pytest.raises(ArchiveError, match="2 accounts act in these files; name one"):
        parse(Archive(platform="reddit", files=files))
    with pytest.raises(ArchiveError, match="none is the one that was named"):
        parse(Archive(platform="reddit", files=files, account="carl"))
    assert len(parse(Archive(platform="reddit", files=files, account="Ann"))) == 2
    assert len(parse(Archive(platform="reddit", files={"RC_2024-02": json.dumps(comment("bob", 1))}))) == 1
    assert "ann" not in caplog.text.casefold()


def test_an_export_is_of_whom_it_is_said_to_be(lake: LakeConfig) -> None:
    searched = json.dumps([{"header": "Search", "title": "Searched for sourdough", "time": "2024-01-01T00:00:00Z"}])
    (unit,) = ArchiveParser(lake, EtlConfig())(Archive(platform="takeout", files={"My Activity/Search/MyActivity.json": searched}))
    assert (unit["action"], unit["text"]) == ("search", "sourdough")


def comment(author: str, number: int) -> dict[str, Any]:
    return {
        "id": f"k{number}", "author": author, "body": f"Thought {number}", "parent_id": "t3_abc", "link_id": "t3_abc", "subreddit": "bread",
        "created_utc": 1706745600 + number, "score": 1,
    }  # fmt: skip
