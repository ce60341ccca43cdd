"""Questions, baselines, and who wins against whom, on a small invented world."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lake.examples import EXAMPLES
from lake.schema import rows_table
from tests.planted_people import all_items, example, positive, reader
from trainer.evaluation import metrics
from trainer.evaluation.baselines import decayed_labels, label_counts, most_popular, newest_labels, own_repeats, pasts_of, with_popularity
from trainer.evaluation.questions import Futures, Questions, people_to_ask, people_who_enter, questions_of, title_questions, with_labels
from trainer.evaluation.scores import Contest, Scorer, found_by, found_by_meaning, matched_contest, plain_contest, rank_metrics, targets_of, vector_scorer

ITEMS = [{"item_id": f"s{number}", "level": "specific", "text": f"label {number}"} for number in range(6)]
ITEMS += [{"item_id": f"b{number}", "level": "broad", "text": f"field {number}"} for number in range(2)]
ITEMS += [{"item_id": "app", "level": None, "text": "an app's own"}]
COMMUNITIES, DAYS = ("talk", "news", None), 100
START = datetime(2023, 1, 1, tzinfo=UTC)
HISTORY = [
    {"unit_id": f"{community} {day}", "platform": "test", "community": community, "created_at": START + timedelta(days=day)}
    for community in COMMUNITIES
    for day in range(DAYS)
]
"""Everybody's: a unit a day in each community."""


def positives(*numbers: int, where: str = "after", new: bool = True, at: str = "talk 0") -> list[dict[str, Any]]:
    return [
        {"item_id": f"{level[0]}{number if level == 'specific' else number % 2}", "level": level, "unit_id": at, "where": where, "new_thread": new}
        for number in numbers
        for level in ("specific", "broad")
    ]


def cut(*found: list[dict[str, Any]], length: int = 2) -> dict[str, Any]:
    return {"history_length": length, "positives": [positive for part in found for positive in part], "period": "past"}


def questions(*people: list[dict[str, Any]]) -> Questions:
    rows = [{"person_id": f"p{number}", "history": HISTORY, "cuts": cuts} for number, cuts in enumerate(people)]
    return questions_of(rows, pa.Table.from_pylist(ITEMS))


def everything(asked: Questions) -> np.ndarray:
    return np.ones(len(asked.person), bool)


def plain(asked: Questions, futures: Futures = "all", chosen: np.ndarray | None = None) -> Contest:
    return plain_contest(asked, "specific", futures, everything(asked) if chosen is None else chosen)


def wins(asked: Questions, scorer: Scorer, contest: Contest) -> np.ndarray:
    """Who wins against whom, of all people."""
    found = np.full((asked.people, asked.people), np.nan)
    found[np.ix_(contest.people, contest.people)] = found_by(asked, "specific", scorer, {"": contest}).wins[""]
    return found


def slow_wins(asked: Questions, scores: np.ndarray, days: float | None = None) -> np.ndarray:
    """The definition, pair of labels by pair of labels; days None: all labels meet."""
    labels, won = asked.levels["specific"].futures, np.full((asked.people, asked.people), np.nan)
    chance = [1 / (labels.query == query).sum() / len(set(labels.query[asked.person[labels.query] == asked.person[query]])) for query in labels.query]
    for asker in range(asked.people):
        for other in set(range(asked.people)) - {asker}:
            met = [
                (chance[a] * chance[b], scores[labels.query[a], labels.item[a]], scores[labels.query[a], labels.item[b]])
                for a in np.flatnonzero(asked.person[labels.query] == asker)
                for b in np.flatnonzero(asked.person[labels.query] == other)
                if days is None or abs(labels.place[a] - labels.place[b]) <= days * 86_400
            ]
            if met:
                won[asker, other] = sum(weight * ((a > b) + (a == b) / 2) for weight, a, b in met) / sum(weight for weight, _, _ in met)
    return won


def random_people(people: int, seed: int = 5) -> Questions:
    """People with one to three cuts of one to four labels each, done somewhere at some time."""
    random = np.random.default_rng(seed)

    def some_cut() -> dict[str, Any]:
        return cut(*(positives(random.integers(0, 6), at=random.choice([unit["unit_id"] for unit in HISTORY])) for _ in range(random.integers(1, 5))))

    return questions(*[[some_cut() for _ in range(random.integers(1, 4))] for _ in range(people)])


def test_questions_keep_repeats_order_and_new_threads_apart() -> None:
    asked = questions([cut(positives(4, 0, 4, where="inside", new=False), positives(1, 1, new=False), positives(2), length=3)])
    answers = asked.levels["specific"]
    assert answers.pasts[0].tolist() == [4, 0, 4]
    assert answers.futures.item.tolist() == [1, 1, 2]
    assert answers.futures.of("all").tolist() == [True, True, True]
    assert answers.futures.of("new").tolist() == [False, False, True]
    assert answers.item_ids == [f"s{number}" for number in range(6)]
    assert len(asked.histories[0]) == 3


def test_cuts_without_a_label_after_them_and_people_without_such_a_cut_are_left_out() -> None:
    nothing_after, unknown = cut(positives(1, where="inside")), cut([{**positives(0)[0], "item_id": "app"}])
    asked = questions([cut()], [nothing_after, cut(positives(2), length=4)], [unknown], [], [cut(positives(3))])
    assert asked.person_ids == ["p1", "p4"]
    assert asked.person.tolist() == [0, 1]
    assert [len(history) for history in asked.histories] == [4, 2]
    assert asked.levels["specific"].futures.query.tolist() == [0, 1]


def test_people_to_ask_have_a_label_among_the_items_after_a_cut() -> None:
    labels = [("Crust too pale", "Bread")] * 5
    people = [example(name, labels, 3) for name in ("e", "d", "c", "b", "a")]
    people[0]["cuts"] = []
    people[1]["cuts"][0]["positives"] = []
    people[2]["cuts"][0]["positives"] = [positive("Crust too pale", "specific", "inside")]
    people[3]["cuts"][0]["positives"] = [positive("No item at all", "specific", "after")]
    people.append(example("0", labels, 3) | {"cuts": [*people[1]["cuts"], *people[4]["cuts"]]})
    batches = rows_table(EXAMPLES, people).to_batches(max_chunksize=4)
    assert people_to_ask(batches, pa.Table.from_pylist(all_items())) == ["0", "a"]
    assert people_to_ask([batch.slice(1) for batch in batches], pa.Table.from_pylist(all_items())) == ["0"]


def test_cuts_are_asked_about_in_the_communities_that_are_named() -> None:
    labels = [("Crust too pale", "Bread")] * 5
    people = [example("a", labels, 3), example("b", labels, 3)]
    people[1]["cuts"][0]["community"] = "bakers"
    items = pa.Table.from_pylist(all_items())
    assert people_to_ask(rows_table(EXAMPLES, people).to_batches(), items, ["bakers", "nowhere"]) == ["b"]
    assert questions_of(people, items, ["bakers"]).person_ids == ["b"]
    assert questions_of(people, items).person_ids == ["a", "b"]


def test_titles_are_asked_about_of_all_who_enter_threads() -> None:
    people = [reader("a", ["Tea", "Rye", "rye ", "Spa"], 2), reader("b", ["Rye", "Tea", "Oven"], 2, community="bakers"), example("c", [("x", "y")] * 5, 3)]
    asked = title_questions(people)
    assert list(asked.levels) == ["title"]
    answers = asked.levels["title"]
    assert (asked.person_ids, answers.texts) == (["a", "b"], ["rye", "Spa", "Oven"])
    assert (answers.futures.query.tolist(), answers.futures.item.tolist()) == ([0, 0, 1], [0, 1, 2])
    assert not answers.futures.of("new").any()
    assert np.diff(answers.futures.place)[0] == 86_400
    batches = rows_table(EXAMPLES, people).to_batches()
    assert (people_who_enter(batches), people_who_enter(batches, ["bakers"])) == (["a", "b"], ["b"])
    assert title_questions(people, ["bakers"]).person_ids == ["b"]


def test_places_are_near_in_the_same_community_alone() -> None:
    asked = questions([cut(*(positives(0, at=at) for at in ("talk 3", "talk 4", "news 3", "None 3")))])
    place = asked.levels["specific"].futures.place
    assert place[1] - place[0] == 86_400
    assert np.diff(np.sort(place[[0, 2, 3]])).min() > 1e11


def test_personal_auc_draws_another_person_then_a_cut_then_a_label() -> None:
    asked = questions([cut(positives(0))], [cut(positives(1)), cut(positives(2, 3))], [cut(positives(4))])
    scores = np.tile(np.array([5.0, 9, 1, 1, 5, 0]), (4, 1))
    # against person 1: s1 at 1/2 wins, s2 and s3 at 1/4 each lose; against person 2: s4 ties
    assert wins(asked, lambda block: scores[block], plain(asked))[0, 1:].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("days", [None, 0.5, 20])
def test_wins_equal_a_slow_version_on_random_people(days: float | None) -> None:
    asked = random_people(7)
    scores = np.random.default_rng(6).integers(0, 4, (len(asked.histories), 6)).astype(float)
    contest = plain(asked) if days is None else matched_contest(asked, "specific", "all", everything(asked), days, 1)
    found, expected = wins(asked, lambda block: scores[block], contest), slow_wins(asked, scores, days)
    if days != 0.5:  # there, what is left out changes the chances of the rest
        assert found == pytest.approx(expected, nan_ok=True)
    assert (np.isnan(found) == np.isnan(expected)).all()
    assert np.isnan(expected).sum() > 7 or days is None


@pytest.mark.parametrize("min_others", [1, 4])
def test_a_list_that_is_the_same_for_all_gets_exactly_a_half_and_an_interval_of_no_width(min_others: int) -> None:
    asked = random_people(40)
    matched = matched_contest(asked, "specific", "all", everything(asked), 2, min_others)
    assert 0.2 < matched.share < 1
    for contest in (plain(asked), matched):
        found = wins(asked, most_popular(np.array([9.0, 5, 4, 3, 2, 1])), contest)
        estimate = metrics.pairs_mean(found, 0.9)
        assert np.nanstd(found) > 0.1
        assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-6)


def test_labels_meet_in_the_same_community_and_within_the_days_alone() -> None:
    asked = questions(
        [cut(positives(0, at="talk 10"))], [cut(positives(1, at="talk 15"), positives(2, at="talk 16"))], [cut(positives(3, at="news 10"))],
        [cut(positives(4, at="None 10"))], [cut(positives(5, at="None 12"))],
    )  # fmt: skip
    contest = matched_contest(asked, "specific", "all", everything(asked), 5, 1)
    found = wins(asked, most_popular(np.array([5.0, 1, 9, 0, 7, 8])), contest)
    assert [tuple(pair) for pair in np.argwhere(~np.isnan(found)).tolist()] == [(0, 1), (1, 0), (3, 4), (4, 3)]
    assert (found[0, 1], found[1, 0], found[3, 4], found[4, 3]) == (1, 0, 0, 1)
    assert contest.share == pytest.approx(4 / 6)


def test_a_label_without_enough_others_near_it_is_no_opponent_either() -> None:
    asked = questions(*[[cut(positives(0, at=f"talk {day}"))] for day in (0, 4, 8, 10, 11, 40)])
    # within 5 days: 0 meets 4; 4 meets 0, 8; 8 meets 4, 10, 11; so two others have 4 and 8 to 11, and without 0 the 4 has only one
    contest = matched_contest(asked, "specific", "all", everything(asked), 5, 2)
    assert contest.people.tolist() == [2, 3, 4]
    assert contest.mass.shape == (3, 3)
    assert contest.share == 0.5
    nobody = matched_contest(asked, "specific", "all", everything(asked), 5, 6)
    assert nobody.share == 0
    assert np.isnan(wins(asked, most_popular(np.zeros(6)), nobody)).all()


def test_cuts_that_are_not_chosen_are_neither_asked_nor_drawn_from() -> None:
    asked = questions([cut(positives(0)), cut(positives(5))], [cut(positives(1)), cut(positives(2))])
    scores = np.tile(np.array([2.0, 1, 9, 0, 0, 0]), (4, 1))
    found = wins(asked, lambda block: scores[block], plain(asked, chosen=np.array([True, False, True, False])))
    assert (found[0, 1], found[1, 0]) == (1, 0)


def test_knowing_the_person_gives_one_and_one_person_alone_gives_nothing() -> None:
    asked = questions([cut(positives(0))], [cut(positives(1))])
    found = wins(asked, vector_scorer(np.eye(6)[[0, 1]], np.eye(6)), plain(asked))
    assert (found[0, 1], found[1, 0]) == (1, 1)
    alone = questions([cut(positives(0))])
    assert np.isnan(wins(alone, vector_scorer(np.eye(6)[[0]], np.eye(6)), plain(alone))).all()
    nobody = questions()
    assert wins(nobody, vector_scorer(np.zeros((0, 6)), np.eye(6)), plain(nobody)).shape == (0, 0)


def test_new_futures_stand_against_new_futures_alone() -> None:
    asked = questions([cut(positives(0), positives(5, new=False))], [cut(positives(1), positives(4, new=False))])
    scores = np.tile(np.array([2.0, 1, 0, 0, 9, 0]), (2, 1))
    new = wins(asked, lambda block: scores[block], plain(asked, "new"))
    assert (new[0, 1], new[1, 0]) == (1, 0)
    assert wins(asked, lambda block: scores[block], plain(asked))[0, 1] == pytest.approx((1 + 0 + 0 + 0) / 4)


def test_scores_are_asked_for_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.evaluation.scores.BLOCK_SCORES", 13)
    asked, blocks = random_people(5), []

    def scorer(block: slice) -> np.ndarray:
        blocks.append((block.start, block.stop))
        return np.zeros((block.stop - block.start, 6))

    wins(asked, scorer, plain(asked))
    queries = len(asked.person)
    assert blocks == [(start, min(start + 2, queries)) for start in range(0, queries, 2)]


def test_rank_metrics_are_over_distinct_futures_among_all_items() -> None:
    asked = questions([cut(positives(1, 1, new=False), positives(2))], [cut(positives(3, new=False))])
    scores, targets = np.array([[6.0, 5, 4, 3, 2, 1]] * 2), targets_of(asked, "specific")
    found = found_by(asked, "specific", lambda block: scores[block], {}, targets)
    assert (targets.query.tolist(), targets.item.tolist(), found.ranks.means.tolist()) == ([0, 0, 1], [1, 2, 3], [2, 3, 4])
    every, new = (rank_metrics(found, targets, targets.of(futures)) for futures in ("all", "new"))
    assert every["mrr"].tolist() == pytest.approx([1 / 2, 1 / 4])
    assert new["mrr"].tolist() == pytest.approx([1 / 3, np.nan], nan_ok=True)
    assert (every["recall_at_10"].tolist(), every["recall_at_50"].tolist()) == ([1, 1], [1, 1])
    assert every["ndcg_at_10"][1] == pytest.approx(1 / np.log2(5))
    assert every["ndcg_at_10"][0] == pytest.approx((1 / np.log2(3) + 1 / np.log2(4)) / (1 + 1 / np.log2(3)))


def test_recall_looks_at_the_ten_and_at_the_fifty_best() -> None:
    asked = questions_of(
        [{"person_id": "p", "history": HISTORY, "cuts": [cut([{**positives(0)[0], "item_id": f"t{number}"} for number in (5, 30, 70)])]}],
        pa.Table.from_pylist([{"item_id": f"t{number}", "level": "specific", "text": str(number)} for number in range(100)]),
    )
    targets = targets_of(asked, "specific")
    found = found_by(asked, "specific", lambda block: -np.arange(100.0)[None], {}, targets)
    values = rank_metrics(found, targets, targets.of("all"))
    assert (values["recall_at_10"].tolist(), values["recall_at_50"].tolist()) == ([1 / 3], [2 / 3])


def test_an_item_is_found_by_meaning_when_one_of_the_ten_best_is_it_or_near_to_it() -> None:
    items = [{"item_id": f"t{number}", "level": "specific", "text": str(number)} for number in range(30)]
    after = [{**positives(0)[0], "item_id": f"t{number}"} for number in (3, 20, 21, 25)]
    asked = questions_of([{"person_id": "p", "history": HISTORY, "cuts": [cut(after)]}], pa.Table.from_pylist(items))
    targets, vectors = targets_of(asked, "specific"), np.eye(30)
    vectors[20], vectors[21], vectors[25] = 0.6 * vectors[0] + 0.8 * vectors[1], 0.6 * vectors[8] + 0.8 * vectors[29], 0.6 * vectors[28] + 0.8 * vectors[10]
    found = found_by(asked, "specific", lambda block: -np.arange(30.0)[None], {}, targets)
    assert found.best[0].tolist() == [*range(10), *[-1] * 9]
    # 3 is among the ten best; 20 is near to one of them at 0.8, 21 at 0.6 alone; 25 is near to the eleventh
    assert found_by_meaning(found, targets, vectors, 0.75).tolist() == [True, True, False, False]
    assert found_by_meaning(found, targets, vectors, 0.5).tolist() == [True, True, True, False]
    assert found_by_meaning(found, targets, np.zeros((30, 4)), 0.5).tolist() == [True, False, False, False]
    by_meaning = found_by_meaning(found, targets, vectors, 0.75)
    assert rank_metrics(found, targets, targets.of("all"), by_meaning)["recall_by_meaning_at_10"].tolist() == [1 / 2]
    assert rank_metrics(found, targets, targets.item > 20, by_meaning)["recall_by_meaning_at_10"].tolist() == [0]


def test_training_people_have_the_past_of_their_last_cut_in_time() -> None:
    asked = questions([cut(positives(0))])
    first = [cut(positives(0, where="inside"), length=2), cut(positives(3, 0, 3, where="inside"), positives(5), length=4)]
    first.append(cut(length=9))  # for titles alone
    unknown = [cut([{**positives(0, where="inside")[0], "item_id": "app"}])]
    pasts = pasts_of([first, unknown, [cut()], [cut(positives(2))]], asked)
    assert [past.tolist() for past in pasts["specific"]] == [[3, 0, 3]]
    assert [past.tolist() for past in pasts["broad"]] == [[1, 0, 1]]
    assert label_counts(pasts["specific"], 6).tolist() == [1, 0, 0, 2, 0, 0]
    assert label_counts([], 2).tolist() == [0, 0]


def test_own_repeats_come_first_and_popularity_orders_the_rest() -> None:
    asked = questions([cut(positives(2, 2, 4, where="inside"), positives(0))])
    scores = own_repeats(asked.levels["specific"].pasts, np.array([7.0, 9, 0, 1, 0, 0]))(slice(0, 1))[0]
    assert np.argsort(-scores, kind="stable").tolist() == [2, 4, 1, 0, 3, 5]


def test_with_popularity_items_stand_by_their_chance_where_cosines_say_how_much_likelier_they_are() -> None:
    counts, temperature = np.array([0.0, 9, 99]), 0.1
    likelier = np.array([[8.0, 1, 1], [1, 1, 1], [1, 20, 1]])  # than for anybody, a row a person
    scores = with_popularity(lambda block: (temperature * np.log(likelier))[block], counts, temperature)
    chances = likelier * (counts + 1)
    assert np.exp(scores(slice(0, 3)) / temperature) == pytest.approx(chances, rel=1e-4)
    assert scores(slice(1, 3)).argmax(axis=1).tolist() == [2, 1]


def test_newest_labels_are_averaged_and_a_past_without_labels_says_nothing() -> None:
    asked = questions([cut(positives(0, 1, 1, where="inside"), positives(2))], [cut(positives(2))])
    pasts = asked.levels["specific"].pasts
    assert newest_labels(pasts, np.eye(6), 2)(slice(0, 2)).tolist() == [[0, 1, 0, 0, 0, 0], [0] * 6]
    assert newest_labels(pasts, np.eye(6), 1)(slice(0, 1)).tolist() == [[0, 1, 0, 0, 0, 0]]
    for newest in (50, None):
        assert newest_labels(pasts, np.eye(6), newest)(slice(0, 1))[0] == pytest.approx([1 / 3, 2 / 3, 0, 0, 0, 0])


def test_labels_weigh_half_as_much_a_half_life_earlier() -> None:
    asked = questions(
        [cut(positives(0, where="inside", at="talk 0"), positives(1, where="inside", at="news 20"), positives(2, where="inside", at="talk 30"), positives(3))],
        [cut(positives(2))],
    )
    answers = asked.levels["specific"]
    assert np.diff(answers.past_times[0]).tolist() == [20 * 86_400, 10 * 86_400]
    found = decayed_labels(answers.pasts, answers.past_times, np.eye(6), 10)(slice(0, 2))
    assert found[0] == pytest.approx(np.array([1 / 8, 1 / 2, 1, 0, 0, 0]) / (1 / 8 + 1 / 2 + 1))
    assert found[1].tolist() == [0] * 6


def test_cuts_before_which_an_encoder_that_reads_labels_finds_none_are_left_out_and_counted() -> None:
    label = {"unit_id": "talk 3", "specific": "label 1", "broad": "field 1"}
    cuts = [cut(positives(0), length=length) for length in (2, 4, 6)]
    rows = [with_labels({"person_id": name, "history": HISTORY, "labelled": labels, "cuts": cuts}) for name, labels in (("p", [label]), ("q", []))]
    asked = questions_of(rows, pa.Table.from_pylist(ITEMS), formats=["units", "labels"])
    assert (asked.person_ids, [len(history) for history in asked.histories], asked.unread) == (["p"], [4, 6], 4)
    assert [unit.get("label") for unit in asked.histories[0]] == [None, None, None, {"specific": "label 1", "broad": "field 1"}]
    both = questions_of(rows, pa.Table.from_pylist(ITEMS), formats=["units", "mixed"])
    assert (both.people, len(both.histories), both.unread) == (2, 6, 0)
