"""The jobs around labels: items, and labels made elsewhere."""

import json
from pathlib import Path

import pytest
from teacher_lake import FakeEngine, answers, unit_row, write_units, written

from conf.errors import ContractError, TeacherError
from lake import arrow_tables, labels
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.labels import ITEMS, LABELS, Item
from teacher.config import TeacherConfig
from teacher.jobs import import_labels as import_job
from teacher.jobs import items as items_job
from teacher.jobs.import_labels import import_file
from teacher.jobs.items import collect_items
from teacher.jobs.label import label_units


@pytest.fixture
def labels_file(tmp_path: Path) -> Path:
    file = tmp_path / "labels.jsonl"
    good = [{"id": f"ann{number}", "author": "x", "specific": f"story {number} of a bridge", "broad": "Bridges"} for number in range(4)]
    lines = [json.dumps(line) for line in (*good, good[0], {"id": "nobody", "specific": "old bridge", "broad": "Bridges"})]
    file.write_text("\n".join([*lines, "{broken", ""]))
    return file


def test_labels_are_imported_once_and_every_line_is_accounted_for(lake: LakeConfig, labels_file: Path) -> None:
    write_units(lake)
    import_file(lake, TeacherConfig(), labels_file)
    labels, rejects = answers(lake)
    assert [row["specific"] for row in sorted(labels, key=lambda row: row["specific"])] == [f"Story {number} of a bridge" for number in range(4)]
    assert {row["teacher_model"] for row in labels} == {"labels.jsonl"}
    assert sorted(row["reason"] for row in rejects) == ["not json", "unknown unit"]
    run = last_done_run(lake, "teacher import-labels")
    assert run is not None
    assert run.rows == {"lines": 7, "labels": 4}
    assert run.dropped["duplicate: content labelled by an earlier line"] == 1

    import_job.main(["--lake", lake.path, str(labels_file)])
    assert answers(lake) == (labels, rejects)


def test_a_label_of_an_id_that_units_of_different_contents_have_is_refused_and_one_of_equal_contents_is_not(lake: LakeConfig, tmp_path: Path) -> None:
    rows = [unit_row(f"reddit:t1_{name}", "ann", text) for name, text in (("two", "a bridge"), ("two", "a tunnel"), ("same", "a road"), ("same", "a road"))]
    write_units(lake, rows)
    file = tmp_path / "labels.jsonl"
    lines = [{"id": name, "specific": f"crossing {number}", "broad": "Roads"} for number, name in enumerate(("two", "same"))]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    import_file(lake, TeacherConfig(), file)
    labels, rejects = answers(lake)
    assert [(row["unit_hash"], row["specific"]) for row in labels] == [(rows[2]["unit_hash"], "Crossing 1")]
    assert [(row["unit_hash"], row["reason"]) for row in rejects] == [("two", "id of several units")]
    file.write_text(json.dumps(lines[0]))
    with pytest.raises(TeacherError, match=r"1 of 1 lines would be rejects, .*: id of several units \(1\); nothing was imported"):
        import_file(lake, TeacherConfig(), file)


def test_the_same_file_again_adds_what_it_says_of_units_that_arrived_since(lake: LakeConfig, labels_file: Path) -> None:
    write_units(lake)
    import_file(lake, TeacherConfig(), labels_file)
    before, _ = answers(lake)
    write_units(lake, [unit_row("reddit:t1_nobody", "ann", "what arrived late")])
    import_file(lake, TeacherConfig(), labels_file)
    labels, _ = answers(lake)
    assert [row for row in labels if row not in before] == [row for row in labels if row["specific"] == "Old bridge"] != []
    version = arrow_tables.table_version(lake, LABELS)
    import_file(lake, TeacherConfig(), labels_file)
    assert arrow_tables.table_version(lake, LABELS) == version


def test_items_that_an_older_program_took_for_one_are_parted_by_the_next_run(lake: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thai = ("\u0e44\u0e21\u0e48", "\u0e44\u0e21\u0e49")  # two words that differ by a mark
    write_units(lake, [unit_row(f"reddit:t1_{number}", "ann", f"text {number}") for number in range(2)])
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(json.dumps({"id": str(number), "specific": f"{word} tea cup", "broad": "Tea"}) + "\n" for number, word in enumerate(thai)))
    import_file(lake, TeacherConfig(), file)
    with monkeypatch.context() as older:
        older.setattr(items_job, "NORMALISING_VERSION", "1")
        older.setattr(labels, "_marks_and_space", lambda found: " ")
        collect_items(lake)
    assert sum(row["level"] == "specific" for row in written(lake, ITEMS)) == 1
    collect_items(lake)
    assert {row["text"].split()[0] for row in written(lake, ITEMS) if row["level"] == "specific"} == set(thai)
    before = arrow_tables.table_version(lake, ITEMS)
    collect_items(lake)
    assert arrow_tables.table_version(lake, ITEMS) == before


def test_labels_of_another_archive_are_refused_as_a_whole(lake: LakeConfig, labels_file: Path) -> None:
    write_units(lake, [unit_row("reddit:t1_else", "ann", "an old bridge")])
    with pytest.raises(TeacherError, match="would be rejects"):
        import_file(lake, TeacherConfig(), labels_file)
    assert written(lake, LABELS) == []


def test_a_file_that_is_not_there_is_an_error(lake: LakeConfig, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="cannot read"):
        import_file(lake, TeacherConfig(), tmp_path / "none.jsonl")


def test_items_follow_labels_and_are_written_only_when_they_change(lake: LakeConfig) -> None:
    with pytest.raises(ContractError, match="labels: no table"):
        collect_items(lake)
    own = Item(item_id="app-1", source="shop", level=None, text="A bell", external_id="1", label_count=None)
    arrow_tables.append(lake, ITEMS, [own])
    write_units(lake)
    label_units(lake, TeacherConfig(), lambda *_: FakeEngine())
    collect_items(lake)
    items, version = written(lake, ITEMS), arrow_tables.table_version(lake, ITEMS)
    labels, _ = answers(lake)
    assert {item["text"] for item in items if item["level"] == "specific"} == {label["specific"] for label in labels}
    assert [item["label_count"] for item in items if item["level"] == "broad"] == [len(labels)]
    assert [item["text"] for item in items if item["source"] == "shop"] == ["A bell"]
    collect_items(lake)
    assert arrow_tables.table_version(lake, ITEMS) == version


def test_real_labels_pass_the_validator_but_for_a_few(lake: LakeConfig, shared_data: Path) -> None:
    for folder, most in (("synthpai", 0.02), ("reddit-college", 0.01)):
        lines = [json.loads(line) for line in (shared_data / folder / "labels_qwen15.jsonl").read_text().splitlines()]
        place = lake.model_copy(update={"path": f"{lake.path}-{folder}"})
        write_units(place, [unit_row(f"reddit:t1_{line['id']}", line["author"], f"{line['id']}") for line in lines])
        import_file(place, TeacherConfig(), shared_data / folder / "labels_qwen15.jsonl")
        run = last_done_run(place, "teacher import-labels")
        assert run is not None
        assert sum(count for reason, count in run.dropped.items() if reason.startswith("reject: ")) / run.rows["lines"] <= most, run.dropped
