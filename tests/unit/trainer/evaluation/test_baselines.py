"""Questions, baselines and the personal AUC on a small invented world."""

from typing import Any

import numpy as np
import pytest

from trainer.evaluation import metrics
from trainer.evaluation.baselines import label_counts, most_popular, newest_labels, own_repeats
from trainer.evaluation.halves import halves_of, split_halves
from trainer.evaluation.questions import Questions, questions_of
from trainer.evaluation.scores import Scorer, query_values, vector_scorer

ITEMS = [{"item_id": f"s{number}", "level": "specific", "text": f"label {number}"} for number in range(6)]
ITEMS += [{"item_id": f"b{number}", "level": "broad", "text": f"field {number}"} for number in range(2)]
ITEMS += [{"item_id": "app", "level": None, "text": "an app's own"}]


def positives(*numbers: int, where: str = "after", new: bool = True) -> list[dict[str, Any]]:
    return [
        {"item_id": f"{level[0]}{number if level == 'specific' else number % 2}", "level": level, "unit_id": "u", "where": where, "new_thread": new}
        for number in numbers
        for level in ("specific", "broad")
    ]


def cut(*found: list[dict[str, Any]], length: int = 2) -> dict[str, Any]:
    return {"history_length": length, "positives": [positive for part in found for positive in part], "period": "past"}


def questions(*people: list[dict[str, Any]]) -> Questions:
    history = [{"unit_id": f"u{number}"} for number in range(9)]
    return questions_of([{"person_id": f"p{number}", "history": history, "cuts": cuts} for number, cuts in enumerate(people)], ITEMS)


def personal_auc(asked: Questions, scorer: Scorer, futures: str = "all") -> np.ndarray:
    values = query_values(asked, scorer)["specific", futures, "personal_auc"]  # type: ignore[index]
    return metrics.person_means(values, asked.person, asked.people)


def test_questions_keep_repeats_order_and_new_threads_apart() -> None:
    asked = questions([cut(positives(4, 0, 4, where="inside", new=False), positives(1, 1, new=False), positives(2), length=3)])
    answers = asked.levels["specific"]
    assert answers.pasts[0].tolist() == [4, 0, 4]
    assert answers.futures["all"][0].tolist() == [1, 1, 2]
    assert answers.futures["new"][0].tolist() == [2]
    assert answers.item_ids == [f"s{number}" for number in range(6)]
    assert answers.asked_items().tolist() == [1, 2]
    assert len(asked.histories[0]) == 3


def test_personal_auc_draws_another_person_then_a_cut_then_a_label() -> None:
    asked = questions([cut(positives(0))], [cut(positives(1)), cut(positives(2, 3))], [cut(positives(4))])
    # person 0 asks: s1 at 1/2, s2 and s3 at 1/4 each from person 1, s4 at 1 from person 2; of total weight 2
    scores = np.tile(np.array([5.0, 9, 1, 1, 5, 0]), (4, 1))
    values = query_values(asked, lambda level, block: scores[block] if level == "specific" else np.zeros((4, 2))[block])
    assert values["specific", "all", "personal_auc"][0] == pytest.approx((0.5 * 0 + 0.25 + 0.25 + 1 * 0.5) / 2)


def test_personal_auc_equals_a_slow_version_on_random_people() -> None:
    random = np.random.default_rng(5)
    people = [[cut(positives(*random.integers(0, 6, random.integers(1, 5)))) for _ in range(random.integers(1, 4))] for _ in range(5)]
    asked = questions(*people)
    scores = random.integers(0, 4, (len(asked.histories), 6)).astype(float)
    values = query_values(asked, lambda level, block: scores[block] if level == "specific" else np.zeros((len(scores), 2))[block])
    futures, cuts_of = asked.levels["specific"].futures["all"], [np.flatnonzero(asked.person == person) for person in range(5)]
    for query, found in enumerate(values["specific", "all", "personal_auc"]):
        won = []
        for other in set(range(5)) - {asked.person[query]}:
            mine = scores[query][futures[query]]
            of_cuts = [scores[query][futures[cut_number]] for cut_number in cuts_of[other]]
            won.append(np.mean([np.mean([(a > b) + 0.5 * (a == b) for a in mine for b in theirs]) for theirs in of_cuts]))
        assert found == pytest.approx(np.mean(won))


def test_a_list_that_is_the_same_for_all_gets_exactly_a_half() -> None:
    asked = questions(*[[cut(positives(0, 0, number % 6)), cut(positives(number % 3))] for number in range(7)])
    popularity = {"specific": np.array([9.0, 5, 4, 3, 2, 1]), "broad": np.array([2.0, 1])}
    assert personal_auc(asked, most_popular(popularity)).mean() == pytest.approx(0.5)  # type: ignore[arg-type]
    assert personal_auc(asked, most_popular(popularity)).max() > 0.5  # type: ignore[arg-type]


def test_cuts_that_are_not_chosen_are_neither_asked_nor_drawn_from() -> None:
    asked = questions([cut(positives(0)), cut(positives(5))], [cut(positives(1)), cut(positives(2))])
    scores = np.tile(np.array([2.0, 1, 9, 0, 0, 0]), (4, 1))
    values = query_values(
        asked,
        lambda level, block: scores[block] if level == "specific" else np.zeros((4, 2))[block],
        chosen=np.array([True, False, True, False]),
    )["specific", "all", "personal_auc"]
    assert values[[0, 2]].tolist() == [1, 0]
    assert np.isnan(values[[1, 3]]).all()


def test_knowing_the_person_gives_one_and_one_person_alone_gives_nothing() -> None:
    asked = questions([cut(positives(0))], [cut(positives(1))])
    vectors = {"specific": np.eye(6), "broad": np.zeros((2, 6))}
    assert personal_auc(asked, vector_scorer(np.eye(6)[[0, 1]], vectors)).tolist() == [1, 1]  # type: ignore[arg-type]
    assert np.isnan(personal_auc(questions([cut(positives(0))]), vector_scorer(np.eye(6)[[0]], vectors))).all()  # type: ignore[arg-type]


def test_new_futures_stand_against_new_futures_alone() -> None:
    asked = questions([cut(positives(0), positives(5, new=False))], [cut(positives(1), positives(4, new=False))])
    scores = np.tile(np.array([2.0, 1, 0, 0, 9, 0]), (2, 1))
    scorer: Scorer = lambda level, block: scores[block] if level == "specific" else np.zeros((2, 2))[block]  # noqa: E731
    assert personal_auc(asked, scorer, "new").tolist() == [1, 0]
    assert personal_auc(asked, scorer, "all")[0] == pytest.approx((1 + 0 + 0 + 0) / 4)


def test_recall_and_mrr_are_over_distinct_futures_among_all_items() -> None:
    asked = questions([cut(positives(1, 1, 2))])
    scores = np.array([[6.0, 5, 4, 3, 2, 1]])
    values = query_values(asked, lambda level, block: scores[block] if level == "specific" else np.zeros((1, 2))[block])
    assert values["specific", "all", "mrr"][0] == pytest.approx(1 / 2)
    assert values["specific", "all", "recall_at_10"][0] == 1


def test_popularity_counts_the_past_of_the_last_cut() -> None:
    asked = questions([cut(positives(0))])
    train = [[cut(positives(0, where="inside"), length=2), cut(positives(0, 3, 3, where="inside"), positives(5), length=4)]]
    assert label_counts(train, asked)["specific"].tolist() == [1, 0, 0, 2, 0, 0]


def test_own_repeats_come_first_and_popularity_orders_the_rest() -> None:
    asked = questions([cut(positives(2, 2, 4, where="inside"), positives(0))])
    scores = own_repeats(asked, {"specific": np.array([7.0, 9, 0, 1, 0, 0]), "broad": np.zeros(2)})("specific", slice(0, 1))[0]
    assert np.argsort(-scores, kind="stable").tolist() == [2, 4, 1, 0, 3, 5]


def test_newest_labels_are_averaged_and_a_past_without_labels_says_nothing() -> None:
    asked = questions([cut(positives(0, 1, 1, where="inside"), positives(2))], [cut(positives(2))])
    items = {"specific": np.eye(6), "broad": np.eye(2)}
    assert newest_labels(asked, items, 2)("specific", slice(0, 2)).tolist() == [[0, 1, 0, 0, 0, 0], [0] * 6]  # type: ignore[arg-type]
    assert newest_labels(asked, items, 50)("specific", slice(0, 1))[0] == pytest.approx([1 / 3, 2 / 3, 0, 0, 0, 0])  # type: ignore[arg-type]


def test_second_halves_keep_no_thread_of_the_first() -> None:
    history = [{"thread_id": thread} for thread in ("a", "b", "b", "c", None, "d")]
    first, second = halves_of(history, 2) or ((), ())
    assert [unit["thread_id"] for unit in first] == ["a", "b", "b"]
    assert [unit["thread_id"] for unit in second] == ["c", None, "d"]
    assert halves_of(history, 4) is None
    assert halves_of([{"thread_id": "a"}] * 10, 1) is None
    both = split_halves([history, history[:1]], [history], 2)
    assert (len(both.firsts), len(both.seconds), len(both.others)) == (1, 1, 1)
