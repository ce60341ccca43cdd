"""Who is alike, on made-up people: likeness that knows where people go next, likeness that knows only how much they do, and who is not compared."""

from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.counting_encoder import CountingEncoder
from tests.planted_people import START, history_unit
from trainer.config import EvaluationConfig
from trainer.evaluation.alike import NO_SPLIT, Future, activity_of_pairs, overlap, time_split, who_is_alike
from trainer.evaluation.halves import Person
from trainer.evaluation.history_vectors import COMMUNITIES, WORDS
from trainer.evaluation.numbers import DIFFERENCE
from trainer.evaluation.user_user import Likeness

SETTINGS = EvaluationConfig(min_half_units=3)
GOOD, POOR = CountingEncoder(), CountingEncoder(size=3)
AT = START + timedelta(days=100)


def person(name: str, past: list[str], after: list[str], words: str = "words", labels: list[str] | None = None) -> Person:
    """Units up to the day before AT, then from AT on, in these communities."""
    days = [*range(100 - len(past), 100), *range(100, 100 + len(after))]
    units = [history_unit(f"{name}-{day}", day, words, place) for day, place in zip(days, [*past, *after], strict=True)]
    return Person(name, True, units, {unit["unit_id"]: label for unit, label in zip(units[len(past) :], labels or [], strict=False)})


def with_tastes(people: int, random: np.random.Generator) -> list[Person]:
    """Everybody has a taste, in words and labels, that decides where they go next, and nothing about where they were."""
    found = []
    for number in range(people):
        taste, past, after = random.integers(0, 4), random.integers(3, 30), random.integers(3, 30)
        places = [f"place{4 * taste + place}" for place in random.integers(0, 4, after)]
        found.append(person(f"p{number:03}", [f"old{place}" for place in random.integers(0, 5, past)], places, f"taste{taste} x{number}", [f"label{taste}"]))
    return found


def asked(people: list[Person], tuned: CountingEncoder = GOOD, base: CountingEncoder = POOR, **settings: Any) -> Likeness:
    return who_is_alike(people, AT, tuned, base, SETTINGS.model_copy(update=settings))


def test_who_reads_tastes_knows_who_will_be_alike_and_who_looks_at_places_does_not() -> None:
    found = asked(with_tastes(40, np.random.default_rng(0)))
    assert (found.people, found.pairs, found.labelled_people, found.at) == (40, 780, 40, AT)
    for metric in ("spearman_communities", "partial_spearman_communities", "spearman_labels", "partial_spearman_labels"):
        for scorer in ("tuned", WORDS):
            assert found.score(scorer, metric).mean > 0.5
        assert abs(found.score(COMMUNITIES, metric).mean) < 0.1
        ahead = found.score(DIFFERENCE, metric)
        assert ahead.mean == pytest.approx(found.score("tuned", metric).mean - found.score("base", metric).mean)
        assert ahead.low < ahead.mean < ahead.high


def test_likeness_that_is_activity_alone_is_gone_where_activity_is_held_fixed() -> None:
    """People who do much are in more places, and the less of their texts is something of their own."""
    random = np.random.default_rng(1)
    people = []
    for number in range(60):
        units = int(np.exp(random.uniform(np.log(3), np.log(60))))
        words = "talk " * units + f"own{number} " * 10
        people.append(person(f"p{number:03}", ["old"] * units, [f"place{place}" for place in random.integers(0, 20, units)], words))
    found = asked(people, tuned=CountingEncoder(max_tokens=10**6))
    assert found.score("tuned", "spearman_communities").mean > 0.5
    assert abs(found.score("tuned", "partial_spearman_communities").mean) < 0.1
    assert found.score("tuned", "partial_spearman_communities").low < 0.02


def test_spearman_is_scipy_s_over_all_pairs() -> None:
    people = with_tastes(12, np.random.default_rng(2))
    vectors = POOR.encode_texts([POOR.history_text([unit for unit in one.history if unit["created_at"] < AT])[0] for one in people], "query")
    places = sorted({unit["community"] for one in people for unit in one.history})
    after = np.array([[sum(unit["community"] == place and unit["created_at"] >= AT for unit in one.history) for place in places] for one in people])
    damped = np.log1p(after) / np.linalg.norm(np.log1p(after), axis=1, keepdims=True)
    pairs = [(i, j) for i in range(12) for j in range(i)]
    expected = spearmanr([round(float(vectors[i] @ vectors[j]), 5) for i, j in pairs], [round(float(damped[i] @ damped[j]), 5) for i, j in pairs]).statistic
    assert asked(people).score("base", "spearman_communities").mean == pytest.approx(expected, abs=1e-6)


def test_people_without_enough_on_both_sides_are_left_out_and_said() -> None:
    people = [*with_tastes(5, np.random.default_rng(3)), person("early", ["a"] * 9, ["a"] * 2), person("late", ["a"] * 2, ["a"] * 9)]
    others = [Person(f"other{one.person_id}", False, one.history) for one in people]
    found = asked([*people, *others])
    assert (found.people, found.left_out) == (5, {"fewer than 3 units before or after that moment": 2})
    unknown = who_is_alike(people, None, GOOD, POOR, SETTINGS)
    assert (unknown.people, unknown.pairs, unknown.left_out, unknown.scores) == (0, 0, {NO_SPLIT: 7}, [])
    reads_labels = CountingEncoder(query_format="labels")
    assert asked(people[:5], reads_labels, reads_labels).left_out == {"no label to read before that moment": 5}


def test_order_of_people_is_nothing_and_an_encoder_that_is_its_base_is_not_ahead() -> None:
    people = with_tastes(24, np.random.default_rng(4))
    assert asked(people[::-1]) == asked(people)
    same = asked(people, GOOD, GOOD).score(DIFFERENCE, "partial_spearman_communities")
    assert (same.low, same.mean, same.high) == (0, 0, 0)


def test_where_nobody_has_a_label_or_a_community_or_somebody_to_be_compared_with_nothing_is_known() -> None:
    people = [Person(one.person_id, True, one.history) for one in with_tastes(6, np.random.default_rng(5))]
    found = asked(people)
    assert found.labelled_people == 0
    assert np.isnan(found.score("tuned", "spearman_labels").mean)
    assert found.score("tuned", "spearman_communities").people == 6
    nowhere = [Person(one.person_id, True, [{**unit, "community": None} for unit in one.history]) for one in people]
    assert np.isnan(asked(nowhere).score("tuned", "spearman_communities").mean)
    assert asked(people[:1]).scores == []
    two = asked(people[:2]).score("tuned", "spearman_communities")
    assert np.isnan([two.mean, two.low]).all()


def test_overlap_is_the_cosine_of_damped_counts() -> None:
    found = overlap([Counter(a=1, b=3), Counter(a=1), Counter(c=9)])
    a, b = np.log(2), np.log(4)
    assert found == pytest.approx(np.array([[1, a / np.hypot(a, b), 0], [a / np.hypot(a, b), 1, 0], [0, 0, 1]]), abs=1e-6)


def test_activity_of_pairs_is_sum_and_product_before_and_after() -> None:
    futures = [Future(past, Counter(), Counter()) for past in (3, 7)]
    past_sum, past_product, after_sum, after_product = activity_of_pairs(futures, [Counter(a=1), Counter(a=2, b=1)])
    assert past_sum[0, 1] == pytest.approx(np.log(4) + np.log(8))
    assert past_product[0, 1] == pytest.approx(np.log(4) * np.log(8))
    assert after_sum[0, 1] == pytest.approx(np.log(2) + np.log(4))
    assert after_product[0, 1] == pytest.approx(np.log(2) * np.log(4))


def test_the_time_split_is_the_first_last_answer_of_a_cut_of_the_future_period() -> None:
    history = [history_unit(f"u{day}", day, "words") for day in range(20)]

    def cut(period: str, labels: list[int], entered: list[int], acted_on: list[int] | None = None) -> dict[str, Any]:
        positives = [{"unit_id": f"u{day}", "where": "after"} for day in labels] + [{"unit_id": "u19", "where": "inside"}]
        return {"period": period, "positives": positives, "entered": entered, "acted_on": acted_on}

    cuts = [cut("past", [3], [4]), cut("future", [10, 12], [11], None), cut("future", [], [9], [14, 15]), cut("future", [16], [])]
    assert time_split([{"history": history, "cuts": cuts}]) == START + timedelta(days=12)
    assert time_split([{"history": history, "cuts": cuts[:1]}]) is None
    assert time_split([]) is None
