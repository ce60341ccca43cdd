"""Who is it, on made-up people: what each row finds, among whom, and who is not asked."""

from itertools import chain
from typing import Any

import numpy as np
import pytest

from tests.counting_encoder import CountingEncoder
from tests.planted_people import history_unit
from trainer.config import EvaluationConfig
from trainer.evaluation import identity
from trainer.evaluation.halves import Person
from trainer.evaluation.history_vectors import COMMUNITIES, UNIT_MEANS, WORDS
from trainer.evaluation.identity import chance_reciprocal_rank, who_is_it
from trainer.evaluation.metrics import Ranks
from trainer.evaluation.numbers import DIFFERENCE
from trainer.evaluation.user_user import Identity

SETTINGS = EvaluationConfig(bootstrap_samples=50, min_half_units=4, episode_units=4, episode_tokens=8)
GOOD, POOR = CountingEncoder(), CountingEncoder(size=8)
STYLES = [f"style{number}" for number in range(40)]


def person(number: int, places: list[str], words: str, is_asked: bool = True, platform: str = "reddit") -> Person:
    """A unit a day, one in each of the places, each with the same words."""
    units = [history_unit(f"{number}-{day}", day, words, place) | {"platform": platform} for day, place in enumerate(places)]
    return Person(f"person{number:02}", is_asked, units)


def own_way(number: int, random: np.random.Generator) -> Person:
    """Somebody with a word of their own, who keeps to four of thirty places."""
    places = [f"place{place}" for place in random.choice(30, 4, replace=False)]
    return person(number, places * 4, f"I say {STYLES[number]} again")


def moving(number: int, random: np.random.Generator) -> Person:
    """Somebody with a word of their own, who goes from two places to two others of twelve."""
    places = [f"place{place}" for place in random.choice(12, 4, replace=False)]
    return person(number, places[:2] * 4 + places[2:] * 4, f"I say {STYLES[number]} again")


def asked(people: list[Person], **settings: Any) -> list[Identity]:
    return who_is_it(lambda: iter(people), GOOD, POOR, SETTINGS.model_copy(update=settings))


def found(result: list[Identity], halves: str, read: str = "full", among: str = "everybody") -> Identity:
    return next(one for one in result if (one.halves, one.read, one.among) == (halves, read, among))


def test_places_find_everybody_by_halves_in_time_and_nobody_by_disjoint_communities() -> None:
    """And a style finds them both times."""
    random = np.random.default_rng(0)
    stays = asked([own_way(number, random) for number in range(40)])
    for read in ("full", "episodes"):
        assert found(stays, "time", read).score(COMMUNITIES, "recall_at_1").mean > 0.9
    moves = asked([moving(number, random) for number in range(40)])
    chance_at_1 = 1 / 40
    for read in ("full", "episodes"):
        for among in ("everybody", "same communities"):
            disjoint = found(moves, "communities", read, among)
            assert disjoint.people == 40
            assert disjoint.score("tuned", "recall_at_1").mean == 1
        everybody = found(moves, "communities", read)
        assert everybody.score(COMMUNITIES, "recall_at_1").mean <= chance_at_1
        assert everybody.chance_mrr == pytest.approx((1 / np.arange(1, 41)).mean())
        for among in ("everybody", "same communities"):
            disjoint = found(moves, "communities", read, among)
            assert disjoint.score(COMMUNITIES, "mrr").mean <= disjoint.chance_mrr


def test_people_without_a_style_are_found_by_no_row_where_places_do_not_help() -> None:
    random = np.random.default_rng(1)
    alike = [person(number, [f"place{place}" for place in random.choice(12, 4, replace=False).repeat(4)], "I say so again") for number in range(40)]
    for one in asked(alike):
        if one.halves == "communities" and one.read == "episodes":
            for scorer in ("tuned", "base", WORDS, UNIT_MEANS):
                assert one.score(scorer, "mrr").mean == pytest.approx(one.chance_mrr), "all tie"


def test_metrics_by_hand_nine_ranks_among_them() -> None:
    ranks, of_base = (Ranks(np.array(each) - 1, np.ones(6)) for each in ([1, 8, 9, 64, 65, np.nan], [2, 8, 10, 64, 1, np.nan]))
    config = SETTINGS.model_copy(update={"bootstrap_samples": 2})
    scores = {(one.scorer, one.metric): one for one in identity._scores({"tuned": ranks, "base": of_base}, config)}
    means = {metric: scores["tuned", metric].mean for metric in ("recall_at_1", "recall_at_8", "recall_at_8_nine_ranks", "recall_at_64", "mrr")}
    assert list(means.values()) == pytest.approx([0.2, 0.4, 0.6, 0.8, (1 + 1 / 8 + 1 / 9 + 1 / 64 + 1 / 65) / 5])
    assert scores[DIFFERENCE, "recall_at_1"].mean == pytest.approx(0)
    assert scores[DIFFERENCE, "recall_at_8_nine_ranks"].mean == pytest.approx(0)
    assert {one.people for one in scores.values()} == {5}


def test_ranks_equal_a_slow_version_whatever_is_scored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    people = [
        person(number, [f"place{place}" for place in random.choice(6, 12)], " ".join(random.choice(STYLES[:6], 3)), is_asked=number % 3 > 0)
        for number in range(12)
    ]
    random.shuffle(people)
    whole = asked(people)
    monkeypatch.setattr(identity, "BLOCK_SCORES", 25)
    assert asked(people) == whole
    seconds = {one.person_id: one.history[6:] for one in people}
    places = {name: {unit["community"] for unit in half} for name, half in seconds.items()}
    vector = {name: GOOD.encode_texts([GOOD.history_text(half)[0]], "query")[0] for name, half in seconds.items()}
    for among in ("everybody", "same communities"):
        reciprocal = []
        for one in (one for one in people if one.is_asked):
            query = GOOD.encode_texts([GOOD.history_text(one.history[:6])[0]], "query")[0]
            others = [name for name in seconds if name != one.person_id and (among == "everybody" or places[name] & places[one.person_id])]
            right = query @ vector[one.person_id]
            above = sum(query @ vector[name] > right + 1e-6 for name in others)
            level = sum(abs(query @ vector[name] - right) < 1e-6 for name in others)
            reciprocal.append(np.mean([1 / (above + place) for place in range(1, level + 2)]))
        assert found(whole, "time", among=among).score("tuned", "mrr").mean == pytest.approx(np.mean(reciprocal), rel=1e-6)


def test_who_has_too_little_is_not_asked_and_is_said() -> None:
    long = [person(number, [f"place{number}"] * 20, STYLES[number]) for number in range(3)]
    short = [person(3, ["place0"] * 6, "a"), person(4, ["place0"] * 12, "b"), person(5, ["place0"] * 6, "c", is_asked=False)]
    result = asked([*long, *short], min_half_units=4, episode_units=7)
    assert (found(result, "time").people, found(result, "time").candidates) == (4, 4)
    assert found(result, "time").left_out == {"fewer than 4 units in one of the halves": 1}
    assert found(result, "time", "episodes").left_out == {"fewer than 7 units in one of the halves": 2}
    assert found(result, "communities").people == 0
    assert found(result, "communities").scores == []
    assert found(result, "communities").left_out == {"fewer than 4 units in one of the halves": 5}
    near = found(result, "time", among="same communities")
    assert (near.people, near.candidates) == (2, 2), "two are at place 0"
    assert near.left_out["nobody else's second half shares a community with theirs"] == 2


def test_who_is_the_only_one_is_not_asked_and_is_said() -> None:
    one = found(asked([person(0, ["talk"] * 12, "a")]), "time")
    assert (one.people, one.candidates, one.left_out, one.scores) == (0, 0, {"nobody else has a second half": 1}, [])


def test_others_are_candidates_and_are_not_asked() -> None:
    people = [person(number, ["talk"] * 12, "all the same", is_asked=number < 2) for number in range(6)]
    one = found(asked(people), "time")
    assert (one.people, one.candidates) == (2, 6)
    assert one.score("tuned", "mrr").mean == pytest.approx(one.chance_mrr), "all tie"


def test_chance_is_the_mean_of_all_reciprocal_ranks() -> None:
    assert chance_reciprocal_rank(np.array([1.0, 2, 4])) == pytest.approx([1, 3 / 4, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4])


def test_of_nobody_nothing_is_found() -> None:
    for one in asked([]):
        assert np.isnan(one.chance_mrr)
        assert (one.people, one.candidates, one.left_out, one.scores) == (0, 0, {}, [])


def test_a_fixed_budget_is_a_fixed_budget() -> None:
    encoder = CountingEncoder()
    people = [person(number, ["talk"] * 40, " ".join(f"w{word}" for word in range(50))) for number in range(3)]
    who_is_it(lambda: iter(people), encoder, encoder, SETTINGS.model_copy(update={"episode_units": 3, "episode_tokens": 5}))
    shown = [text for text in encoder.texts if "talk" not in text and "\n" in text]
    assert len(shown) == 6, "an encoder that is its own base reads once"
    assert set(shown) == {"\n".join(["reddit | w0 w1 w2 w3 w4"] * 3)}


def test_who_reads_labels_alone_is_asked_at_full_length_where_there_are_labels() -> None:
    reads_labels = CountingEncoder(query_format="labels")
    people = [person(number, ["talk"] * 12, "a") for number in range(3)]
    for unit in chain.from_iterable(one.history for one in people[:2]):
        unit["label"] = {"specific": "s", "broad": "b"}  # type: ignore[index]
    result = who_is_it(lambda: iter(people), reads_labels, reads_labels, SETTINGS)
    assert {one.read for one in result} == {"full"}
    assert found(result, "time").people == 2
    assert found(result, "time").left_out == {"no label to read in one of the halves": 1}
