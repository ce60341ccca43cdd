"""Rows of `examples` -> a batch: histories up to a cut each, answers drawn for them, and all that masks need. Nothing is looked up anywhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lake.examples import KINDS, answer_key, title_answer
from lake.labels import LEVELS
from lake.rendering import READS_LABELS, with_label
from lake.units import thread_title
from trainer.config import Source, TrainingConfig
from trainer.training.masks import Numbers, answer_numbers

Unit = Mapping[str, Any]
LEAST_GRADE = 0.01
"""What a positive weighs that was judged to be of no relevance: it was the person's own all the same."""


@dataclass(frozen=True)
class TrainingBatch:
    """What one process holds of a step: B histories with one cut each, and the A distinct answers drawn for them.

    `answers` (A,) are numbers as `trainer.training.masks` has them, ascending; `texts` their words. `positives` and `done` hold, a query, the answers
    drawn for it and the keys of all words that its person ever did; `grades` (None: all 1) how much each of the positives weighs, in their order. Hard negatives that
    were judged are answers that are nobody's positive. `communities` (numbers, another one for each person in none) and `times` (UTC microseconds) are
    those of the cuts, (B,). `max_tokens` are those of a history that are read; None: as many as the encoder reads.
    """

    histories: list[Sequence[Unit]]
    answers: Numbers
    texts: list[str]
    positives: list[Numbers]
    done: list[Numbers]
    communities: Numbers
    times: Numbers
    grades: list[NDArray[np.float64]] | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class Answer:
    """Words that are right for a query, and how right, above 0; of a hard negative that counts nothing."""

    number: int
    text: str
    grade: float = 1.0


def batch_of(
    rows: pa.Table, people: Sequence[int], cuts: Sequence[int], source: Source, config: TrainingConfig, generator: np.random.Generator
) -> TrainingBatch:  # fmt: skip
    """One cut of each of these people (rows of `examples`), with answers of a source drawn from it; with shuffled labels everybody gets another's, who is alone none."""
    found = [rows["cuts"][person][cut].as_py() for person, cut in zip(people, cuts, strict=True)]
    histories = [rows["history"][person].values for person in people]
    reads_labels = config.query_format in READS_LABELS
    labelled = [rows["labelled"][person].as_py() if reads_labels or source == "labels" else [] for person in people]
    drawn = [
        drawn_titles(history, cut["entered"], config.answers_per_query, generator) if source == "titles"
        else drawn_items(cut["acted_on"], rows["acted_on"][person].as_py(), config.answers_per_query, generator) if source == "catalogue"
        else drawn_labels(_asked_labels(cut, reads_labels), labels, config.answers_per_query, generator)
        for person, cut, history, labels in zip(people, found, histories, labelled, strict=True)
    ]  # fmt: skip
    pasts: list[Sequence[Unit]] = [history.slice(0, cut["history_length"]).to_pylist() for history, cut in zip(histories, found, strict=True)]
    pasts = [labelled_history(past, labels) for past, labels in zip(pasts, labelled, strict=True)] if reads_labels else pasts
    if source == "labels" and config.single_unit_share:
        for place in generator.permutation(len(people))[: round(config.single_unit_share * len(people))].tolist():
            pasts[place], drawn[place] = single_unit(pasts[place], labelled[place], generator) or (pasts[place], drawn[place])
    done = [rows["did"][person].values.to_numpy() for person in people]
    if config.shuffle_labels:
        ring = generator.permutation(len(people))
        giver = {int(ring[place - 1]): int(ring[place]) for place in range(len(ring))}
        drawn = drawn if len(people) > 1 else [[] for _ in drawn]
        drawn, done = ([each[giver[place]] for place in range(len(each))] for each in (drawn, done))  # type: ignore[assignment]
    negatives = []
    if config.judged_negatives and not config.shuffle_labels and "candidates" in rows.column_names:  # an older table has none
        negatives = [
            judged_negatives(cut["hard_negatives"], rows["candidates"][person].as_py(), config.judged_negatives, generator)
            for person, cut in zip(people, found, strict=True)
        ]  # fmt: skip
    texts = {answer.number: answer.text for answers in [*negatives, *reversed(drawn)] for answer in answers}
    answers = np.array(sorted(texts), np.int64)
    return TrainingBatch(
        histories=pasts,
        answers=answers,
        texts=[texts[number] for number in answers.tolist()],
        positives=[np.unique([answer.number for answer in of_query]).astype(np.int64) for of_query in drawn],
        grades=[_grades(of_query) for of_query in drawn] if config.weigh_by_grade else None,
        done=done,
        communities=np.array([_community(cut, history) for cut, history in zip(found, histories, strict=True)], np.int64),
        times=np.array([int(cut["cut_at"].timestamp()) * 1_000_000 for cut in found], np.int64),
    )


def labelled_history(past: Sequence[Unit], labels: Sequence[Mapping[str, str]]) -> list[Unit]:
    """The units of a past with their own labels, for formats that read them; labels of other units, later ones too, are not looked at."""
    by_unit = {label["unit_id"]: label for label in labels}
    return [with_label(unit, by_unit) for unit in past]


def single_unit(past: Sequence[Unit], labels: Sequence[Mapping[str, str]], generator: np.random.Generator) -> tuple[list[Unit], list[Answer]] | None:
    """One labelled unit of a past, drawn at random, as a history of length one without its labels, and its labels as answers; None where none has any."""
    by_unit = {label["unit_id"]: label for label in labels}
    labelled = [unit for unit in past if unit["unit_id"] in by_unit]
    if not labelled:
        return None
    unit = labelled[int(generator.integers(len(labelled)))]
    answers = [_label_answer(level, by_unit[unit["unit_id"]][level]) for level in LEVELS]
    return [{name: value for name, value in unit.items() if name != "label"}], answers


def _asked_labels(cut: Mapping[str, Any], reads_labels: bool) -> list[Mapping[str, Any]]:
    """The labels that are right for a cut: where the query says those inside word for word, those after it alone."""
    return [each for each in cut["positives"] if each["where"] == "after" or not reads_labels]


def drawn_titles(history: pa.StructArray, entered: Sequence[int], count: int, generator: np.random.Generator) -> list[Answer]:
    """Up to `count` distinct titles of what is entered by these units of the history, in random order."""
    titles: dict[int, str] = {}
    for place in generator.permutation(np.array(entered, np.int64)).tolist():
        title = thread_title(history[place].as_py())
        if title is not None and len(titles) < count:
            titles.setdefault(answer_key(title_answer(title)), title_answer(title))
    kind = KINDS.index("title")
    return [Answer(int(answer_numbers(np.array(key), kind)), title) for key, title in titles.items()]


def drawn_items(places: Sequence[int], items: Sequence[Mapping[str, Any]], count: int, generator: np.random.Generator) -> list[Answer]:
    """Up to `count` distinct catalogue items that these units of the history act on, in random order; `items` are those of the person's example."""
    words, kind = {item["place"]: item["text"] for item in items}, KINDS.index("catalogue")
    drawn = [words[place] for place in generator.permutation(np.array(places, np.int64)).tolist()][:count]
    return [Answer(int(answer_numbers(np.array(answer_key(text)), kind)), text) for text in drawn]


def drawn_labels(positives: Sequence[Mapping[str, Any]], labelled: Sequence[Mapping[str, str]], count: int, generator: np.random.Generator) -> list[Answer]:
    """Up to `count` distinct labels, in turns from what came after the cut and what lies inside, specific before broad."""
    words = {unit[f"{level}_item_id"]: unit[level] for unit in labelled for level in LEVELS}
    grades = {(each["level"], each["item_id"]): max(each["grade"], LEAST_GRADE) for each in positives if each.get("grade") is not None}
    turns = [("specific", "after"), ("specific", "inside"), ("broad", "after"), ("broad", "inside")]
    groups = {turn: sorted({each["item_id"] for each in positives if (each["level"], each["where"]) == turn}) for turn in turns}
    queues = [[(level, group[index]) for index in generator.permutation(len(group))] for (level, _), group in groups.items()]
    drawn: dict[tuple[str, str], None] = {}
    while len(drawn) < count and any(queues):
        for queue in queues:
            if queue and len(drawn) < count:
                drawn[queue.pop()] = None
    return [_label_answer(level, words[item_id], grades.get((level, item_id), 1.0)) for level, item_id in drawn]


def _label_answer(level: str, text: str, grade: float = 1.0) -> Answer:
    return Answer(int(answer_numbers(np.array(answer_key(text)), KINDS.index(level))), text, grade)  # type: ignore[arg-type]


def judged_negatives(hard_negatives: Sequence[str], candidates: Sequence[Mapping[str, Any]] | None, count: int, generator: np.random.Generator) -> list[Answer]:
    """Up to `count` of a cut's hard negatives, in random order, at the kind of their level."""
    words = {each["item_id"]: each for each in candidates or ()}
    chosen = [words[hard_negatives[place]] for place in generator.permutation(len(hard_negatives))[:count].tolist()]
    return [Answer(int(answer_numbers(np.array(answer_key(each["text"])), KINDS.index(each["level"] or "catalogue"))), each["text"]) for each in chosen]


def _grades(answers: Sequence[Answer]) -> NDArray[np.float64]:
    """Of distinct answers, ascending by their numbers."""
    grades = {answer.number: answer.grade for answer in answers}
    return np.array([grades[number] for number in sorted(grades)], np.float64)


def _community(cut: Mapping[str, Any], history: pa.StructArray) -> int:
    return answer_key(cut["community"] if cut["community"] is not None else f"nowhere\x1f{history[0]['unit_id'].as_py()}")
