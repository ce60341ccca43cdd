"""Examples -> batches."""

import numpy as np
import pyarrow as pa
import pytest

from conf.errors import ContractError
from lake.examples import EXAMPLES
from lake.labels import ITEMS, LEVELS
from lake.schema import rows_table
from tests.planted_people import TOPICS, all_items, example, item, planted_examples, positive
from trainer.training.batches import TrainingSet, draw_positives, epoch_batches, epoch_steps, training_set
from trainer.training.masks import NEGATIVE, POSITIVE

F1, BREAD = TOPICS["Formula 1"], TOPICS["Bread"]


def made(rows: list, items: list | None = None, **settings: object) -> TrainingSet:
    wanted = {"periods": "past", "min_people": 1} | settings
    return training_set(rows_table(EXAMPLES, rows), rows_table(ITEMS, all_items() if items is None else items), **wanted)  # type: ignore[arg-type]


def batches(training: TrainingSet, epoch: int = 0, seed: int = 1) -> list:
    return list(epoch_batches(training, people_per_batch=4, answers_per_query=4, seed=seed, epoch=epoch))


def test_each_person_comes_once_an_epoch_in_batches_of_nearly_equal_size() -> None:
    found = batches(made(planted_examples(10, 0)))
    assert sorted(len(batch.histories) for batch in found) == [5, 5]
    assert len({history[0]["unit_id"] for batch in found for history in batch.histories}) == 10


def test_a_batch_depends_on_seed_and_epoch_alone() -> None:
    rows = planted_examples(12, 0)
    one, two = batches(made(rows)), batches(made(rows[::-1]))
    assert [batch.histories for batch in one] == [batch.histories for batch in two]
    assert all(np.array_equal(a.relation, b.relation) and np.array_equal(a.answers, b.answers) for a, b in zip(one, two, strict=True))
    assert [batch.histories for batch in one] != [batch.histories for batch in batches(made(rows), epoch=1)]


def test_the_history_ends_at_the_cut() -> None:
    (batch,) = batches(made([example("p", [(text, "Bread") for text in BREAD], past=2)]))
    assert [unit["unit_id"] for unit in batch.histories[0]] == ["p-0", "p-1"]


def test_answers_are_distinct_and_related_to_everybody() -> None:
    rows = [example("a", [(F1[0], "Formula 1"), (F1[1], "Formula 1")], 1), example("b", [(F1[0], "Formula 1"), (BREAD[0], "Bread")], 1)]
    training = made(rows)
    (batch,) = batches(training)
    texts = [training.answers.texts[number] for number in batch.answers]
    assert sorted(texts) == sorted({F1[0], F1[1], "Formula 1", BREAD[0], "Bread"})
    assert [LEVELS[level] for level in batch.levels] == ["broad" if text in TOPICS else "specific" for text in texts]
    who = [history[0]["unit_id"][0] for history in batch.histories]
    of_a = dict(zip(texts, batch.relation[who.index("a")].tolist(), strict=True))
    of_b = dict(zip(texts, batch.relation[who.index("b")].tolist(), strict=True))
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
