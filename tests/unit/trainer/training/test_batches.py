"""Examples -> batches."""

import numpy as np
import pyarrow as pa
import pytest

from conf.errors import ContractError
from lake.examples import EXAMPLES, KINDS
from lake.labels import ITEMS
from lake.schema import rows_table
from tests.planted_people import TOPICS, all_items, example, item, planted_examples, positive
from trainer.training.batches import EpochStream, TrainingSet, draw_positives, epoch_steps, part_of, training_set
from trainer.training.masks import NEGATIVE, POSITIVE, kinds_of, relation

F1, BREAD = TOPICS["Formula 1"], TOPICS["Bread"]


def made(rows: list, items: list | None = None, **settings: object) -> TrainingSet:
    wanted = {"periods": "past", "min_people": 1} | settings
    return training_set(rows_table(EXAMPLES, rows), rows_table(ITEMS, all_items() if items is None else items), **wanted)  # type: ignore[arg-type]


def batches(training: TrainingSet, epoch: int = 0, seed: int = 1) -> list:
    stream = EpochStream(training, people_per_batch=4, answers_per_query=4, seed=seed, epochs=epoch + 1)
    return [batch for batch, _ in stream.batches({"epoch": epoch, "step": 0})]


def test_each_person_comes_once_an_epoch_in_batches_of_nearly_equal_size() -> None:
    found = batches(made(planted_examples(10, 0)))
    assert sorted(len(batch.histories) for batch in found) == [5, 5]
    assert len({history[0]["unit_id"] for batch in found for history in batch.histories}) == 10


def test_a_batch_depends_on_seed_and_epoch_alone() -> None:
    rows = planted_examples(12, 0)
    one, two = batches(made(rows)), batches(made(rows[::-1]))
    assert [batch.histories for batch in one] == [batch.histories for batch in two]
    assert all(np.array_equal(a.answers, b.answers) and a.texts == b.texts for a, b in zip(one, two, strict=True))
    assert [batch.histories for batch in one] != [batch.histories for batch in batches(made(rows), epoch=1)]


def test_what_follows_a_position_is_what_followed_it() -> None:
    stream = EpochStream(made(planted_examples(10, 0)), people_per_batch=4, answers_per_query=4, seed=1, epochs=3)
    whole = list(stream.batches({}))
    assert len(whole) == stream.steps == 6
    for taken, (_, position) in enumerate(whole, 1):
        assert [batch.histories for batch, _ in stream.batches(position)] == [batch.histories for batch, _ in whole[taken:]]


def test_processes_have_the_queries_and_answers_of_the_batch_between_them() -> None:
    training = made(planted_examples(10, 0))
    for (whole, _), *parts in zip(*(EpochStream(training, 4, 4, 1, 1, n, processes).batches({}) for n, processes in ((0, 1), (0, 2), (1, 2))), strict=True):
        assert sorted(len(part.histories) for part, _ in parts) == [2, 3]
        assert np.array_equal(np.unique(np.concatenate([part.answers for part, _ in parts])), whole.answers)
        words = dict(zip(whole.answers.tolist(), whole.texts, strict=True))
        for part, _ in parts:
            assert part.texts == [words[answer] for answer in part.answers.tolist()]
            assert np.array_equal(np.unique(np.concatenate(part.positives)), part.answers)
    assert len(part_of(whole, []).histories) == len(part_of(whole, []).answers) == 0


def test_the_history_ends_at_the_cut() -> None:
    (batch,) = batches(made([example("p", [(text, "Bread") for text in BREAD], past=2)]))
    assert [unit["unit_id"] for unit in batch.histories[0]] == ["p-0", "p-1"]


def test_answers_are_distinct_and_related_to_everybody() -> None:
    rows = [example("a", [(F1[0], "Formula 1"), (F1[1], "Formula 1")], 1), example("b", [(F1[0], "Formula 1"), (BREAD[0], "Bread")], 1)]
    training = made(rows)
    (batch,) = batches(training)
    texts, related = batch.texts, relation(batch.positives, batch.done, batch.answers).dense()
    assert sorted(texts) == sorted({F1[0], F1[1], "Formula 1", BREAD[0], "Bread"})
    assert [KINDS[kind] for kind in kinds_of(batch.answers)] == ["broad" if text in TOPICS else "specific" for text in texts]
    who = [history[0]["unit_id"][0] for history in batch.histories]
    of_a = dict(zip(texts, related[who.index("a")].tolist(), strict=True))
    of_b = dict(zip(texts, related[who.index("b")].tolist(), strict=True))
    assert of_a == {F1[0]: POSITIVE, F1[1]: POSITIVE, "Formula 1": POSITIVE, BREAD[0]: NEGATIVE, "Bread": NEGATIVE}
    assert of_b == {F1[0]: POSITIVE, F1[1]: NEGATIVE, "Formula 1": POSITIVE, BREAD[0]: POSITIVE, "Bread": POSITIVE}


def test_positives_are_drawn_in_turns_from_both_levels_inside_and_after() -> None:
    positives = [
        positive(text, level, where)
        for level, texts in (("specific", F1), ("broad", list(TOPICS)))
        for where, part in (("inside", texts[:2]), ("after", texts[2:4]))
        for text in part
    ]
    drawn = draw_positives(positives, 4, np.random.default_rng(0))
    kinds = {each["item_id"]: (each["level"], each["where"]) for each in positives}
    assert len({kinds[each] for each in drawn}) == 4
    assert len(draw_positives(positives, 99, np.random.default_rng(0))) == len(positives)
    assert draw_positives([positive("Bread", "broad", "inside"), positive("Bread", "broad", "after")], 4, np.random.default_rng(0)) == [
        positive("Bread", "broad", "after")["item_id"]
    ]


def test_cuts_of_the_future_period_are_left_out_unless_too_few_people_remain(caplog: pytest.LogCaptureFixture) -> None:
    rows = [example(f"p{n}", [(F1[0], "Formula 1"), (F1[1], "Formula 1")], 1, period="past" if n < 2 else "future") for n in range(4)]
    assert len(made(rows, min_people=2)) == 2
    assert not caplog.records
    assert len(made(rows, min_people=3)) == 4
    assert "both periods" in caplog.text
    assert len(made(rows, periods="all")) == 4


def test_shuffled_labels_are_another_persons_and_everybody_gives_theirs_once() -> None:
    rows = planted_examples(9, 0)
    training = made(rows, donor_seed=5)
    assert sorted(training.donors) == list(range(9))
    assert all(training.donors != np.arange(9))
    assert np.array_equal(made(rows).donors, np.arange(9))


def test_columns_beyond_two_gigabytes_are_read_chunk_by_chunk() -> None:
    """The same 24 MB a hundred times over, without a copy: joined into one array, texts could not be counted by 32 bits."""
    row = example("p", [(F1[0], "Formula 1"), (F1[1], "Formula 1")], 1)
    row["labelled"] = [unit | {"unit_id": "x" * 12_000_000} for unit in row["labelled"]]
    row["cuts"][0]["positives"] = [each | {"unit_id": "x" * 6_000_000} for each in row["cuts"][0]["positives"]]
    people = rows_table(EXAMPLES, [row])
    training = training_set(pa.concat_tables([people] * 100), rows_table(ITEMS, all_items()), "past", 1)
    assert len(training) == 100
    assert [found.tolist() for found in training.done] == [training.done[0].tolist()] * 100
    assert len(training.done[0]) == 3


def test_nobody_to_train_on_makes_an_empty_set_without_steps() -> None:
    training = made([])
    assert len(training) == 0
    assert epoch_steps(0, 24) == 0
    without_labels = example("p", [(F1[0], "Formula 1")], 1) | {"labelled": []}
    without_labels["cuts"][0]["positives"] = []
    assert len(made([without_labels])) == 0


def test_an_item_that_is_not_there_is_named_as_a_broken_contract() -> None:
    with pytest.raises(ContractError, match="kindred teacher items"):
        made([example("p", [(F1[0], "Formula 1")], 1)], items=[item("broad", "Formula 1")])
