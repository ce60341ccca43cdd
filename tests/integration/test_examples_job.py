"""`trainer examples` over buckets that do not fit in memory at once, and after a kill."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from lake import arrow_tables, chunk_parts
from lake.config import LakeConfig
from lake.examples import EXAMPLES, PERSON_LABELS
from lake.job_runs import JOB_RUNS
from lake.judgements import JUDGEMENTS, Judgement, history_query_id
from lake.labels import LABELS, Label
from lake.schema import rows_table
from lake.tables import TableSpec
from lake.units import SEQUENCES
from trainer.config import ExamplesConfig
from trainer.examples import people
from trainer.jobs import examples
from trainer.jobs.examples import build_examples
from trainer.training.cuts_table import read_cuts

START = datetime(2024, 1, 1, tzinfo=UTC)
CONFIG = ExamplesConfig(memory_mb=1, validation_share=0, test_share=0)


def unit(person: str, number: int, words: str) -> dict[str, Any]:
    root = {"role": "root", "unit_id": None, "speaker": "other-1", "speaker_id": None, "title": f"About {person} {number}", "text": "It.", "created_at": None}
    return {
        "unit_id": f"forum:{person} {number}", "unit_hash": f"{person} {number}", "duplicate_group": None, "created_at": START + timedelta(hours=number),
        "platform": "forum", "thread_id": f"forum:{number}", "action": "comment", "community": "tea", "title": None, "text": words, "context": [root],
        "starts_session": False,
    }  # fmt: skip


def write_people(lake: LakeConfig, people: int, repeating: bool = False) -> None:
    """Histories of some 100 kB each, in one bucket, of people whom an app calls by names of its own; `repeating` ones are next to nothing in files."""
    generator = random.Random(5)

    def words() -> str:
        return "tea " * 2500 if repeating else generator.randbytes(5000).hex()

    chunks = [
        {
            "person_id": f"user-{person:04}", "chunk": 0, "units": [unit(f"user-{person:04}", number, words()) for number in range(10)],
            "user_ids": [f"user-{person:04}"], "first_at": START, "last_at": START + timedelta(hours=9), "bucket": 3,
        }
        for person in range(people)
    ]  # fmt: skip
    arrow_tables.overwrite(lake, SEQUENCES, chunks)


@pytest.mark.parametrize("repeating", [False, True])
def test_no_more_is_in_memory_than_the_settings_say_whatever_people_are_called(lake: LakeConfig, repeating: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake, 60, repeating)
    sizes, made = [], examples.people_of
    monkeypatch.setattr(examples, "people_of", lambda chunks, *rest: sizes.append(chunks.nbytes) or made(chunks, *rest))
    build_examples(lake, CONFIG)
    assert arrow_tables.count_rows(lake, EXAMPLES) == 60
    assert max(sizes) <= 2**20


def test_texts_of_more_than_an_array_of_strings_holds_give_the_same_examples(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake, 9)
    build_examples(lake, CONFIG)
    usual = arrow_tables.read(lake, EXAMPLES).sort_by("person_id")
    chunks = arrow_tables.read(lake, SEQUENCES, ("person_id", "chunk", "units"))
    labels = arrow_tables.read(lake, PERSON_LABELS)
    monkeypatch.setattr(people, "LEAF_BYTES", 1000)
    histories = people.people_of(chunks, labels)
    assert pa.types.is_large_string(histories.units.type.field("text").type)
    made = people.examples_of(histories, people.TimeSplit(0, 0), CONFIG, Counter(), Counter())
    assert made.schema.field("history").type == usual.schema.field("history").type
    columns = ["person_id", "history", "did", "label_set"]
    assert made.sort_by("person_id").select(columns).to_pylist() == usual.select(columns).to_pylist()


def test_one_person_alone_is_read_whole_whatever_the_limit(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake, 3, repeating=True)
    monkeypatch.setattr(chunk_parts, "LEAF_BYTES", 1000)
    parts = list(chunk_parts.chunks_in_parts(lake, arrow_tables.open_table(lake, SEQUENCES).version(), 3, 1, 2**30))
    assert [chunks["person_id"].to_pylist() for _, chunks in parts] == [["user-0000"], ["user-0001"], ["user-0002"]]


def test_labels_are_those_that_this_run_wrote(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake, 2)
    overwritten, read = arrow_tables.overwrite_stream, []

    def while_another_writes(lake: LakeConfig, spec: TableSpec, parts: Iterator[pa.Table]) -> int:
        version = overwritten(lake, spec, parts)
        label = {"specific_item_id": "s", "broad_item_id": "b", "specific": "Tea", "broad": "Drinks", "teacher_version": "other", "bucket": 3}
        others = [{"person_id": "user-0000", "unit_id": f"forum:user-0000 {number}", "created_at": START} | label for number in range(10)]
        overwritten(lake, spec, iter([rows_table(spec, others)]))
        return version

    made = examples.people_of
    monkeypatch.setattr(arrow_tables, "overwrite_stream", while_another_writes)
    monkeypatch.setattr(examples, "people_of", lambda chunks, labels, *rest: read.append(len(labels)) or made(chunks, labels, *rest))
    build_examples(lake, CONFIG)
    assert set(read) == {0}
    assert arrow_tables.count_rows(lake, PERSON_LABELS) == 10


def test_row_groups_are_small_however_much_is_made_at_once(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake, 60)
    monkeypatch.setattr(examples, "ROW_GROUP_MB", 1)
    build_examples(lake, CONFIG.model_copy(update={"memory_mb": 1024}))
    groups = read_cuts(lake, arrow_tables.open_table(lake, EXAMPLES).version()).groups
    assert sum(group.people for group in groups) == 60
    assert max(group.bytes for group in groups) <= 2 * 2**20


def killed_before(*_: Any) -> int:
    raise KeyboardInterrupt


def test_after_a_kill_between_the_two_tables_the_next_run_makes_both(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake, 5)
    label = Label(
        unit_hash="user-0001 3", teacher_version="t", specific="Green tea", broad="Tea", teacher_model="hand", prompt_version="1", rendering_version="1",
        decoding="none", prompt_tokens=None, completion_tokens=None, batch=None, labelled_at=None,
    )  # fmt: skip
    arrow_tables.append(lake, LABELS, [label])
    build_examples(lake, CONFIG)
    with monkeypatch.context() as killed:
        killed.setattr(examples, "write_examples", killed_before)
        with pytest.raises(KeyboardInterrupt):
            build_examples(lake, CONFIG.model_copy(update={"past_share": 0.5}))
    build_examples(lake, CONFIG)
    runs = arrow_tables.read(lake, JOB_RUNS, where=ds.field("job") == "trainer examples")
    assert runs["status"].to_pylist() == ["done", "failed", "done"]
    build_examples(lake, CONFIG)
    assert arrow_tables.count_rows(lake, JOB_RUNS, where=ds.field("job") == "trainer examples") == 3
    assert (arrow_tables.count_rows(lake, EXAMPLES), arrow_tables.count_rows(lake, PERSON_LABELS)) == (5, 1)


def test_judgements_become_grades_and_hard_negatives_and_new_ones_are_taken_in(lake: LakeConfig) -> None:
    write_people(lake, 2)
    build_examples(lake, CONFIG)
    assert arrow_tables.read(lake, EXAMPLES)["candidates"].to_pylist() == [[], []]
    cut = next(row for row in arrow_tables.read(lake, EXAMPLES).to_pylist() if row["person_id"] == "user-0001")["cuts"][0]
    said = {"level": "specific", "teacher_model": "m", "prompt_version": "p", "encoder_version": None, "judged_at": None, "person_id": "user-0001"}
    last = history_query_id(f"forum:user-0001 {cut['history_length'] - 1}")
    arrow_tables.merge(
        lake, JUDGEMENTS, [Judgement(query_id=last, item_id=name, text=f"About {name}", grade=grade, **said) for name, grade in (("a", 0.0), ("b", 0.9))]
    )
    build_examples(lake, CONFIG)
    people_now = {row["person_id"]: row for row in arrow_tables.read(lake, EXAMPLES).to_pylist()}
    assert people_now["user-0001"]["cuts"][0]["hard_negatives"] == ["a"]
    assert people_now["user-0001"]["candidates"] == [{"item_id": "a", "level": "specific", "text": "About a"}]
    assert people_now["user-0000"]["candidates"] == []
    assert arrow_tables.read(lake, JOB_RUNS, where=ds.field("job") == "trainer examples")["status"].to_pylist() == ["done", "done"]
