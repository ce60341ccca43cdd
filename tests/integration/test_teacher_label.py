"""The job that labels: batches, kills, second runs, growth; with a teacher of our own in the model's place."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from deltalake import write_deltalake
from teacher_lake import TEXTS, FakeEngine, answers, unit_row, write_units, written

from conf.errors import ContractError, TeacherError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.labels import LABELS, is_label
from lake.schema import rows_table
from lake.units import IDENTITIES, UNITS
from teacher.config import TeacherConfig
from teacher.engine import Engine
from teacher.jobs.label import label_units
from teacher.prompts import load_prompt, specific_question

CONFIG = TeacherConfig(batch_units=3)
ENDLESS = next(text for text in TEXTS["ann"] if "squeals" in text)


def starting(engine: Engine) -> Callable[..., Engine]:
    return lambda *_: engine


def not_started(*_: Any) -> Engine:
    raise AssertionError("the engine was started with nothing to do")


@pytest.fixture
def undisturbed(lake: LakeConfig) -> list[Any]:
    """The table of a run that nobody disturbed, in a lake of its own."""
    other = lake.model_copy(update={"path": lake.path + "-undisturbed"})
    write_units(other)
    label_units(other, CONFIG, starting(FakeEngine()))
    return written(other, LABELS)


def test_every_content_becomes_a_label_or_a_reject(lake: LakeConfig) -> None:
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    labels, rejects = answers(lake)
    assert len(labels) + len(rejects) == 8
    assert "specific: no end" in {reject["reason"] for reject in rejects}
    assert all(row["prompt_version"].startswith("small-") and row["prompt_tokens"] > 0 and row["batch"] for row in [*labels, *rejects])
    assert all(row["specific"] and row["broad"] and row["raw"] is None for row in labels)
    assert all((row["specific"], row["broad"]) == ("", "") and row["raw"] for row in rejects)
    assert arrow_tables.count_rows(lake, LABELS, is_label()) == len(labels)
    run = last_done_run(lake, "teacher label")
    assert run is not None
    assert (run.rows["units selected"], run.rows["labels"], run.rows["contents asked"]) == (8, len(labels), 8)
    assert run.rows["prompt tokens"] == sum(row["prompt_tokens"] for row in [*labels, *rejects])
    assert sum(count for reason, count in run.dropped.items() if reason.startswith("reject: ")) == len(rejects)


def test_a_second_run_does_not_start_the_engine_and_writes_nothing(lake: LakeConfig) -> None:
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    version = arrow_tables.table_version(lake, LABELS)
    label_units(lake, CONFIG, not_started)
    assert arrow_tables.table_version(lake, LABELS) == version


@pytest.mark.parametrize("calls", range(6))
def test_a_run_killed_in_any_batch_goes_on_and_gives_the_table_of_an_undisturbed_one(lake: LakeConfig, undisturbed: list[Any], calls: int) -> None:
    write_units(lake)
    with pytest.raises(KeyboardInterrupt):
        label_units(lake, CONFIG, starting(FakeEngine(killed_after=calls)))
    rest = FakeEngine()
    label_units(lake, CONFIG, starting(rest))
    assert written(lake, LABELS) == undisturbed
    assert len(rest.asked) == 6 - calls // 2 * 2


def test_new_units_are_labelled_and_old_ones_are_not_labelled_again(lake: LakeConfig) -> None:
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    before = written(lake, LABELS)
    write_units(lake, [unit_row(f"reddit:t1_new{number}", "cat", f"a new thought number {number} on bridges") for number in range(4)])
    engine = FakeEngine()
    label_units(lake, CONFIG, starting(engine))
    asked = sum(len(prompts) for prompts in engine.asked[::2])
    after = written(lake, LABELS)
    assert asked == 4
    assert [row for row in after if row in before] == before
    assert len(after) == 12


def test_duplicates_are_labelled_once_as_the_unit_that_stands_for_them(lake: LakeConfig) -> None:
    original = unit_row("reddit:t1_b", "ann", "a long story about an old bridge")
    copy = unit_row("reddit:t1_a", "bob", "a long story about an old bridge!!", duplicate_group=original["unit_hash"])
    write_units(lake, [original | {"duplicate_group": original["unit_hash"]}, copy])
    label_units(lake, CONFIG, starting(FakeEngine()))
    assert [row["unit_hash"] for row in written(lake, LABELS)] == [original["unit_hash"]]


def test_each_partitions_texts_are_read_once_and_a_content_of_two_is_labelled_once(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        unit_row(f"reddit:t1_{group}{number}", "ann", f"an old bridge number {number if number else 'one'} of {'all' if not number else group}")
        | {"thread_group": group}
        for group in "abc"
        for number in range(5)
    ]
    write_units(lake, rows)
    read_batches, scans = arrow_tables.read_batches, []

    def counted(lake: LakeConfig, spec: Any, columns: Any = None, where: Any = None, *rest: Any) -> Any:
        if columns is not None and "text" in columns:
            scans.append(str(where).split(" and is_in")[0])
        return read_batches(lake, spec, columns, where, *rest)

    monkeypatch.setattr(arrow_tables, "read_batches", counted)
    label_units(lake, CONFIG, starting(FakeEngine()))
    assert len(scans) == len(set(scans)) == 3
    assert len(written(lake, LABELS)) == 3 * 4 + 1
    run = last_done_run(lake, "teacher label")
    assert run is not None
    assert (run.rows["units selected"], run.dropped["units: content of another unit"]) == (15, 2)
    label_units(lake, CONFIG, not_started)


def test_max_units_takes_whole_people_and_joins_their_accounts(lake: LakeConfig) -> None:
    write_units(lake)
    config = TeacherConfig(max_units=1, min_units_per_person=5)
    label_units(lake, config, not_started)
    arrow_tables.overwrite(lake, IDENTITIES, rows_table(IDENTITIES, [{"user_id": user, "person_id": "ann"} for user in ("ann", "bob")]))
    label_units(lake, config, starting(FakeEngine()))
    assert len(written(lake, LABELS)) == 8


def test_another_prompt_is_another_teacher(lake: LakeConfig, tmp_path: Any) -> None:
    prompt = tmp_path / "mine.yaml"
    prompt.write_text("{name: mine, version: 1, style: completion, own_chars: 200, context_chars: 80, specific_tokens: 14}")
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    label_units(lake, CONFIG.model_copy(update={"prompt": str(prompt)}), starting(FakeEngine()))
    assert len({row["teacher_version"] for row in written(lake, LABELS)}) == 2
    assert len(written(lake, LABELS)) == 16


def test_no_units_are_no_work_and_no_table_is_an_error(lake: LakeConfig) -> None:
    with pytest.raises(ContractError, match="units: no table"):
        label_units(lake, CONFIG, not_started)
    arrow_tables.create_table(lake, UNITS)
    label_units(lake, CONFIG, not_started)
    assert written(lake, LABELS) == []


def test_too_many_rejects_fail_the_job_and_say_why(lake: LakeConfig) -> None:
    write_units(lake, [unit_row("reddit:t1_a", "ann", ENDLESS)])
    for engine in (starting(FakeEngine()), not_started):
        with pytest.raises(TeacherError, match=r"100% of 1 selected contents came to no label.*specific: no end 1"):
            label_units(lake, CONFIG, engine)
    label_units(lake, CONFIG.model_copy(update={"max_reject_share": 1}), not_started)


def test_what_somebody_deletes_is_asked_and_written_again(lake: LakeConfig, undisturbed: list[Any]) -> None:
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    arrow_tables.open_table(lake, LABELS).delete("reason IS NOT NULL")
    assert answers(lake)[1] == []
    label_units(lake, CONFIG, starting(FakeEngine()))
    assert [row | {"batch": None} for row in written(lake, LABELS)] == [row | {"batch": None} for row in undisturbed]


def test_of_two_drivers_at_once_the_second_writes_nothing(lake: LakeConfig, undisturbed: list[Any]) -> None:
    write_units(lake)

    class Slow(FakeEngine):
        """Another driver begins and ends while this one asks for the first time."""

        def complete(self, prompts: Any, decoding: Any) -> Any:
            if not self.asked:
                label_units(lake, CONFIG, starting(FakeEngine()))
            return super().complete(prompts, decoding)

    label_units(lake, CONFIG, starting(Slow()))
    assert written(lake, LABELS) == undisturbed


@pytest.mark.parametrize("is_older", [False, True])
def test_of_two_drivers_that_commit_at_one_moment_neither_fails(lake: LakeConfig, is_older: bool) -> None:
    units = [unit_row(f"reddit:t1_{number}", "ann", f"an interesting bridge number {number}") for number in range(12)]
    write_units(lake, units)
    if is_older:  # both find a table without the later columns
        write_deltalake(f"{lake.path}/labels", rows_table(LABELS, []).drop_columns(["reason", "raw"]))
    both = threading.Barrier(2)

    class InStep(FakeEngine):
        """Waits for the other driver, so that both come to their commit together."""

        def complete(self, prompts: Any, decoding: Any) -> Any:
            with suppress(threading.BrokenBarrierError):
                both.wait(10)
            return super().complete(prompts, decoding)

    with ThreadPoolExecutor(2) as drivers:
        for ended in [drivers.submit(label_units, lake, CONFIG, starting(InStep())) for _ in range(2)]:
            ended.result()
    assert sorted(row["unit_hash"] for row in written(lake, LABELS)) == sorted(unit["unit_hash"] for unit in units)


def test_what_was_too_long_for_a_model_is_asked_again_where_it_may_read_more(lake: LakeConfig) -> None:
    write_units(lake)
    with pytest.raises(TeacherError, match="prompt: too many tokens 8"):
        label_units(lake, CONFIG, starting(FakeEngine(room=10)))
    label_units(lake, CONFIG.model_copy(update={"max_model_tokens": 2 * CONFIG.max_model_tokens}), starting(FakeEngine()))
    assert answers(lake)[0]


def test_a_table_of_an_older_program_knows_no_reasons_and_goes_on(lake: LakeConfig) -> None:
    write_units(lake)
    label_units(lake, CONFIG, starting(FakeEngine()))
    older = arrow_tables.read(lake, LABELS, where=is_label()).drop_columns(["reason", "raw"])
    write_deltalake(f"{lake.path}/labels", older, mode="overwrite", schema_mode="overwrite")
    assert arrow_tables.read(lake, LABELS, ("unit_hash",), is_label()).num_rows == older.num_rows
    label_units(lake, CONFIG, starting(FakeEngine()))
    labels, rejects = answers(lake)
    assert (len(labels), len(labels) + len(rejects)) == (older.num_rows, 8)


@pytest.mark.parametrize(("missing", "reasons"), [(-1, set()), (100, set()), (10_000, {"prompt: too many tokens"})])
def test_words_that_are_too_many_tokens_are_shown_in_part_or_refused_and_stop_nobody(lake: LakeConfig, missing: int, reasons: set[str]) -> None:
    long = unit_row("reddit:t1_b", "ann", "a long bridge " * 30)
    whole = specific_question(load_prompt("small"), long)
    write_units(lake, [unit_row("reddit:t1_a", "ann", "an old bridge at night"), long])
    engine = FakeEngine(room=len(whole) - missing)
    label_units(lake, CONFIG.model_copy(update={"max_reject_share": 1}), starting(engine))
    labels, rejects = answers(lake)
    assert {row["reason"] for row in rejects} == reasons
    assert len(labels) + len(rejects) == 2
    shown = [str(prompt).count("a long bridge") for prompts in engine.asked for prompt in prompts if "a long bridge" in str(prompt)]
    assert [0 < count < whole.count("a long bridge") for count in shown] == ([] if reasons else [missing > 0])


def test_a_model_that_is_not_there_is_a_teacher_error(lake: LakeConfig, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_units(lake)
    with pytest.raises(TeacherError, match="no weights"):
        label_units(lake, TeacherConfig(model=str(tmp_path)), not_started)
