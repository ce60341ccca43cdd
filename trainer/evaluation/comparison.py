"""The encoder, its untouched base and the baselines side by side, with intervals over people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lake.encoder import Encoder
from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.asked import Asked, Place, asked_by_slice, asked_of_all, asked_of_curve, estimate
from trainer.evaluation.baselines import label_counts
from trainer.evaluation.encoder_shape import ItemShape, item_shape, item_shape_scores
from trainer.evaluation.numbers import DIFFERENCE, Number
from trainer.evaluation.parts import SLICES, Slice
from trainer.evaluation.questions import Futures, Questions
from trainer.evaluation.rows import baseline_rows
from trainer.evaluation.scores import Contest, Found, Metric, found_by, level_vectors, vector_scorer
from trainer.evaluation.shape import Shape, ShapeScore, StoredScore
from trainer.evaluation.shown import ShownPerson, shown_people
from trainer.evaluation.user_user import UserUser


class Score(BaseModel):
    """One number of the evaluation: a mean over people with its interval, NaN where they are too few to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cuts: Slice = Field(
        description="All cuts; those whose futures reach beyond the time split; or a slice: cuts by units before them, or futures by how often training people have the item."
    )
    level: Kind = Field(description="Kind of the answers: a level of labels, or titles.")
    futures: Futures = Field(description="All futures, or those in threads new to the person.")
    metric: Metric
    scorer: str = Field(description="tuned, base, a baseline, or 'tuned - base': the mean paired difference.")
    mean: Number
    low: Number
    high: Number
    people: int = Field(description="People with such a future.")
    share_matched: float | None = Field(None, description="Of the futures, for the matched personal AUC: those that have enough other people's near them.")


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
    future_queries: int = Field(description="Queries of the future period.")
    items: dict[Kind, int] = Field(description="Items of each kind that were ranked.")
    interval: float
    matched_days: float
    matched_min_others: int
    same_meaning_cosine: float
    scores: list[Score]
    user_user: UserUser = Field(description="Who is it, and who is alike.")
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


def item_findings(
    tuned: Encoder, base: Encoder, questions: Questions, read: ReadQueries, training: Mapping[Kind, Sequence[np.ndarray]], config: EvaluationConfig
) -> Findings:  # fmt: skip
    """What encoder, base and baselines are worth on the questions; `training` are labels of each training person, in time, by level.

    A kind without (titles: what is entered is new to everybody who enters it) has those baselines alone that compare words.
    """
    findings = Findings()
    for level in questions.levels if questions.people else ():
        _add_level(findings, tuned, base, read, questions, level, training.get(level), config)
    findings.scores.sort(key=lambda score: SLICES.index(score.cuts))
    return findings


def _add_level(
    findings: Findings, tuned: Encoder, base: Encoder, read: ReadQueries, questions: Questions, level: Kind, training: Sequence[np.ndarray] | None,
    config: EvaluationConfig,
) -> None:  # fmt: skip
    """Encoders are asked by slice as well; what only they need is gone before the baselines are asked."""
    answers, asked = questions.levels[level], asked_of_all(questions, level, config)
    counts = None if training is None else label_counts(training, len(answers.texts))
    vectors = _add_encoders(findings, tuned, base, read, level, [asked, asked_by_slice(questions, level, counts, config)], config)
    for name, scorer in baseline_rows(questions, level, vectors, read.texts, training, config):
        values = asked.values(found_by(questions, level, scorer, asked.contests, asked.targets), vectors, config.same_meaning_cosine)
        findings.scores.extend(_scores(name, level, values, asked.contests, config))


def _add_encoders(
    findings: Findings, tuned: Encoder, base: Encoder, read: ReadQueries, level: Kind, asked: Sequence[Asked], config: EvaluationConfig
) -> np.ndarray:  # fmt: skip
    """Add what the encoder, its base and their paired difference are worth, and give the base's vectors of the items (A, D). One encoder's are in memory at a time."""
    questions, targets = asked[0].questions, asked[0].targets
    contests = {place: contest for part in asked for place, contest in part.contests.items()}
    curve = asked_of_curve(questions, level, config)

    def judged(encoder: Encoder) -> tuple[Found[Place], ItemShape, np.ndarray]:
        queries, vectors = read.vectors[encoder.version], level_vectors(encoder, level, questions.levels[level])
        found = found_by(questions, level, vector_scorer(queries, vectors), contests, targets)
        return found, item_shape(questions, targets, queries, vectors, found.best, curve, level, config.seed), vectors

    of_tuned, tuned_shape = (None, None) if tuned.version == base.version else judged(tuned)[:2]
    of_base, base_shape, vectors = judged(base)
    for part in asked:
        ahead, behind = (part.values(each, vectors, config.same_meaning_cosine) for each in (of_tuned or of_base, of_base))
        for place, value in ahead.items():  # one difference of two matrices in memory at a time
            for name, each in (("tuned", value), ("base", behind[place]), (DIFFERENCE, value - behind[place])):
                findings.scores.extend(_scores(name, level, {place: each}, contests, config))
    shape, stored = item_shape_scores(tuned_shape or base_shape, base_shape, level, config)
    findings.shape.extend(shape)
    findings.stored.extend(stored)
    findings.shown[level] = shown_people(questions, level, asked[0], of_tuned or of_base, of_base, vectors, config)
    return vectors


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
