"""The job that judges: neighbours by a real encoder, batches, kills, second runs; with a judge of our own in the model's place."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from teacher_lake import written

from conf.errors import EncoderError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.job_runs import last_done_run
from lake.judgements import JUDGEMENTS
from lake.labels import ITEMS, label_item_id
from lake.schema import rows_table
from teacher.arguments import judge as judge_arguments
from teacher.config import JudgeConfig, TeacherConfig
from teacher.engine import Decoding, Judge, Question
from teacher.jobs.judge import judge_items
from tests.planted_people import TOPICS, all_items, example

BREAD, STARS = TOPICS["Bread"], TOPICS["Astronomy"]
JUDGE = JudgeConfig(units=6, histories=2, per_person=3, neighbours=5, encoder="all-MiniLM-L6-v2", batch_queries=3)
CONFIG = TeacherConfig(judge=JUDGE)


class OverlapJudge:
    """Takes an item for likely, and for right, by the words that it shares with what was asked; ends after some calls."""

    def __init__(self, killed_after: int | None = None) -> None:
        self.killed_after, self.calls = killed_after, 0

    def fits(self, prompt: Question, decoding: Decoding) -> bool:
        return True

    def likelihoods(self, texts: Sequence[tuple[str, str]]) -> list[float | None]:
        self._called()
        return [float(shared_words(before.splitlines()[0], text)) for before, text in texts]

    def choices(self, prompts: Sequence[Question], answers: Sequence[str]) -> list[list[float] | None]:
        self._called()
        parts = [str(prompt).split('"') for prompt in prompts]
        return [[float(shared_words(each[-2], each[-4])), 0.0, 0.0] for each in parts]

    def _called(self) -> None:
        if self.killed_after is not None and self.calls >= self.killed_after:
            raise KeyboardInterrupt
        self.calls += 1


def shared_words(one: str, other: str) -> int:
    return len({*one.lower().split()} & {*other.lower().replace(".", "").split()})


def starting(model: Judge) -> Callable[..., Judge]:
    return lambda *_: model


def not_started(*_: Any) -> Judge:
    raise AssertionError("the model was started with nothing to do")


def write_lake(lake: LakeConfig) -> None:
    """Two people to train on, one of whom wrote of something else than the label says; one to judge by, and one without labels."""
    baker, gazer = example("baker", [(text, "Bread") for text in BREAD], 3), example("gazer", [(text, "Astronomy") for text in STARS], 3)
    wrong = example("wrong", [("Engine penalties for Verstappen", "Bread")], 1, words=["Kneading wet dough is what I did."])
    wrong["cuts"][0]["positives"] = []
    others = [
        example("held-out", [(text, "Bread") for text in BREAD], 3, split="test"),
        example("silent", [("none", "none")], 1) | {"labelled": [], "label_set": []},
    ]
    arrow_tables.overwrite(lake, EXAMPLES, rows_table(EXAMPLES, [baker, gazer, wrong, *others]))
    arrow_tables.overwrite(lake, ITEMS, rows_table(ITEMS, all_items()))


def test_items_near_units_and_histories_are_judged_and_a_killed_run_repeats_and_doubles_none(lake: LakeConfig) -> None:
    undisturbed = lake.model_copy(update={"path": lake.path + "-undisturbed"})
    for place in (lake, undisturbed):
        write_lake(place)
    said = judge_items(undisturbed, CONFIG, starting(OverlapJudge()))
    with pytest.raises(KeyboardInterrupt):
        judge_items(lake, CONFIG, starting(OverlapJudge(killed_after=3)))
    first = {row["query_id"] for row in written(lake, JUDGEMENTS)}
    assert len(first) == 3, "one batch is in, whole"
    went_on = OverlapJudge()
    assert judge_items(lake, CONFIG, starting(went_on)) == said
    assert went_on.calls == 4, "two batches of two prompts"
    assert written(lake, JUDGEMENTS) == written(undisturbed, JUDGEMENTS)
    version = arrow_tables.table_version(lake, JUDGEMENTS)
    assert judge_items(lake, CONFIG, not_started) == said
    assert arrow_tables.table_version(lake, JUDGEMENTS) == version

    rows = written(undisturbed, JUDGEMENTS)
    queries = {row["query_id"] for row in rows}
    assert len(queries) == 8
    assert {row["person_id"] for row in rows} == {"baker", "gazer", "wrong"}
    assert sum(query_id.startswith("history:") for query_id in queries) == 2
    of_wrong = {row["text"]: row["grade"] for row in rows if row["query_id"] == "wrong-0"}
    assert len(of_wrong) == 6, "five neighbours and the label, which is none"
    assert of_wrong["Kneading wet dough"] == 1 > of_wrong["Engine penalties for Verstappen"]
    own = {(row["query_id"], row["text"]): row["grade"] for row in rows}
    assert all(
        own[name, text] == 1
        for person, texts in (("baker", BREAD), ("gazer", STARS))
        for number, text in enumerate(texts)
        if (name := f"{person}-{number}") in queries
    )
    assert "in 1 of 6 (16.7%)" in said
    run = last_done_run(undisturbed, "teacher judge")
    assert run is not None
    assert run.rows["queries judged"] == 8
    assert run.rows["judgements"] == len(rows)


def test_another_encoder_or_prompt_judges_anew_and_nothing_of_before_stays(lake: LakeConfig) -> None:
    write_lake(lake)
    judge_items(lake, CONFIG, starting(OverlapJudge()))
    alone = CONFIG.model_copy(update={"judge": JUDGE.model_copy(update={"likelihood": None, "neighbours": 2, "levels": ("specific", "broad")})})
    said = judge_items(lake, alone, starting(OverlapJudge()))
    rows = written(lake, JUDGEMENTS)
    assert all(row["prompt_version"].startswith("relevance-") for row in rows)
    assert (
        max(
            sum(row["query_id"] == query_id and row["level"] == level for row in rows)
            for query_id in {row["query_id"] for row in rows}
            for level in ("specific", "broad")
        )
        <= 3
    )
    assert "broad: another item" in said
    more = alone.model_copy(update={"judge": alone.judge.model_copy(update={"units": 7})})
    before = {row["query_id"] for row in rows}
    judge_items(lake, more, starting(OverlapJudge()))
    assert len({row["query_id"] for row in written(lake, JUDGEMENTS)} - before) == 1, "more units are those before and one more"


def test_judging_needs_examples_items_and_the_encoder_that_is_named(lake: LakeConfig) -> None:
    write_lake(lake)
    with pytest.raises(EncoderError):
        judge_arguments(["--lake", lake.path])
    assert judge_arguments(["--lake", lake.path, "--set", "teacher.judge.encoder=all-MiniLM-L6-v2"]).section("teacher", TeacherConfig).judge.encoder


def test_an_item_id_is_that_of_the_table_of_items(lake: LakeConfig) -> None:
    write_lake(lake)
    judge_items(lake, CONFIG, starting(OverlapJudge()))
    assert {(row["item_id"], row["text"]) for row in written(lake, JUDGEMENTS)} <= {
        (label_item_id("specific", text), text) for texts in TOPICS.values() for text in texts
    }
