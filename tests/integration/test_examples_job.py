"""`trainer examples` over buckets that do not fit in memory at once, and after a kill."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.dataset as ds
import pytest

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES, PERSON_LABELS
from lake.job_runs import JOB_RUNS
from lake.labels import LABELS, Label
from lake.units import SEQUENCES
from trainer.config import ExamplesConfig
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


def write_people(lake: LakeConfig, people: int) -> None:
    """Histories of some 100 kB each, in one bucket, of people whom an app calls by names of its own."""
    generator = random.Random(5)
    chunks = [
        {
            "person_id": f"user-{person:04}", "chunk": 0, "units": [unit(f"user-{person:04}", number, generator.randbytes(5000).hex()) for number in range(10)],
            "user_ids": [f"user-{person:04}"], "first_at": START, "last_at": START + timedelta(hours=9), "bucket": 3,
        }
        for person in range(people)
    ]  # fmt: skip
    arrow_tables.overwrite(lake, SEQUENCES, chunks)


def test_no_more_is_in_memory_than_the_settings_say_whatever_people_are_called(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake, 60)
    sizes, made = [], examples.people_of
    monkeypatch.setattr(examples, "people_of", lambda chunks, *rest: sizes.append(chunks.nbytes) or made(chunks, *rest))
    build_examples(lake, CONFIG)
    assert arrow_tables.count_rows(lake, EXAMPLES) == 60
    assert max(sizes) <= 2**20


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
