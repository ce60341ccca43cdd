"""Labels of several teachers on the same contents -> what they are worth beside each other, as far as that can be told without a reader. Pure.

Nearness is by vectors of a frozen encoder. A share of pairs is told beside a cosine wherever one could be taken for the other: cosines of any two labels are high among texts
of one kind, and a teacher that says of everything the same would agree with itself.

Shape letters: C contents, D vector size.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lake.labels import LEVELS, Label, Level, normalised

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
"""Texts -> vectors of unit length (N, D)."""
MOST = 3
"""Labels that come most often, whose share is told: few that cover most of an archive tell nothing."""
INTERVAL, SAMPLES, SEED = 0.9, 1000, 20


class Share(BaseModel):
    """A mean over contents, with the percentile interval of its resamples; NaN of none."""

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float
    high: float


class LevelFigures(BaseModel):
    """One teacher's labels of one level."""

    model_config = ConfigDict(frozen=True)

    distinct: int = Field(description="Labels, spellings levelled.")
    reused: Share = Field(description="Contents whose label another content has too.")
    entropy: float = Field(description="Of the distribution over labels, in bits.")
    most: float = Field(description=f"Share of contents with one of the {MOST} most frequent labels.")
    words: float = Field(description="Words of a label, on the mean.")
    of_its_text: Share = Field(description="Chance that a label is nearer to the words of its own content than to those of another.")
    of_its_text_in_community: Share = Field(description="The same, of another content of the same community.")


class TeacherFigures(BaseModel):
    """What one teacher made of the contents."""

    model_config = ConfigDict(frozen=True)

    teacher_version: str
    model: str
    prompt_version: str
    asked: int
    rejects: dict[str, int] = Field(description="Reason -> contents that came to none.")
    levels: dict[Level, LevelFigures]
    broad_of_its_specific: Share = Field(
        description="Chance that a broad label is nearer to the specific one of its content than a broad one of another content is; ties count half."
    )


class PairFigures(BaseModel):
    """Two teachers on contents that both have a label of."""

    model_config = ConfigDict(frozen=True)

    first: str
    second: str
    level: Level
    contents: int
    equal: Share = Field(description="Contents of which both say the same, spellings levelled.")
    same_meaning: Share = Field(description="Contents whose two labels have at least the cosine that is taken for one meaning.")
    cosine: Share = Field(description="Of the two labels of a content.")
    cosine_of_others: float = Field(description="Of a label and the other teacher's of another content, on the mean.")
    told_apart: Share = Field(description="Chance that the other teacher's label of the same content is nearer than that of another content; ties count half.")


@dataclass(frozen=True)
class Audited:
    """The contents that are looked at, in one order, with how they read and where they were written; and what each teacher (by its version) said of each of them, a label or none."""

    contents: Sequence[str]
    texts: Sequence[str]
    communities: Sequence[str | None]
    answers: Mapping[str, Mapping[str, Label]]


def teacher_figures(audited: Audited, encode: Encode) -> list[TeacherFigures]:
    """A teacher each, in the order given."""
    texts = encode(audited.texts)
    return [_figures_of(audited, version, texts, encode) for version in audited.answers]


def pair_figures(audited: Audited, encode: Encode, same_meaning: float) -> list[PairFigures]:
    """Every two teachers, at each level."""
    return [_pair(audited, first, second, level, encode, same_meaning) for first, second in combinations(audited.answers, 2) for level in LEVELS]


def _figures_of(audited: Audited, version: str, texts: Vectors, encode: Encode) -> TeacherFigures:
    answers = audited.answers[version]
    rows = [answers[content] for content in audited.contents]
    labelled = np.array([row.reason is None for row in rows], bool)
    labels = [row for row in rows if row.reason is None]
    vectors = {level: encode([getattr(row, level) for row in labels]) for level in LEVELS}
    communities = np.array([community or "" for community in audited.communities])[labelled]
    levels = {level: _level_figures([getattr(row, level) for row in labels], vectors[level] @ texts[labelled].T, communities) for level in LEVELS}
    return TeacherFigures(
        teacher_version=version, model=rows[0].teacher_model, prompt_version=rows[0].prompt_version, asked=len(rows),
        rejects=dict(Counter(row.reason for row in rows if row.reason is not None).most_common()), levels=levels,
        broad_of_its_specific=share(nearer_to_own(vectors["specific"] @ vectors["broad"].T)),
    )  # fmt: skip


def _level_figures(labels: Sequence[str], nearness: Vectors, communities: NDArray[np.str_]) -> LevelFigures:
    """`nearness` (C, C) of each label to the words of each content."""
    words = [normalised(label) for label in labels]
    counts = Counter(words)
    chances = np.array([*counts.values()]) / max(1, len(words))
    others = communities[:, None] == communities[None, :]
    return LevelFigures(
        distinct=len(counts),
        reused=share(np.array([counts[word] > 1 for word in words], float)),
        entropy=float(-(chances * np.log2(chances)).sum()) if len(words) else math.nan,
        most=sum(count for _, count in counts.most_common(MOST)) / len(words) if words else math.nan,
        words=float(np.mean([len(word.split()) for word in words])) if words else math.nan,
        of_its_text=share(nearer_to_own(nearness)),
        of_its_text_in_community=share(nearer_to_own(nearness, others & (communities != ""))),
    )


def _pair(audited: Audited, first: str, second: str, level: Level, encode: Encode, same_meaning: float) -> PairFigures:
    answers = [audited.answers[version] for version in (first, second)]
    both = [content for content in audited.contents if all(of_teacher[content].reason is None for of_teacher in answers)]
    said = [[getattr(of_teacher[content], level) for content in both] for of_teacher in answers]
    cosines = encode(said[0]) @ encode(said[1]).T
    own = np.diagonal(cosines)
    others = (cosines.sum() - own.sum()) / max(1, cosines.size - len(own)) if len(own) > 1 else math.nan
    equal = np.array([normalised(one) == normalised(other) for one, other in zip(*said, strict=True)], float)
    return PairFigures(
        first=first, second=second, level=level, contents=len(both), equal=share(equal), same_meaning=share((own >= same_meaning).astype(float)),
        cosine=share(own), cosine_of_others=float(others), told_apart=share(nearer_to_own(cosines)),
    )  # fmt: skip


def nearer_to_own(nearness: Vectors, counted: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Of each row (C,) the share of the others in the row (`counted` (C, C), if given) that are less than its own, on the diagonal; ties count half, NaN of none."""
    rounded = np.round(nearness.astype(np.float64), 5)  # the same words are the same, whatever the last bits of a product are
    own = np.diagonal(rounded)[:, None]
    won = (rounded < own) + (rounded == own) / 2
    others = ~np.eye(len(rounded), dtype=bool) if counted is None else counted & ~np.eye(len(rounded), dtype=bool)
    counts = others.sum(axis=1)
    return np.divide((won * others).sum(axis=1), counts, out=np.full(len(rounded), np.nan), where=counts > 0)


def share(values: NDArray[np.floating]) -> Share:
    """Mean over the contents that have a value, with its interval."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return Share(mean=math.nan, low=math.nan, high=math.nan)
    random = np.random.default_rng(SEED)
    means = np.array([known[random.integers(0, len(known), len(known))].mean() for _ in range(SAMPLES)])
    low, high = np.quantile(means, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return Share(mean=float(known.mean()), low=float(low), high=float(high))
