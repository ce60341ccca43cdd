"""Labels of topics that are told apart: who meets whom and what is found, against the definition; and what is kept there of a gain elsewhere."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lake.examples import answer_key
from tests.unit.trainer.evaluation.test_baselines import cut, positives, questions, random_people, slow_wins
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.asked import asked_of_all
from trainer.evaluation.kept import kept_gains
from trainer.evaluation.parts import KNOWN, NEW, OTHER, SAME, ToldApart, topicalities
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import found_by

CONFIG = EvaluationConfig(matched_min_others=1, matched_days=30, bootstrap_samples=10)
WORLDS = 400


def told(*labels: int, are_held_out: bool = True) -> ToldApart:
    keys = np.array(sorted(answer_key(f"Label {number}!") for number in labels), np.int64)
    return ToldApart(keys, broad=1, broad_in_all=2, are_held_out=are_held_out)


def of_labels(asked: Questions, *labels: int) -> Questions:
    """The same questions, of these labels alone."""
    answers = asked.levels["specific"]
    futures, kept = answers.futures, np.isin(answers.futures.item, labels)
    some = type(futures)(futures.query[kept], futures.item[kept], futures.place[kept], futures.in_new_thread[kept])
    return replace(asked, levels={"specific": replace(answers, futures=some)})


def values(asked: Any, scores: np.ndarray) -> dict[Any, np.ndarray]:
    found = found_by(asked.questions, "specific", lambda block: scores[block], asked.contests, asked.targets)
    return asked.values(found, np.eye(6), 0.9)


@pytest.mark.parametrize(("name", "labels"), [(NEW, (1, 4, 5)), (KNOWN, (0, 2, 3))])
def test_what_is_told_apart_is_what_the_definition_says_of_those_labels_alone(name: Any, labels: tuple[int, ...]) -> None:
    people = random_people(25)
    scores = np.random.default_rng(2).random((len(people.person), 6))
    asked = asked_of_all(people, "specific", CONFIG, topics=told(1, 4, 5))
    found = values(asked, scores)
    alone = of_labels(people, *labels)
    who = asked.contests[name, "all", "personal_auc"].people
    assert found[name, "all", "personal_auc"] == pytest.approx(slow_wins(alone, scores)[np.ix_(who, who)], nan_ok=True, abs=1e-5)
    of_alone = values(asked_of_all(alone, "specific", CONFIG), scores)["all cuts", "all", "matched_personal_auc"]
    assert found[name, "all", "matched_personal_auc"] == pytest.approx(of_alone, nan_ok=True)
    recall = []
    for person in range(people.people):
        shares = []
        for query in np.flatnonzero(people.person == person):
            wanted = set(alone.levels["specific"].futures.item[alone.levels["specific"].futures.query == query])
            best = set(np.argsort(-scores[query])[:10])
            shares += [len(wanted & best) / len(wanted)] if wanted else []
        recall.append(np.mean(shares) if shares else np.nan)
    assert found[name, "all", "recall_at_10"] == pytest.approx(np.array(recall), nan_ok=True)


def test_ranks_are_among_the_items_of_all_topics() -> None:
    asked = asked_of_all(questions([cut(positives(1, 0))], [cut(positives(1, 0))], [cut(positives(0, 4))]), "specific", CONFIG, topics=told(1, 4))
    found = values(asked, np.array([[6.0, 5, 4, 3, 2, 1]] * 3))
    assert found[NEW, "all", "mrr"].tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 5])
    assert found[KNOWN, "all", "mrr"].tolist() == pytest.approx([1, 1, 1])
    assert not [place for place in found if place[1] == "new" and place[0] in (NEW, KNOWN)]


def test_topics_are_told_apart_by_name_and_not_at_all_where_there_is_one_side_alone() -> None:
    people = random_people(5)
    assert list(topicalities(people, "specific", told(1))) == [KNOWN, NEW]
    assert list(topicalities(people, "specific", told(1, are_held_out=False))) == [OTHER, SAME]
    assert topicalities(people, "specific", told(9)) == topicalities(people, "specific", told(*range(6))) == topicalities(people, "specific", None) == {}


def test_what_is_kept_is_the_ratio_of_two_leads_and_nothing_where_there_is_no_lead() -> None:
    people = random_people(40)
    asked = asked_of_all(people, "specific", CONFIG, topics=told(1, 4, 5))
    answers = people.levels["specific"]
    own = np.zeros((len(people.person), 6))
    np.add.at(own, (answers.futures.query, answers.futures.item), 1.0)
    random = np.random.default_rng(3).random(own.shape)
    new = np.isin(np.arange(6), (1, 4, 5))
    behind = values(asked, random)
    ahead = values(asked, random + np.where(new, 0.3, 1.0) * own)  # of the new topics it knows less
    found = {gain.metric: gain for gain in kept_gains(asked, "specific", ahead, behind, told(1, 4, 5), CONFIG)}
    assert set(found) == {"matched_personal_auc", "personal_auc", "recall_at_10"}
    leads = {name: metrics.pairs_mean(ahead[name, "all", "personal_auc"] - behind[name, "all", "personal_auc"], 0.9).mean for name in (NEW, KNOWN)}
    gain = found["personal_auc"]
    assert gain.mean == pytest.approx(leads[NEW] / leads[KNOWN])
    assert 0 < gain.low < gain.mean < gain.high < 1
    assert np.isnan(found["recall_at_10"].mean), "all six items are among the ten best"
    assert str(found["recall_at_10"]) == "-"
    assert not list(kept_gains(asked_of_all(people, "specific", CONFIG), "specific", ahead, behind, None, CONFIG))


@pytest.mark.parametrize("people", [25, 80])
def test_the_interval_of_a_ratio_holds_the_truth_in_about_90_percent_of_worlds(people: int) -> None:
    random = np.random.default_rng(20)
    held = []
    for _ in range(WORLDS):
        lead = random.normal(0.06, 0.08, people)
        on_new = np.where(random.random(people) < 0.7, 0.4 * lead + random.normal(0, 0.04, people), np.nan)  # not everybody does something new
        found = metrics.ratio(metrics.people_influences(on_new), metrics.people_influences(lead), 0.9)
        held += [] if np.isnan(found.mean) else [found.low <= 0.4 <= found.high]
    assert len(held) > 0.9 * WORLDS
    assert 0.85 <= np.mean(held) <= 0.95


def test_a_mean_of_pairs_is_what_its_influences_say() -> None:
    values = np.random.default_rng(1).random((12, 12))
    np.fill_diagonal(values, np.nan)
    mean, influences, people = metrics.pairs_influences(values)
    found = metrics.pairs_mean(values, 0.9)
    left_out = [np.nanmean(np.delete(np.delete(values, person, 0), person, 1)) for person in range(12)]
    assert (mean, people) == (found.mean, 12)
    assert mean == pytest.approx(np.nanmean(values))
    assert (influences**2).sum() == pytest.approx(11 / 12 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum()), "the jackknife's variance"
    assert found.high - found.mean == pytest.approx(metrics.t_quantile(0.95, 11) * np.sqrt((influences**2).sum()))
