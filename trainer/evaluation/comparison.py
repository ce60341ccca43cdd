"""The encoder, its untouched base and the baselines side by side, with intervals over people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lake.encoder import Encoder
from lake.examples import HeldOutActs, Kind, Split, Topics
from lake.labels import Level
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.asked import Asked, Place, asked_by_slice, asked_of_all, asked_of_curve, estimate
from trainer.evaluation.baselines import label_counts, with_popularity
from trainer.evaluation.encoder_shape import ItemShape, item_shape, item_shape_scores
from trainer.evaluation.features.found import Guesses
from trainer.evaluation.kept import KeptGain, kept_gains
from trainer.evaluation.numbers import DIFFERENCE, Number
from trainer.evaluation.parts import SLICES, Slice, ToldApart
from trainer.evaluation.questions import Futures, Questions
from trainer.evaluation.rankings import Rankings, no_rankings
from trainer.evaluation.rows import baseline_rows
from trainer.evaluation.scores import Contest, Found, Metric, found_by, level_vectors, vector_scorer
from trainer.evaluation.shape import Shape, ShapeScore, StoredScore
from trainer.evaluation.shown import ShownPerson, shown_people
from trainer.evaluation.user_user import UserUser

TUNED_POPULAR, BASE_POPULAR = "tuned, with popularity", "base, with popularity"


class Score(BaseModel):
    """One number of the evaluation: a mean over people with its interval, NaN where they are too few to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cuts: Slice = Field(
        description="All cuts; those whose futures reach beyond the time split; or a slice: cuts by units before them, or futures by how often training people have the item."
    )
    level: Kind = Field(description="Kind of the answers: a level of labels, titles, or an app's own items.")
    futures: Futures = Field(description="All futures, or those in threads new to the person.")
    metric: Metric
    scorer: str = Field(description="tuned, base, a baseline, or 'tuned - base': the mean paired difference.")
    mean: Number
    low: Number
    high: Number
    people: int = Field(description="People with such a future.")
    share_matched: float | None = Field(None, description="Of the futures, for the matched personal AUC: those that have enough other people's near them.")


class ToldTopics(BaseModel):
    """Topics that are told apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: Topics = Field(description="A share of all broad labels, or names.")
    broad: int = Field(description="Broad labels that they are here.")
    broad_in_all: int = Field(description="Broad labels that there are.")
    are_held_out: bool = Field(description="Whether the encoder was trained without them.")


class EvaluationResult(BaseModel):
    """What an evaluation found. NaN where nobody could be asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder_version: str
    base_version: str
    base_model: str
    max_tokens: int
    versions_read: dict[str, int] = Field(description="Table -> Delta version.")
    people: int
    queries: int
    title_people: int = Field(description="People asked about titles, with a label or without.")
    title_queries: int = Field(description="Their cuts.")
    held_out_acts: HeldOutActs | None = Field(None, description="Which acts were held out of everybody's training, and asked about; None: whole people were.")
    held_out_part: Split = Field("test", description="Who was asked, or, of held-out acts, about which: those to choose by (validation) or to judge by (test).")
    catalogue_people: int = Field(0, description="People asked about an app's own items.")
    catalogue_queries: int = Field(0, description="Their cuts.")
    future_queries: int = Field(description="Queries of the future period.")
    items: dict[Kind, int] = Field(description="Items of each kind that were ranked.")
    interval: float
    matched_days: float
    matched_min_others: int
    same_meaning_cosine: float
    temperature: float | None = Field(
        None, description="Of the encoder's loss: the weight of popularity where none was fitted; None where the encoder does not tell one."
    )
    popularity_weights: dict[Level, float] = Field({}, description="By which popularity is added to the encoder's scores, fitted on people to choose by.")
    popularity_weights_of_base: dict[Level, float] = Field({}, description="The same of its base.")
    platforms_met: list[str] = Field([], description="On which those acted whom the encoder was trained on; none where it does not say, and of a base.")
    platforms_asked: list[str] = Field([], description="Of the histories that are asked about.")
    topics: ToldTopics | None = Field(None, description="Which topics are told apart; None where none are.")
    kept: list[KeptGain] = Field([], description="What is kept on those topics of the gain on the others.")
    scores: list[Score]
    user_user: UserUser | None = Field(description="Who is it, and who is alike; None where everybody was trained on.")
    as_feature: Guesses | None = Field(
        None, description="What people do in the month after a moment, guessed from frozen vectors; None where nobody was to be asked."
    )
    given_away: Guesses | None = Field(None, description="Privacy: who people are, guessed from frozen vectors; None where no file of attributes was given.")
    shape: Shape = Field(description="How vectors lie in the space, and what is left in shorter and coarser ones.")

    def score(self, scorer: str, metric: str, level: Kind, futures: Futures, cuts: Slice = "all cuts") -> Score:
        """The one score of these coordinates. Raises KeyError where there is none."""
        for score in self.scores:
            if (score.scorer, score.metric, score.level, score.futures, score.cuts) == (scorer, metric, level, futures, cuts):
                return score
        raise KeyError((scorer, metric, level, futures, cuts))


@dataclass(frozen=True)
class ReadQueries:
    """The histories of B queries as they are read: their texts (B,), and the vectors (B, D) that each encoder makes of them, by its version."""

    texts: list[str]
    vectors: dict[str, np.ndarray]


def read_queries(tuned: Encoder, base: Encoder, *asked: Questions) -> list[ReadQueries]:
    """The histories of each of these questions as encoder and base read them; one that several ask about, as of a cut with labels and titles after it, is encoded once."""
    texts = [[tuned.history_text(history)[0] for history in questions.histories] for questions in asked]
    places = {text: place for place, text in enumerate(dict.fromkeys(chain(*texts)))}
    encoders = {tuned.version: tuned, base.version: base}
    vectors = {version: encoder.encode_history_texts([*places]) for version, encoder in encoders.items()}
    return [ReadQueries(own, {version: found[[places[text] for text in own]] for version, found in vectors.items()}) for own in texts]


@dataclass(frozen=True)
class Findings:
    """What was found of the items of some questions; nothing where there are none. `shown` are people by kind of their items."""

    scores: list[Score] = field(default_factory=list)
    shape: list[ShapeScore] = field(default_factory=list)
    stored: list[StoredScore] = field(default_factory=list)
    shown: dict[Kind, list[ShownPerson]] = field(default_factory=dict)
    kept: list[KeptGain] = field(default_factory=list)


def item_findings(
    tuned: Encoder, base: Encoder, questions: Questions, read: ReadQueries, training: Mapping[Kind, Sequence[np.ndarray]], config: EvaluationConfig,
    rankings: Rankings = no_rankings, topics: ToldApart | None = None,
) -> Findings:  # fmt: skip
    """What encoder, base and baselines are worth on the questions; `training` are labels of each training person, in time, by level.

    Labels of `topics` are asked about apart from the others. A kind without (titles: what is entered is new to everybody who enters it) has those baselines alone that compare words. `rankings`: what other recommenders say of the items.
    """
    findings = Findings()
    for level in questions.levels if questions.people else ():
        _add_level(findings, tuned, base, read, questions, level, training.get(level), config, rankings, topics)
    findings.scores.sort(key=lambda score: SLICES.index(score.cuts))
    return findings


def _add_level(
    findings: Findings, tuned: Encoder, base: Encoder, read: ReadQueries, questions: Questions, level: Kind, training: Sequence[np.ndarray] | None,
    config: EvaluationConfig, rankings: Rankings, topics: ToldApart | None,
) -> None:  # fmt: skip
    """Encoders are asked by slice as well; what only they need is gone before the baselines are asked."""
    answers = questions.levels[level]
    counts = None if training is None else label_counts(training, len(answers.texts))
    asked = asked_of_all(questions, level, config, counts, topics)
    vectors = _add_encoders(findings, tuned, base, read, level, [asked, asked_by_slice(questions, level, counts, config)], config, counts, topics)
    rows = chain(baseline_rows(questions, level, vectors, read.texts, training, config), rankings(questions, level))
    for name, scorer in rows:
        values = asked.values(found_by(questions, level, scorer, asked.contests, asked.targets), vectors, config.same_meaning_cosine)
        findings.scores.extend(_scores(name, level, values, asked.contests, config))


def _add_encoders(
    findings: Findings, tuned: Encoder, base: Encoder, read: ReadQueries, level: Kind, asked: Sequence[Asked], config: EvaluationConfig,
    counts: np.ndarray | None, topics: ToldApart | None,
) -> np.ndarray:  # fmt: skip
    """Add what the encoder, its base and their paired difference are worth, and both with the popularity of the items (`counts` (A,)) where there is one and the encoder
    tells what that weighs; give the base's vectors of the items (A, D). One encoder's are in memory at a time."""
    questions, targets = asked[0].questions, asked[0].targets
    contests = {place: contest for part in asked for place, contest in part.contests.items()}
    curve = asked_of_curve(questions, level, config)

    def judged(encoder: Encoder) -> tuple[Found[Place], ItemShape, Found[Place] | None, np.ndarray]:
        queries, vectors = read.vectors[encoder.version], level_vectors(encoder, level, questions.levels[level])
        scorer = vector_scorer(queries, vectors)
        found = found_by(questions, level, scorer, contests, targets)
        popular, weight = None, popularity_weight(encoder, tuned, level)
        if counts is not None and weight is not None:
            popular = found_by(questions, level, with_popularity(scorer, counts, weight), asked[0].contests, targets)
        return found, item_shape(questions, targets, queries, vectors, found.best, curve, level, config.seed), popular, vectors

    of_tuned, tuned_shape, tuned_popular = (None, None, None) if tuned.version == base.version else judged(tuned)[:3]
    of_base, base_shape, base_popular, vectors = judged(base)
    for name, popular in ((TUNED_POPULAR, tuned_popular), (BASE_POPULAR, base_popular)):
        if popular is not None:
            values = asked[0].values(popular, vectors, config.same_meaning_cosine)
            findings.scores.extend(_scores(name, level, values, contests, config))
    for part in asked:
        ahead, behind = (part.values(each, vectors, config.same_meaning_cosine) for each in (of_tuned or of_base, of_base))
        for place, value in ahead.items():  # one difference of two matrices in memory at a time
            for name, each in (("tuned", value), ("base", behind[place]), (DIFFERENCE, value - behind[place])):
                findings.scores.extend(_scores(name, level, {place: each}, contests, config))
        findings.kept.extend(kept_gains(part, level, ahead, behind, topics, config))
    shape, stored = item_shape_scores(tuned_shape or base_shape, base_shape, level, config)
    findings.shape.extend(shape)
    findings.stored.extend(stored)
    if contests:  # of an app's own items nobody is the worst by personal AUC
        findings.shown[level] = shown_people(questions, level, asked[0], of_tuned or of_base, of_base, vectors, config)
    return vectors


def popularity_weight(encoder: Encoder, tuned: Encoder, level: Kind) -> float | None:
    """What the logarithm of an item's count weighs beside the cosines of an encoder, or of the base of a tuned one for which nobody fitted it: then as beside the tuned one's."""
    own = encoder.card.popularity_weight(level)
    return tuned.card.popularity_weight(level) if own is None else own


def _scores(name: str, level: Kind, values: Mapping[Place, np.ndarray], contests: Mapping[Place, Contest], config: EvaluationConfig) -> list[Score]:
    return [_score(place, level, name, estimate(value, config), contests.get(place)) for place, value in values.items()]


def _score(
    place: Place, level: Kind, scorer: str, found: metrics.Estimate, contest: Contest | None = None
) -> Score:  # fmt: skip
    cuts, futures, metric = place
    return Score(
        cuts=cuts, level=level, futures=futures, metric=metric, scorer=scorer, mean=found.mean, low=found.low, high=found.high, people=found.people,
        share_matched=contest.share if contest is not None and metric == "matched_personal_auc" else None,
    )  # fmt: skip
