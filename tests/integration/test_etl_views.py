"""`etl thread` and `etl user` on tables of real Delta: found by any id, names masked, hostile text made harmless, JSON for programs."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf.errors import ContractError, UnknownIdError
from etl.jobs import ingest, sequences, thread, units, user
from lake import arrow_tables
from lake.acts import ACTS, UNKNOWN_TIME
from lake.config import LakeConfig
from lake.schema import rows_table
from lake.units import IDENTITIES, SEQUENCES, UNITS, Identity
from pipeline import cli
from tests.etl_rows import act, unit, units_table


@pytest.fixture
def asked(lake: LakeConfig) -> LakeConfig:
    """A thread of four acts, one of a deleted account, one without words; another thread beside it."""
    acts = [
        act("r:t", None, "r:t", title="Title", text="asks u/Some_Name"),
        act("r:a", "r:t", "r:t", text="answers \x1b[31mred\u202e"),
        act("r:b", "r:a", "r:t", user_id=None, text="kept by u/Gone_User"),
        act("r:c", "r:b", "r:t", text=None, state="removed"),
        act("r:x", None, "r:x"),
    ]
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [row | {"line": number} for number, row in enumerate(acts, 1)]))
    return lake


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main(list(words)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("unit_id", ["r:t", "r:b", "r:c"])
def test_a_thread_is_found_by_any_of_its_acts(asked: LakeConfig, capsys: pytest.CaptureFixture[str], unit_id: str) -> None:
    found = json.loads(answer(capsys, "etl", "thread", unit_id, "--json", "--lake", asked.path))
    assert [(row["unit_id"], row["depth"], row["state"]) for row in found] == [
        ("r:t", 0, "kept"),
        ("r:a", 1, "kept"),
        ("r:b", 2, "kept"),
        ("r:c", 3, "removed"),
    ]
    assert [row["text"] for row in found] == ["asks u/[name]", "answers [31mred", "kept by u/[name]", None]


def test_a_session_is_shown_where_there_is_no_thread(lake: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    searches = [act(f"r:s{number}", None, None, session_id="r:session", action="search", source_file=str(number)) for number in range(2)]
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [*searches, act("r:click", "r:s1", None, session_id="r:session"), act("r:x", None, "r:x")]))
    found = json.loads(answer(capsys, "etl", "thread", "r:s0", "--json", "--lake", lake.path))
    assert [(row["unit_id"], row["depth"]) for row in found] == [("r:s0", 0), ("r:s1", 0), ("r:click", 1)]


def test_thread_in_words_tells_states_and_can_steer_no_terminal(asked: LakeConfig, spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    before = answer(capsys, "etl", "thread", "r:t", "--lake", asked.path)
    assert before.startswith("4 acts (0 units) by 3 people")
    units.main(["--lake", asked.path])
    text = answer(capsys, "etl", "thread", "r:t", "--lake", asked.path)
    assert text.startswith("4 acts (2 units) by 3 people")
    assert "\n  2020-01-01 00:00  user of r:a      r:a  comment, root present, chain none, 1 in context\n" in text
    assert "deleted account  r:b  comment, no unit (kept)" in text
    assert "(no words)" in text
    assert "Some_Name" not in text + before
    assert "\x1b" not in text + before


def test_a_time_that_no_source_told_is_null_and_unknown(lake: LakeConfig, spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    """A product without a time, and a review of it: its context, in the thread and in the person's history, has the product's time."""
    product = act("r:p", None, "r:p", user_id=None, action="object", title="Kettle", text=None, created_at=UNKNOWN_TIME)
    review = act("r:a", "r:p", "r:p", user_id="ada", action="review")
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [row | {"line": number} for number, row in enumerate((product, review), 1)]))
    settings = ["--lake", lake.path]
    units.main(settings)
    sequences.main([*settings, "--set", "etl.min_units_per_person=1"])
    found = json.loads(answer(capsys, "etl", "thread", "r:p", "--json", *settings))
    assert [(row["created_at"], [entry["created_at"] for entry in row["context"]]) for row in found] == [(None, []), ("2020-01-01T00:00:00Z", [None])]
    text = answer(capsys, "etl", "thread", "r:p", *settings)
    assert text.startswith("2 acts (1 units) by 1 people, 2020-01-01 00:00 to 2020-01-01 00:00 UTC\ntime unknown      deleted account")
    history = json.loads(answer(capsys, "etl", "user", "ada", "--json", *settings))
    assert [(row["created_at"], row["context"][0]["created_at"]) for row in history] == [("2020-01-01T00:00:00+00:00", None)]
    assert "1990" not in text + json.dumps([found, history]) + answer(capsys, "etl", "user", "ada", *settings)


def test_an_unknown_id_and_a_lake_without_acts_are_named(asked: LakeConfig, tmp_path: Path) -> None:
    with pytest.raises(UnknownIdError, match="r:nothing: no act"):
        thread.main(["r:nothing", "--lake", asked.path])
    with pytest.raises(ContractError, match="acts: no table"):
        thread.main(["r:t", "--lake", str(tmp_path / "empty")])


def test_a_history_is_found_by_person_or_account(lake: LakeConfig, spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    arrow_tables.append(lake, UNITS, units_table([unit(f"{account}{number}", account, number) for account in "xy" for number in range(3)]))
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id=account, person_id="x") for account in "xy"])
    sequences.main(["--lake", lake.path, "--set", "etl.units_per_chunk=4"])
    assert arrow_tables.read(lake, SEQUENCES).num_rows == 2
    for name in "xy":
        found = json.loads(answer(capsys, "etl", "user", name, "--json", "--lake", lake.path))
        assert [row["unit_id"] for row in found] == ["x0", "y0", "x1", "y1", "x2", "y2"]
    text = answer(capsys, "etl", "user", "y", "--lake", lake.path).splitlines()
    assert text[:2] == ["6 units in 1 threads, 2020-01-01 to 2020-01-01", "2020-01-01 00:00  comment  c | words of x0"]
    with pytest.raises(UnknownIdError, match=r"z: no history.*etl\.min_units_per_person"):
        user.main(["z", "--lake", lake.path])


def test_a_thread_of_the_real_archive_shows_the_context_that_its_units_have(
    lake: LakeConfig, spark: SparkSession, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    ingest.main(["--dump", str(shared_data / "reddit-original"), "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"])
    units.main(["--lake", lake.path])
    made = arrow_tables.read(lake, UNITS, ["unit_id", "thread_id", "context"]).to_pylist()
    deepest = max(made, key=lambda row: len(row["context"]))
    found = json.loads(answer(capsys, "etl", "thread", deepest["unit_id"], "--json", "--lake", lake.path))
    in_thread = arrow_tables.read(lake, ACTS, ["unit_id", "thread_id"]).to_pylist()
    assert sorted(row["unit_id"] for row in found) == sorted(row["unit_id"] for row in in_thread if row["thread_id"] == deepest["thread_id"])
    place = {row["unit_id"]: number for number, row in enumerate(found)}
    above = [entry["unit_id"] for entry in deepest["context"]] + [deepest["unit_id"]]
    assert [found[place[name]]["depth"] for name in above] == list(range(found[place[above[0]]]["depth"], found[place[above[0]]]["depth"] + len(above)))
