"""The job that labels: batches, kills, second runs, growth; with a teacher of our own in the model's place."""

from collections.abc import Callable
from typing import Any

import pytest
from teacher_lake import TEXTS, FakeEngine, unit_row, write_units, written

from conf.errors import ContractError, TeacherError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.labels import LABEL_REJECTS, LABELS
from lake.schema import rows_table
from lake.units import IDENTITIES, UNITS
from teacher.config import TeacherConfig
from teacher.engine import Engine
from teacher.jobs import label
from teacher.jobs.label import label_units

CONFIG = TeacherConfig(batch_units=3)
ENDLESS = next(text for text in TEXTS["ann"] if "squeals" in text)


def starting(engine: Engine) -> Callable[..., Engine]:
    return lambda *_: engine


def not_started(*_: Any) -> Engine:
    raise AssertionError("the engine was started with nothing to do")


def tables(lake: LakeConfig) -> list[Any]:
    return [written(lake, LABELS), written(lake, LABEL_REJECTS)]


@pytest.fixture
def undisturbed(lake: LakeConfig) -> list[Any]:
    """The tables of a run that nobody disturbed, in a lake of its own."""
    other = lake.model_copy(update={"path": lake.path + "-undisturbed"})
    write_units(other)
    label_units(other, CONFIG, starting(FakeEngine()))
    return tables(other)


def test_every_content_becomes_a_label_or_a_reject(lake: LakeConfig) -> None:
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    labels, rejects = tables(lake)
    assert len(labels) + len(rejects) == 8
    assert "specific: no end" in {reject["reason"] for reject in rejects}
    assert all(row["prompt_version"].startswith("small-") and row["prompt_tokens"] > 0 and row["batch"] for row in labels)
    run = last_done_run(lake, "teacher label")
    assert run is not None
    assert run.rows == {"units selected": 8, "labels": len(labels), "label_rejects": len(rejects)}


def test_a_second_run_does_not_start_the_engine_and_writes_nothing(lake: LakeConfig) -> None:
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    versions = [arrow_tables.table_version(lake, spec) for spec in (LABELS, LABEL_REJECTS)]
    label_units(lake, CONFIG, not_started)
    assert [arrow_tables.table_version(lake, spec) for spec in (LABELS, LABEL_REJECTS)] == versions


@pytest.mark.parametrize("calls", range(6))
def test_a_run_killed_in_any_batch_goes_on_and_gives_the_tables_of_an_undisturbed_one(lake: LakeConfig, undisturbed: list[Any], calls: int) -> None:
    write_units(lake)
    with pytest.raises(KeyboardInterrupt):
        label_units(lake, CONFIG, starting(FakeEngine(killed_after=calls)))
    rest = FakeEngine()
    label_units(lake, CONFIG, starting(rest))
    assert tables(lake) == undisturbed
    assert len(rest.asked) == 6 - calls // 2 * 2


def test_a_kill_between_rejects_and_labels_repeats_the_batch_and_no_row(lake: LakeConfig, undisturbed: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    write_units(lake)
    append = arrow_tables.append

    def killed_after_rejects(lake: LakeConfig, spec: Any, *rest: Any) -> int:
        version = append(lake, spec, *rest)
        if spec is LABEL_REJECTS:
            raise KeyboardInterrupt
        return version

    with monkeypatch.context() as patch:
        patch.setattr(label.arrow_tables, "append", killed_after_rejects)
        with pytest.raises(KeyboardInterrupt):
            label_units(lake, CONFIG, starting(FakeEngine()))
    assert written(lake, LABEL_REJECTS)
    label_units(lake, CONFIG, starting(FakeEngine()))
    assert tables(lake) == undisturbed


def test_new_units_are_labelled_and_old_ones_are_not_labelled_again(lake: LakeConfig) -> None:
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    before = tables(lake)
    write_units(lake, [unit_row(f"reddit:t1_new{number}", "cat", f"a new thought number {number} on bridges") for number in range(4)])
    engine = FakeEngine()
    label_units(lake, CONFIG, starting(engine))
    asked = sum(len(prompts) for prompts in engine.asked[::2])
    after = tables(lake)
    assert asked == 4
    assert [row for rows in after for row in rows if row in before[0] + before[1]] == before[0] + before[1]
    assert sum(map(len, after)) == 12


def test_duplicates_are_labelled_once_as_the_unit_that_stands_for_them(lake: LakeConfig) -> None:
    original = unit_row("reddit:t1_b", "ann", "a long story about an old bridge")
    copy = unit_row("reddit:t1_a", "bob", "a long story about an old bridge!!", duplicate_group=original["unit_hash"])
    write_units(lake, [original | {"duplicate_group": original["unit_hash"]}, copy])
    label_units(lake, CONFIG, starting(FakeEngine()))
    assert [row["unit_hash"] for row in written(lake, LABELS)] == [original["unit_hash"]]


def test_max_units_takes_whole_people_and_joins_their_accounts(lake: LakeConfig) -> None:
    write_units(lake)
    config = TeacherConfig(max_units=1, min_units_per_person=5)
    label_units(lake, config, not_started)
    arrow_tables.overwrite(lake, IDENTITIES, rows_table(IDENTITIES, [{"user_id": user, "person_id": "ann"} for user in ("ann", "bob")]))
    label_units(lake, config, starting(FakeEngine()))
    assert sum(map(len, tables(lake))) == 8


def test_another_prompt_is_another_teacher(lake: LakeConfig, tmp_path: Any) -> None:
    prompt = tmp_path / "mine.yaml"
    prompt.write_text("{name: mine, version: 1, style: completion, own_chars: 200, context_chars: 80, specific_tokens: 14}")
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    label_units(lake, CONFIG.model_copy(update={"prompt": str(prompt)}), starting(FakeEngine()))
    assert len({row["teacher_version"] for row in written(lake, LABELS)}) == 2
    assert sum(map(len, tables(lake))) == 16


def test_no_units_are_no_work_and_no_table_is_an_error(lake: LakeConfig) -> None:
    with pytest.raises(ContractError, match="units: no table"):
        label_units(lake, CONFIG, not_started)
    arrow_tables.create_table(lake, UNITS)
    label_units(lake, CONFIG, not_started)
    assert tables(lake) == [[], []]


def test_too_many_rejects_fail_the_job_and_say_why(lake: LakeConfig) -> None:
    write_units(lake, [unit_row("reddit:t1_a", "ann", ENDLESS)])
    with pytest.raises(TeacherError, match=r"100% of 1 completions are rejects.*specific: no end 1"):
        label_units(lake, CONFIG, starting(FakeEngine()))


def test_a_model_that_is_not_there_is_a_teacher_error(lake: LakeConfig, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_units(lake)
    with pytest.raises(TeacherError, match="no weights"):
        label_units(lake, TeacherConfig(model=str(tmp_path)), not_started)
