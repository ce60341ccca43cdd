"""What an erasure does to Delta tables, by hand-made rows: labels that others share, what the log tells, old files, and what comes in later. No Spark."""

import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from teacher_lake import unit_row

from conf.errors import ConfigError, ErasureError
from etl.ingest.dump import expired_rejects
from etl.ingest.erased import ERASED, without_erased
from etl.platforms import ParsedBatch
from etl.tasks.changes import added_files, changed_acts
from lake import arrow_tables
from lake.acts import ACTS, REJECTS, Reject, profile_place
from lake.config import LakeConfig
from lake.erasure import erase_rows
from lake.erasures import ERASURES
from lake.forgotten import Erased, erased_of_lake, note_erasures
from lake.job_runs import last_done_run
from lake.labels import ITEMS, LABELS, label_item_id
from lake.old_files import forget_statistics, old_files, remove_old_files
from lake.remains import Traces, remains
from lake.schema import rows_table
from lake.subjects import Subjects, find_subjects
from lake.table_files import TableFiles, before_erasures, open_parquet
from lake.tables import TableSpec
from lake.units import IDENTITIES, UNITS, Identity
from pipeline import cli
from teacher.config import TeacherConfig
from teacher.jobs.import_labels import import_file
from teacher.jobs.items import collect_items
from tests.etl_rows import act

LABELLED = {
    "alone": ("Raising quokkas at home", "Quokkas"), "shared": ("Baking rye bread", "Cooking"), "twin": ("Brewing green tea", "Cooking"), "of another": ("Brewing green tea", "Cooking"),
}  # fmt: skip


def write_files(lake: LakeConfig, spec: TableSpec, files: dict[str, list[dict[str, Any]]]) -> None:
    """Rows as tasks write them, a file a name."""
    arrow_tables.create_table(lake, spec)
    for name, rows in files.items():
        written = TableFiles(lake, spec, name)
        written.write(rows_table(spec, rows))
        arrow_tables.commit_files(lake, spec, written.finish())


def write_labels(lake: LakeConfig, folder: Path) -> None:
    """Units of two people, one of whom says two things that the other says too (one of them nearly), and labels of all contents."""
    rows = [
        unit_row("reddit:t1_a1", "gone", "alone"), unit_row("reddit:t1_a2", "gone", "shared"), unit_row("reddit:t1_b2", "stays", "shared"),
        unit_row("reddit:t1_a3", "gone", "twin"),
    ]  # fmt: skip
    nearly = unit_row("reddit:t1_b3", "stays", "nearly a twin", duplicate_group=rows[3]["unit_hash"])
    arrow_tables.append(lake, UNITS, rows_table(UNITS, [*rows, nearly, unit_row("reddit:t1_b4", "stays", "of another")]))
    by_text = {row["text"]: row["unit_id"] for row in rows} | {"of another": "reddit:t1_b4"}
    lines = [json.dumps({"unit_id": by_text[text], "specific": specific, "broad": broad}) for text, (specific, broad) in LABELLED.items()]
    (folder / "labels.jsonl").write_text("\n".join(lines))
    import_file(lake, TeacherConfig(), folder / "labels.jsonl")
    collect_items(lake)


def test_a_label_that_another_act_shares_stays_and_so_does_an_item_that_another_label_gives(lake: LakeConfig, tmp_path: Path) -> None:
    write_labels(lake, tmp_path)
    subjects = find_subjects(lake, ["gone"], [])
    assert subjects.acts == {"reddit:t1_a1", "reddit:t1_a2", "reddit:t1_a3"}
    assert subjects.contents == {unit_row("", "", "alone")["unit_hash"]}
    assert subjects.items == {label_item_id("specific", "Raising quokkas at home"), label_item_id("broad", "Quokkas")}
    assert [erase_rows(lake, spec, subjects) for spec in (ITEMS, LABELS, UNITS, ACTS)] == [2, 1, 3, 0]
    assert set(arrow_tables.read(lake, LABELS)["specific"].to_pylist()) == {"Baking rye bread", "Brewing green tea"}
    assert [erase_rows(lake, spec, find_subjects(lake, ["gone"], [])) for spec in (ITEMS, LABELS, UNITS)] == [0, 0, 0]


def test_labels_of_acts_that_were_forgotten_are_not_imported_again(lake: LakeConfig, tmp_path: Path) -> None:
    write_labels(lake, tmp_path)
    subjects = find_subjects(lake, ["gone"], [])
    note_erasures(lake, subjects.people, subjects.acts)
    for spec in (ITEMS, LABELS, UNITS):
        erase_rows(lake, spec, subjects)
    import_file(lake, TeacherConfig(), tmp_path / "labels.jsonl")
    run = last_done_run(lake, "teacher import-labels")
    assert run is not None
    assert (run.rows["lines"], run.dropped["lines of erased acts"]) == (4, 2)
    assert set(arrow_tables.read(lake, LABELS)["broad"].to_pylist()) == {"Cooking"}
    with pytest.raises(ConfigError, match="pseudonym key"):
        import_file(lake.model_copy(update={"pseudonym_key_file": str(tmp_path / "none")}), TeacherConfig(), tmp_path / "labels.jsonl")


def test_all_accounts_of_a_person_are_found_by_any_of_them(lake: LakeConfig) -> None:
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id=user, person_id=person) for user, person in (("a", "a"), ("b", "a"), ("b2", "b"), ("c", "c"))])
    assert find_subjects(lake, ["b"], []).people == find_subjects(lake, ["b2"], []).people == {"a", "b", "b2"}
    assert find_subjects(lake, ["x"], []).people == {"x"}


def test_digests_are_kept_once_and_are_no_ids(lake: LakeConfig) -> None:
    assert note_erasures(lake, ["person"], ["reddit:t1_a"]) == 4
    assert note_erasures(lake, ["person"], ["reddit:t1_b"]) == 1
    rows = arrow_tables.read(lake, ERASURES)
    assert rows.num_rows == 5
    assert "person" not in set(rows["subject"].to_pylist())
    erased = erased_of_lake(lake)
    assert [erased.has("person", name) for name in ("person", "reddit:t1_a", None)] == [True, False, False]
    assert erased.among("act", pa.array(["reddit:t1_a", None, "reddit:t1_c", "reddit:t1_b"])).to_pylist() == [True, False, False, True]


def test_what_a_parser_gives_of_the_forgotten_is_left_out_and_counted(lake: LakeConfig) -> None:
    rows = [
        act("a", user_id="gone", line=1), act("b", user_id="x", community=profile_place("gone"), line=2), act("unit", user_id="x", line=3), act("c", user_id=None, line=4),
    ]  # fmt: skip
    reject = {
        "platform": "reddit",
        "source_file": "RC",
        "line": 5,
        "reason": "no id",
        "raw": "",
        "user_id": "gone",
        "rejected_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    batch = ParsedBatch(rows_table(ACTS, rows), rows_table(REJECTS, [reject, reject | {"line": 6, "user_id": None}]), 6, 100, {}, {"headings": 2})
    note_erasures(lake, ["gone"], ["unit"])
    kept = without_erased(batch, erased_of_lake(lake))
    assert (kept.acts["unit_id"].to_pylist(), kept.acts["community"].to_pylist(), kept.rejects["line"].to_pylist()) == (["b", "c"], [None, "c"], [6])
    assert (kept.lines, kept.left_out) == (3, {"headings": 2, ERASED: 3})
    assert kept.acts.schema == batch.acts.schema
    assert without_erased(batch, Erased()) is batch


def test_jobs_know_files_again_of_which_rows_were_erased_and_see_what_is_new_beside_them(lake: LakeConfig) -> None:
    gone = [act(f"a{line}", user_id="gone", line=line) for line in (1, 2)]
    write_files(lake, ACTS, {"one": [*gone, act("b", user_id="x", line=3)], "two": [row | {"source_file": "RD", "thread_group": "1"} for row in gone]})
    version = arrow_tables.table_version(lake, ACTS)
    assert version is not None
    subjects = Subjects(people=frozenset({"gone"}))
    assert erase_rows(lake, ACTS, subjects) == 4
    erased = arrow_tables.table_version(lake, ACTS)
    assert erased is not None
    assert changed_acts(lake, version, erased).rows == 0
    assert added_files(lake, ACTS, version, erased) == []
    forget_statistics(lake, ACTS, Traces(subjects.people).in_text)
    write_files(lake, ACTS, {"three": [act("c", user_id="x", source_file="RE", line=1)]})
    changed = changed_acts(lake, version, erased + 1)
    assert (changed.whole, changed.grown, changed.new_sources) == ({}, {("reddit", "0"): 1}, {"RE"})
    assert erase_rows(lake, ACTS, Subjects(people=frozenset({"x"}))) == 2
    again = arrow_tables.table_version(lake, ACTS)
    assert again is not None
    assert changed_acts(lake, erased + 1, again).rows == 0
    assert {before_erasures(file["path"]).rpartition("/")[2] for file in arrow_tables.live_files(arrow_tables.open_table(lake, ACTS))} == {
        "one-0000.parquet", "two-0000.parquet", "three-0000.parquet",
    }  # fmt: skip


def test_what_was_read_together_still_is(lake: LakeConfig) -> None:
    arrow_tables.create_table(lake, ACTS)
    written = TableFiles(lake, ACTS, "grouped")
    for start in (0, 10, 20):
        written.write(
            rows_table(ACTS, [act(f"a{line}", user_id="gone" if line < 10 or line == 15 else "x", line=line + 1) for line in range(start, start + 10)])
        )
        written.flush()
    arrow_tables.commit_files(lake, ACTS, written.finish())
    erase_rows(lake, ACTS, Subjects(people=frozenset({"gone"})))
    (file,) = arrow_tables.live_files(arrow_tables.open_table(lake, ACTS))
    metadata = open_parquet(lake, ACTS, file["path"]).metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [9, 10]


def log_of(lake: LakeConfig, spec: TableSpec) -> str:
    return "".join(path.read_text() for path in sorted((Path(lake.path) / spec.name / "_delta_log").glob("*.json")))


def test_the_log_and_its_checkpoints_forget_what_was_in_files_that_are_gone_and_no_version_is_lost(lake: LakeConfig) -> None:
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id="gone-person", person_id="gone-person-too\u2028\x85")])
    arrow_tables.open_table(lake, IDENTITIES).create_checkpoint()
    arrow_tables.append(lake, IDENTITIES, [Identity(user_id="x", person_id="y")])
    version = arrow_tables.table_version(lake, IDENTITIES)
    arrow_tables.open_table(lake, IDENTITIES).delete("user_id = 'gone-person'")  # the log says by what
    arrow_tables.append(lake, IDENTITIES, [Identity(user_id="z", person_id="z")])
    checksum = Path(lake.path) / "identities" / "_delta_log" / f".{1:020d}.json.crc"
    checksum.write_bytes(b"Hadoop's")
    assert "gone-person" in log_of(lake, IDENTITIES)
    assert forget_statistics(lake, IDENTITIES, Traces(frozenset({"gone-person"})).in_text) > 1
    assert "gone-person" not in log_of(lake, IDENTITIES)
    assert not checksum.exists()
    assert forget_statistics(lake, IDENTITIES, Traces(frozenset({"gone-person"})).in_text) == 0
    assert {row["user_id"] for row in arrow_tables.read(lake, IDENTITIES).to_pylist()} == {"x", "z"}
    assert {row["user_id"] for row in arrow_tables.read(lake, IDENTITIES, version=version).to_pylist()} == {"gone-person", "x"}
    assert '"user_id":"x"' in log_of(lake, IDENTITIES).replace("\\", "")


def test_old_files_go_at_once_by_force_alone_and_a_table_without_any_gets_no_commit(lake: LakeConfig) -> None:
    write_files(lake, ACTS, {"one": [act("a", user_id="gone"), act("b", user_id="x", line=2)]})
    version = arrow_tables.table_version(lake, ACTS)
    assert remove_old_files(lake, ACTS, at_once=True) == 0
    assert arrow_tables.table_version(lake, ACTS) == version
    erase_rows(lake, ACTS, Subjects(people=frozenset({"gone"})))
    (old,) = old_files(lake, ACTS)
    os.utime(Path(lake.path) / "acts" / old.path, (time.time() - 10**7,) * 2)  # made long ago, and gone from the table just now
    assert remove_old_files(lake, ACTS, at_once=False) == 0
    assert len(old_files(lake, ACTS)) == 1
    assert remove_old_files(lake, ACTS, at_once=True) == 1
    assert old_files(lake, ACTS) == []


def test_the_proof_looks_into_every_file_whoever_put_it_there(lake: LakeConfig) -> None:
    write_files(lake, ACTS, {"one": [act("reddit:t1_b", user_id="x", parent="reddit:t1_gone")]})
    subjects = Subjects(people=frozenset({"e" * 64}), acts=frozenset({"reddit:t1_gone"}))
    assert remains(lake, subjects) == []  # what an act answers is its own
    below = Path(lake.path)
    (below / "export.csv").write_text(f"1,{'e' * 64}\n")
    (below / "notes").mkdir()
    (below / "notes" / "raw").write_bytes(b"\xff" * 2**24 + b"see reddit:t1_gone there")
    (below / "notes" / "longer").write_text(f"reddit:t1_gone2 {'d' * 64}")
    pa.parquet.write_table(pa.table({"deep": [[{"id": "e" * 64}]]}), below / "notes" / "own.parquet")
    (below / "acts" / ".one-0000.parquet.1.draft").write_bytes(b"PAR1 half")
    assert {remain.place for remain in remains(lake, subjects)} == {"export.csv", "notes/raw", "notes/own.parquet", "acts/.one-0000.parquet.1.draft"}
    assert {remain.place for remain in remains(lake, Subjects(), ["words of reddit:t1_b"])} >= {"acts/platform=reddit/thread_group=0/one-0000.parquet"}


def test_files_that_jobs_leave_after_an_erasure_are_no_remains_of_it(lake: LakeConfig) -> None:
    subjects = Subjects(people=frozenset({"gone"}))
    write_files(lake, ACTS, {"one": [act("a", user_id="gone"), act("b", user_id="x", line=2)]})
    erase_rows(lake, ACTS, subjects)
    folder = Path(lake.path) / "acts" / "platform=reddit" / "thread_group=0"
    for days, name in ((-1, "before.parquet"), (1, "after.parquet"), (1, "torn.parquet")):
        shutil.copy(next(folder.glob("*.erased-*")), folder / name)
        os.utime(folder / name, ns=((now := time.time_ns() + days * 24 * 3600 * 10**9), now))
    (folder / "torn.parquet").write_bytes(b"PAR1 torn")
    os.utime(folder / "torn.parquet", (time.time() + 10**5,) * 2)
    assert {remain.place.rpartition("/")[2] for remain in remains(lake, subjects)} == {"one-0000.parquet", "before.parquet", "torn.parquet"}
    assert "interval 1 week" in str(remains(lake, subjects)[0])


def test_two_that_write_at_once_are_told_so(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(lake, ACTS, {"one": [act("a", user_id="gone")]})
    edited = arrow_tables.live_files

    def other_first(table: Any) -> Any:
        monkeypatch.setattr(arrow_tables, "live_files", edited)
        found = edited(table)
        assert erase_rows(lake, ACTS, Subjects(people=frozenset({"gone"}))) == 1
        return found

    monkeypatch.setattr(arrow_tables, "live_files", other_first)
    with pytest.raises(ErasureError, match="run it again"):
        erase_rows(lake, ACTS, Subjects(people=frozenset({"gone"})))


def test_rejected_lines_expire_by_whole_files(lake: LakeConfig) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    rows = [
        Reject(platform="reddit", source_file="RC", line=line, reason="no id", raw="{}", user_id=None, rejected_at=now - timedelta(days=line))
        for line in (1, 50, 100)
    ]
    for row in rows:
        write_files(lake, REJECTS, {f"file-{row.line}": [row.model_dump()]})
    version = arrow_tables.table_version(lake, REJECTS)
    assert expired_rejects(lake, now - timedelta(days=200)) == {}
    assert arrow_tables.table_version(lake, REJECTS) == version
    assert expired_rejects(lake, now - timedelta(days=40)) == {"expired rejects": 2}
    assert arrow_tables.read(lake, REJECTS)["line"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nobody is named"),
        (["--unit", "t1_a"], "expected a unit_id"),
        (["--name", "reddit"], "expected PLATFORM:NAME"),
        (["--user", " "], "no id and no name"),
        (["--unit", "reddit:a\x00"], "no id and no name"),
        (["--file", "nowhere"], "cannot be read"),
        (["--user", "x"], "no table at"),
    ],
)
def test_what_names_nobody_is_an_error_of_one_sentence(lake: LakeConfig, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["erase", "--lake", lake.path, *words]) == 1
    found = capsys.readouterr().err.strip()
    assert said in found
    assert "\n" not in found
    assert not Path(lake.path).exists()


def test_a_list_names_several_and_a_wrong_line_stops_it_before_anything_is_erased(lake: LakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(lake, ACTS, {"one": [act("reddit:a", user_id="gone"), act("reddit:b", user_id="x", line=2), act("reddit:c", user_id="y", line=3)]})
    (tmp_path / "list").write_text("user gone\n\nunit reddit:b\nperson z\n")
    words = ["erase", "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "--force-vacuum", "--file", str(tmp_path / "list")]
    assert cli.main(words) == 1
    assert "line 4" in capsys.readouterr().err
    assert arrow_tables.count_rows(lake, ACTS) == 3
    (tmp_path / "list").write_text("\ufeffuser gone\r\nunit reddit:b\n")
    assert cli.main(words) == 0
    assert arrow_tables.read(lake, ACTS)["unit_id"].to_pylist() == ["reddit:c"]
