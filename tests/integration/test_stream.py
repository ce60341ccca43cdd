"""Batches out of a real table: row groups, windows, processes and positions."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pydantic import ValidationError

from conf.errors import ConfigError, ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.schema import arrow_schema, rows_table
from lake.table_files import TableFiles
from tests.older_lakes import make_older
from tests.planted_people import TOPICS, example, reader
from trainer.config import Phase, Source, TrainingConfig
from trainer.training.batches import TrainingBatch
from trainer.training.cuts_table import read_cuts
from trainer.training.stream import ExampleStream, Window, ahead

TITLES = Phase(epochs={"titles": 2})
LABELS = Phase(epochs={"labels": 1}, learning_rate=0.5)


def readers(people: int) -> list[dict[str, Any]]:
    return [reader(f"{person:03}", [f"{person} title {number}" for number in range(6)], 2, community=f"place {person % 3}") for person in range(people)]


def labelled(people: int, period: str = "past") -> list[dict[str, Any]]:
    labels = [(text, "Bread") for text in TOPICS["Bread"]]
    return [example(f"labelled {person:03}", labels, 2, period=period) for person in range(people)]


def write(lake: LakeConfig, rows: list[dict[str, Any]], people_a_file: int = 5) -> None:
    """Files of few people, one row group each."""
    version = arrow_tables.made_anew(lake, EXAMPLES).version()
    written = []
    for start in range(0, len(rows), people_a_file):
        files = TableFiles(lake, EXAMPLES, f"part-{version}-{start:04}", name_is_unique=True)
        files.write(rows_table(EXAMPLES, rows[start : start + people_a_file]))
        written += files.finish()
    arrow_tables.replace_by_files(lake, EXAMPLES, written)


def stream(lake: LakeConfig, process: int = 0, processes: int = 1, **settings: Any) -> ExampleStream:
    config = TrainingConfig(phases=[TITLES], people_per_batch=8, near_people=4).model_copy(update={"window_mb": 0} | settings)
    return ExampleStream(lake, config, read_cuts(lake, arrow_tables.open_table(lake, EXAMPLES).version()), process, processes)


def people_of(batches: list[TrainingBatch]) -> list[str]:
    return [history[0]["unit_id"].rsplit("-", 1)[0] for batch in batches for history in batch.histories]


def taken(of: ExampleStream, position: dict[str, int] | None = None) -> list[TrainingBatch]:
    return [batch for batch, _ in of.batches(position or {})]


@pytest.fixture
def titled(tmp_path: Path) -> LakeConfig:
    lake = LakeConfig(path=str(tmp_path))
    write(lake, readers(37))
    return lake


@pytest.mark.parametrize("window_mb", [0, 512])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_everybody_comes_once_an_epoch_whatever_the_windows_and_processes(titled: LakeConfig, window_mb: int, processes: int) -> None:
    parts = [taken(stream(titled, process, processes, window_mb=window_mb)) for process in range(processes)]
    steps = stream(titled).steps
    assert steps == 2 * round(37 / 8)
    assert {len(part) for part in parts} == {steps}
    for epoch in (0, 1):
        half = slice(epoch * steps // 2, (epoch + 1) * steps // 2)
        assert Counter(person for part in parts for person in people_of(part[half])) == Counter(f"{person:03}" for person in range(37))
    assert people_of(parts[0][: steps // 2]) != people_of(parts[0][steps // 2 :])


def test_a_position_goes_on_with_what_would_have_come(titled: LakeConfig) -> None:
    write(titled, [*readers(37), *labelled(11)])
    of = stream(titled, phases=[Phase(epochs={"titles": 1, "labels": 2}), LABELS], train_on_periods="all")
    whole = list(of.batches({}))
    assert len(whole) == of.steps
    for place, (_, position) in enumerate(whole):
        rest = list(of.batches(position))
        assert [at for _, at in rest] == [at for _, at in whole[place + 1 :]]
        assert [(each.texts, each.histories) for each, _ in rest] == [(each.texts, each.histories) for each, _ in whole[place + 1 :]]


def test_sources_of_a_phase_are_mixed_evenly_and_phases_follow_each_other(titled: LakeConfig) -> None:
    write(titled, [*readers(40), *labelled(16)])
    of = stream(titled, phases=[Phase(epochs={"titles": 1, "labels": 1}), LABELS])
    assert of.phase_steps == [7, 2]
    is_labels = ["Bread" in batch.texts for batch in taken(of)]
    assert is_labels == [False, True, False, False, False, True, False, True, True]


def test_the_rate_rises_and_falls_in_each_phase(titled: LakeConfig) -> None:
    write(titled, [*readers(40), *labelled(16)])
    of = stream(titled, phases=[TITLES, LABELS], learning_rate=0.1, warmup_share=0.2)
    assert of.phase_steps == [10, 2]
    rates = [of.learning_rate(step) for step in range(1, 13)]
    assert rates == pytest.approx([0.1 / 3, 0.2 / 3, *(0.1 * left / 8 for left in range(8, 0, -1)), 0.5, 0.25])


def test_a_source_that_nobody_has_takes_no_step(titled: LakeConfig) -> None:
    of = stream(titled, phases=[LABELS, TITLES])
    assert of.phase_steps == [0, 10]
    assert of.people == {"titles": 37, "labels": 0, "catalogue": 0}
    assert len(taken(of)) == 10
    nobody = stream(titled, phases=[LABELS])
    assert (nobody.steps, taken(nobody)) == (0, [])


def test_cuts_of_the_future_period_are_left_out_unless_too_few_people_remain(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lake = LakeConfig(path=str(tmp_path))
    write(lake, [*labelled(9), *[row | {"person_id": f"late {row['person_id']}"} for row in labelled(4, period="future")]])
    assert stream(lake, phases=[LABELS]).people["labels"] == 9
    assert not caplog.records
    assert stream(lake, phases=[LABELS], people_per_batch=10).people["labels"] == 13
    assert "both periods" in caplog.text
    assert stream(lake, phases=[LABELS], train_on_periods="all").people["labels"] == 13


def test_people_who_are_held_out_are_never_read(tmp_path: Path) -> None:
    lake = LakeConfig(path=str(tmp_path))
    write(lake, [*readers(10), *[row | {"person_id": f"test {row['person_id']}", "split": "test"} for row in readers(10)]])
    assert stream(lake).people["titles"] == 10


def test_cuts_are_those_of_the_table_whoever_wrote_its_files(titled: LakeConfig) -> None:
    before = stream(titled).cuts
    table = arrow_tables.open_table(titled, EXAMPLES)
    table.delete("person_id = '003'")  # leaves string_view in the file of five people
    cuts = stream(titled).cuts
    assert len(cuts.person) == 36
    assert set(cuts.time.tolist()) == set(before.time.tolist())
    assert len([person for batch in taken(stream(titled)) for person in people_of([batch])]) == 2 * 36


def test_times_are_microseconds_in_files_of_spark_too(titled: LakeConfig) -> None:
    before = stream(titled).cuts
    for path in {f"{titled.path}/examples/{group.path}" for group in before.groups}:
        pq.write_table(pq.ParquetFile(path).read(), path, use_deprecated_int96_timestamps=True)
    assert stream(titled).cuts.time.tolist() == before.time.tolist()


def test_a_table_without_a_field_inside_a_column_is_made_anew(tmp_path: Path) -> None:
    lake = LakeConfig(path=str(tmp_path))
    inside = arrow_schema(EXAMPLES).field("cuts").type.value_type
    older = pa.list_(pa.struct([field for field in inside if field.name != "community"]))
    schema = pa.schema([field.with_type(older) if field.name == "cuts" else field for field in arrow_schema(EXAMPLES)])
    DeltaTable.create(str(tmp_path / "examples"), schema, partition_by=["split"])
    write(lake, readers(3))
    assert stream(lake).people["titles"] == 3


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_who_replace_a_table_at_once_one_alone_does(tmp_path: Path, is_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = LakeConfig(path=str(tmp_path))
    write(lake, [] if is_first else readers(37))
    files = TableFiles(lake, EXAMPLES, "slow", name_is_unique=True)
    files.write(rows_table(EXAMPLES, readers(9)))
    written, listed, calls = files.finish(), arrow_tables.live_files, iter([True])

    def while_another_replaces(table: DeltaTable) -> list[dict[str, Any]]:
        found = listed(table)
        if next(calls, False):
            write(lake, readers(4))
        return found

    monkeypatch.setattr(arrow_tables, "live_files", while_another_replaces)
    with pytest.raises(ContractError, match="examples: somebody else has written the table meanwhile"):
        arrow_tables.replace_by_files(lake, EXAMPLES, written)
    assert arrow_tables.count_rows(lake, EXAMPLES) == 4


def test_examples_of_an_older_kindred_have_no_grades_and_no_judged_negatives(tmp_path: Path) -> None:
    lake = LakeConfig(path=str(tmp_path))
    write(lake, labelled(12))
    settings = {"phases": [LABELS], "judged_negatives": 2, "weigh_by_grade": True}
    before = [(batch.texts, batch.histories, [each.tolist() for each in batch.grades or ()]) for batch in taken(stream(lake, **settings))]
    make_older(lake, EXAMPLES)
    assert "candidates" not in {field.name for field in arrow_tables.open_table(lake, EXAMPLES).schema().fields}
    assert [(batch.texts, batch.histories, [each.tolist() for each in batch.grades or ()]) for batch in taken(stream(lake, **settings))] == before


def rater(person: int) -> dict[str, Any]:
    """Somebody who rates a film a day of an app's catalogue, and is asked after the second for those that follow."""
    row = reader(f"{person:03}", [f"{person} title {number}" for number in range(6)], 2)
    items = [{"place": place, "item_id": f"{person} {place}", "text": f"Film {person * 10 + place}, Drama"} for place in range(2, 6)]
    return row | {"acted_on": items, "cuts": [row["cuts"][0] | {"acted_on": [2, 3, 5]}]}


def test_an_apps_own_items_are_a_source_of_their_own(tmp_path: Path) -> None:
    lake = LakeConfig(path=str(tmp_path))
    write(lake, [*readers(10), *[rater(person) for person in range(50, 66)]])
    of = stream(lake, phases=[Phase(epochs={"catalogue": 1})])
    assert of.people == {"titles": 26, "labels": 0, "catalogue": 16}
    batches = taken(of)
    assert sorted(person for batch in batches for person in people_of([batch])) == [f"{person:03}" for person in range(50, 66)]
    assert {text for batch in batches for text in batch.texts} == {f"Film {person * 10 + place}, Drama" for person in range(50, 66) for place in (2, 3, 5)}


def test_examples_of_an_older_kindred_are_trained_on_and_ask_for_no_items(titled: LakeConfig) -> None:
    before = [(batch.texts, batch.histories) for batch in taken(stream(titled))]
    make_older(titled, EXAMPLES)
    assert {"acted_on", "cuts"} - {field.name for field in arrow_tables.open_table(titled, EXAMPLES).schema().fields} == {"acted_on"}
    assert [(batch.texts, batch.histories) for batch in taken(stream(titled))] == before
    assert stream(titled).people["catalogue"] == 0


def test_under_labels_only_cuts_with_a_label_before_them_are_asked_about(tmp_path: Path) -> None:
    lake = LakeConfig(path=str(tmp_path))
    write(lake, [*readers(6), *labelled(9)])
    of = stream(lake, phases=[Phase(epochs={"titles": 1, "labels": 1})], query_format="labels")
    of.check_labels()
    assert (of.people, of.unread_people) == ({"titles": 0, "labels": 9, "catalogue": 0}, 6)
    assert all("label" in unit for batch in taken(of) for history in batch.histories for unit in history)
    mixed = stream(lake, phases=[Phase(epochs={"titles": 1})], query_format="mixed")
    mixed.check_labels()
    assert (mixed.people["titles"], mixed.unread_people) == (6, 0)


@pytest.mark.parametrize("query_format", ["labels", "mixed"])
def test_formats_that_read_labels_need_some_and_a_table_that_tells_of_them(titled: LakeConfig, query_format: str) -> None:
    with pytest.raises(
        ContractError, match=f"query_format '{query_format}' reads labels, but no cut of a person to train on has a label before it; label more"
    ):
        stream(titled, query_format=query_format).check_labels()
    stream(titled).check_labels()
    write(titled, labelled(5))
    make_older(titled, EXAMPLES)
    with pytest.raises(ContractError, match="an older Kindred made them"):
        stream(titled, query_format=query_format).check_labels()


def test_a_phase_says_how_much_of_histories_is_read_and_never_more_than_the_encoder_reads(titled: LakeConfig) -> None:
    short = Phase(epochs={"titles": 1}, max_tokens=64)
    of = stream(titled, phases=[short, TITLES])
    assert [batch.max_tokens for batch in taken(of)] == [64] * of.phase_steps[0] + [None] * of.phase_steps[1]
    with pytest.raises(ValidationError, match="a phase of max_tokens 64 is longer than max_tokens 32"):
        TrainingConfig(phases=[short], max_tokens=32)


def test_more_processes_than_row_groups_give_empty_parts(tmp_path: Path) -> None:
    lake = LakeConfig(path=str(tmp_path))
    write(lake, readers(4))
    parts = [taken(stream(lake, process, 3)) for process in range(3)]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert sorted(len(people_of(part)) for part in parts) == [0, 0, 8]


def test_a_window_holds_no_more_than_its_row_groups(titled: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = ExampleStream._read
    monkeypatch.setattr(ExampleStream, "_read", lambda self, window: read.append(len(window.groups)) or original(self, window))
    taken(stream(titled))
    assert max(read) <= 3
    assert sum(read) == 16
    read.clear()
    taken(stream(titled, window_mb=512))
    assert read == [8, 8]


def test_a_row_group_is_as_large_as_it_is_in_memory(titled: LakeConfig) -> None:
    repeating = readers(20)
    write(titled, [row | {"history": row["history"] * 50} for row in repeating], 20)
    of = stream(titled)
    (window,) = of.windows("titles", np.random.default_rng(1))
    assert of.cuts.groups[0].bytes > 0.7 * of._read(window).nbytes


def test_a_table_that_was_merged_into_large_row_groups_is_told_of(titled: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    stream(titled, window_mb=1).warn_of_row_groups()
    assert not caplog.records
    stream(titled, window_mb=0).warn_of_row_groups()
    assert "more than trainer.window_mb" in caplog.text
    caplog.clear()
    stream(titled, 0, 9, window_mb=1).warn_of_row_groups()
    assert "8 row groups for 9 processes" in caplog.text


def test_row_groups_without_anybody_to_visit_are_not_read_and_nobody_else_is_kept(titled: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write(titled, [*readers(60), *labelled(7)])
    rows: list[int] = []
    kept = ExampleStream._read
    monkeypatch.setattr(ExampleStream, "_read", lambda self, window: rows.append(len(kept(self, window))) or kept(self, window))
    parts = [stream(titled, process, 2, phases=[LABELS], people_per_batch=2, window_mb=512) for process in (0, 1)]
    windows = [window for part in parts for window in part.windows("labels", np.random.default_rng(1))]
    assert [len(window.groups) for window in windows] == [1, 1]
    assert sum(len(people_of(taken(part))) for part in parts) == 7
    assert sum(rows) == 7


def test_sources_of_one_phase_share_what_a_process_holds(titled: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write(titled, [row | {"history": row["history"] * 40} for row in [*readers(40), *labelled(40)]], 4)
    total = sum(group.bytes for group in stream(titled).cuts.groups)
    assert total > 2 * 2**20
    held: dict[str, int] = {}
    read = ExampleStream._read
    windows = ExampleStream.windows

    def of_source(self: ExampleStream, source: Source, *rest: Any) -> Iterator[Window]:
        for window in windows(self, source, *rest):
            held[source] = sum(self.cuts.groups[group].bytes for group in window.groups)
            yield window

    sums: list[int] = []
    monkeypatch.setattr(ExampleStream, "windows", of_source)
    monkeypatch.setattr(ExampleStream, "_read", lambda self, window: sums.append(sum(held.values())) or read(self, window))
    taken(stream(titled, phases=[Phase(epochs={"titles": 1, "labels": 1})], people_per_batch=2, window_mb=1))
    largest = max(group.bytes for group in stream(titled).cuts.groups)
    assert len(sums) > 3
    assert max(sums) < 2**20 + 2 * largest


def test_people_in_no_community_are_near_nobody(tmp_path: Path) -> None:
    lake = LakeConfig(path=str(tmp_path))
    nowhere = [row | {"cuts": [cut | {"community": None} for cut in row["cuts"]]} for row in readers(8)]
    write(lake, [*nowhere, *readers(24)[8:]])
    cuts = stream(lake).cuts
    own = cuts.community[cuts.community < 0]
    assert len(own) == len(set(own.tolist())) == 8
    assert len(set(cuts.community[cuts.community >= 0].tolist())) == 3


def test_too_few_people_for_the_processes_are_told(titled: LakeConfig) -> None:
    stream(titled, 0, 4, people_per_batch=8).check_processes()
    stream(titled, 0, 1, people_per_batch=2).check_processes()
    with pytest.raises(ConfigError, match=r"trainer\.people_per_batch 2: on 3 processes expected 6 at least"):
        stream(titled, 0, 3, people_per_batch=2).check_processes()


def test_batches_are_made_ahead_and_failures_come_where_they_belong() -> None:
    made: list[int] = []

    def values() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 7:
                raise ValueError("seven")
            yield number

    got: list[int] = []
    with pytest.raises(ValueError, match="seven"):
        got.extend(ahead(values(), 2))
    assert got == list(range(7))

    made.clear()
    asked = ahead(iter(values()), 2)
    assert next(asked) == 0
    for _ in range(200):
        if len(made) >= 3:
            break
        time.sleep(0.01)
    assert 3 <= len(made) <= 5
    asked.close()
    for _ in range(200):
        if not any(thread.name == "batches" for thread in threading.enumerate()):
            break
        time.sleep(0.01)
    assert not any(thread.name == "batches" for thread in threading.enumerate())


def test_times_and_places_are_those_of_the_cuts(titled: LakeConfig) -> None:
    cuts = read_cuts(titled, arrow_tables.open_table(titled, EXAMPLES).version())
    rows = arrow_tables.read(titled, EXAMPLES).sort_by("person_id").to_pylist()
    assert cuts.time.tolist() == [int(cut["cut_at"].timestamp() * 1e6) for row in rows for cut in row["cuts"]]
    assert len(np.unique(cuts.community)) == 3
