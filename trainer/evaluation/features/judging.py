"""Use as a feature: vectors are frozen, one head guesses from them what people do next, or who they are, and is judged on people it never saw."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import HashingVectorizer

from lake.encoder import Encoder
from lake.rendering import is_readable
from trainer.config import EvaluationConfig
from trainer.evaluation.features.attributes import Attributes
from trainer.evaluation.features.auroc import Area, area, area_estimate, mean_area
from trainer.evaluation.features.found import ALL_TASKS, AskedTask, FeatureScore, Guesses
from trainer.evaluation.features.head import out_of_fold_scores
from trainer.evaluation.features.rows import ACTIVITY, WITH_ACTIVITY, Row, attribute_rows, behaviour_rows
from trainer.evaluation.features.targets import Classes, Month, Task, asked_at, classes_of, moment_to_ask, month_of, tasks_of
from trainer.evaluation.halves import History, Person
from trainer.evaluation.history_vectors import HistoryVectors, read_histories
from trainer.evaluation.numbers import DIFFERENCE, MINUS

People = Callable[[], Iterable[Person]]
"""Reads all people anew, one at a time."""
PAIRED: Mapping[str, tuple[str, str]] = {DIFFERENCE: ("tuned", "base"), f"{WITH_ACTIVITY}{MINUS}{ACTIVITY}": (WITH_ACTIVITY, ACTIVITY)}
"""Differences that are told, where both rows are there."""
UNREADABLE, TOO_SHORT = "no label to read", "too little or nothing recent before that moment"
NOT_STRANGERS = "no held-out people of this lake, or more than are asked"


def use_as_feature(
    people: People, split: datetime | None, tuned: Encoder, base: Encoder, config: EvaluationConfig, known: HistoryVectors | None = None
) -> Guesses:  # fmt: skip
    """What the pasts of people say of the month after. Histories are read twice, once for their times; vectors that are `known` are not made again."""
    times = [np.array([unit["created_at"].timestamp() for unit in person.history]) for person in people()]
    at = moment_to_ask(times, split, config)
    left_out: Counter[str] = Counter()
    months: dict[str, Month] = {}
    read = read_histories(_pasts(people(), at, tuned, config, left_out, months), tuned, base, known=known).in_order()
    then = [months[person_id] for person_id in read.keys]
    rows = behaviour_rows(read, then, config.seed) if then else {}
    return _guesses(tasks_of(then, config.feature_days), rows, len(then), left_out, at, config)


def _pasts(
    people: Iterable[Person], at: datetime | None, encoder: Encoder, config: EvaluationConfig, left_out: Counter[str], months: dict[str, Month]
) -> Iterator[tuple[str, History]]:  # fmt: skip
    """The past of each person who is asked, whose month is put into `months`; of the others the reasons are counted in `left_out`."""
    for person in people:
        times = np.array([unit["created_at"].timestamp() for unit in person.history])
        if at is None or not asked_at([times], at.timestamp(), config)[0]:
            left_out[TOO_SHORT] += 1
            continue
        past, month = month_of(person.history, at, config.feature_days)
        if is_readable(past, encoder.card.query_format):
            months[person.person_id] = month
            yield person.person_id, past
        else:
            left_out[UNREADABLE] += 1


def given_away(people: Iterable[Person], attributes: Attributes, tuned: Encoder, base: Encoder, config: EvaluationConfig) -> Guesses:
    """What whole histories say of who people are: of those of whom something is known."""
    left_out: Counter[str] = Counter()
    words: dict[str, csr_matrix] = {}
    read = read_histories(_whole(people, tuned, left_out, words), tuned, base).in_order()
    left_out[NOT_STRANGERS] = len(set().union(*attributes.values())) - left_out.total() - len(read.keys)
    tasks = [Task(name, f"{name}, as the file says", [values.get(person_id) for person_id in read.keys]) for name, values in attributes.items()]
    rows = attribute_rows(read.vectors, vstack([words[person_id] for person_id in read.keys], "csr"), config.seed) if words else {}
    return _guesses(tasks, rows, len(read.keys), left_out, None, config)


def _whole(people: Iterable[Person], encoder: Encoder, left_out: Counter[str], words: dict[str, csr_matrix]) -> Iterator[tuple[str, History]]:
    """The history of each person that can be read, whose own words are counted in `words`."""
    counter = HashingVectorizer(alternate_sign=False, norm=None, dtype=np.float32)
    for person in people:
        if is_readable(person.history, encoder.card.query_format):
            own = " ".join(text for unit in person.history for text in (unit["title"], unit["text"]) if text)
            words[person.person_id] = counter.transform([own])
            yield person.person_id, person.history
        else:
            left_out[UNREADABLE] += 1


@dataclass(frozen=True)
class _Judged:
    """The areas of all rows and differences by name, of a task's people: indexes (P',)."""

    people: np.ndarray
    areas: dict[str, Area]


def _guesses(
    tasks: Sequence[Task], rows: Mapping[str, Row], people: int, left_out: Counter[str], at: datetime | None, config: EvaluationConfig
) -> Guesses:  # fmt: skip
    asked = {task.name: (task, classes_of(task.values, config.min_class_people)) for task in tasks}
    judged = {name: _judged(classes, rows, config) for name, (_, classes) in asked.items() if isinstance(classes, Classes)}
    return Guesses(
        people=people, left_out=dict(+left_out), at=at,
        tasks=[
            AskedTask(name=name, words=task.words, people=len(classes.people), values={value: int((classes.target == place).sum()) for place, value in enumerate(classes.scored)})
            for name, (task, classes) in asked.items() if isinstance(classes, Classes)
        ],
        tasks_left_out={name: classes for name, (_, classes) in asked.items() if isinstance(classes, str)},
        scores=[*_scores(ALL_TASKS, _mean(judged.values(), people), config), *(score for name, found in judged.items() for score in _scores(name, found, config))] if judged else [],
    )  # fmt: skip


def _judged(classes: Classes, rows: Mapping[str, Row], config: EvaluationConfig) -> _Judged:
    """All rows by the same folds, so that their differences are paired."""
    areas = {}
    for name, row in rows.items():
        scores, fold = out_of_fold_scores(row.head, row.inputs[classes.people], classes.target, config.feature_folds, config.seed)
        areas[name] = mean_area([area(scores[:, :, place], classes.target == place, fold) for place in range(len(classes.scored))])
    areas |= {name: areas[one].minus(areas[other]) for name, (one, other) in PAIRED.items() if one in areas and other in areas}
    return _Judged(classes.people, areas)


def _mean(judged: Iterable[_Judged], people: int) -> _Judged:
    """Each task counts alike, and a person in as many as they are asked about."""
    found = list(judged)

    def of_everybody(each: _Judged, name: str) -> Area:
        of_task, influence = each.areas[name], np.zeros((3, people))
        influence[:, each.people] = of_task.influence
        return Area(of_task.value, influence, of_task.least)

    areas = {name: mean_area([of_everybody(each, name) for each in found]) for name in found[0].areas}
    return _Judged(np.unique(np.concatenate([each.people for each in found])), areas)


def _scores(task: str, judged: _Judged, config: EvaluationConfig) -> Iterator[FeatureScore]:
    for name, found in judged.areas.items():
        mean = area_estimate(found, len(judged.people), config.interval, least=-1 if name in PAIRED else 0)
        yield FeatureScore(metric=task, scorer=name, mean=mean.mean, low=mean.low, high=mean.high, people=mean.people)
