"""Labels of several teachers as a model judges them: whether a specific one follows from its text, and belongs to its broad one.

A model that says Yes of everything would find all labels right, so each question is asked of another content's label too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from teacher.audit.measures import Audited, Share, share
from teacher.engine import Decoding, Judge, Question
from teacher.fence import harmless
from teacher.judgements.fusing import expected_grades
from teacher.judgements.prompts import JudgePrompt, query_words, relevance_question
from teacher.labelling import SHARES

Chances = NDArray[np.float64]


class Answered(BaseModel):
    """What a model says to one question of a teacher's labels."""

    model_config = ConfigDict(frozen=True)

    yes: Share = Field(description="Contents of whose label it takes Yes to be likelier than No.")
    yes_of_others: Share = Field(description="The same with another content's label in the place of its own.")
    told_apart: Share = Field(description="Chance that it takes Yes to be likelier of the own label than of the other one; ties count half.")


class JudgedFigures(BaseModel):
    """What a model makes of one teacher's labels."""

    model_config = ConfigDict(frozen=True)

    teacher_version: str
    contents: int = Field(description="Labelled ones.")
    supported: Answered = Field(description="Whether the text says what the specific label says.")
    entailed: Answered = Field(description="Whether the specific label belongs to the broad one.")


def judged_figures(
    audited: Audited, units: Mapping[str, Mapping[str, Any]], model: Judge, supported: JudgePrompt, entailed: JudgePrompt, is_chat: bool
) -> list[JudgedFigures]:  # fmt: skip
    """A teacher each, in the order given; `units` by content. The label of another content is that of the next one."""
    found = []
    for version, answers in audited.answers.items():
        labels = [answers[content] for content in audited.contents if answers[content].reason is None]
        words = [_words(model, supported, units[label.unit_hash], is_chat) for label in labels]
        specifics, broads = [label.specific for label in labels], [label.broad for label in labels]
        found.append(JudgedFigures(
            teacher_version=version, contents=len(labels), supported=_answered(model, supported, words, specifics, is_chat),
            entailed=_answered(model, entailed, [harmless(specific) for specific in specifics], broads, is_chat),
        ))  # fmt: skip
    return found


def _answered(model: Judge, prompt: JudgePrompt, queries: Sequence[str], items: Sequence[str], is_chat: bool) -> Answered:
    own = _chances(model, [relevance_question(prompt, "unit", query, item, is_chat) for query, item in zip(queries, items, strict=True)], prompt)
    others = [*items[1:], *items[:1]]
    other = _chances(model, [relevance_question(prompt, "unit", query, item, is_chat) for query, item in zip(queries, others, strict=True)], prompt)
    other[[one == another for one, another in zip(items, others, strict=True)]] = np.nan
    known = ~np.isnan(own) & ~np.isnan(other)
    apart = np.where(known, (own > other) + (own == other) / 2, np.nan)
    return Answered(yes=share(_is_yes(own)), yes_of_others=share(_is_yes(other)), told_apart=share(apart))


def _is_yes(chances: Chances) -> Chances:
    return np.where(np.isnan(chances), np.nan, chances > 0.5)


def _chances(model: Judge, questions: Sequence[Question], prompt: JudgePrompt) -> Chances:
    """How likely Yes is, of Yes and No; NaN where the model does not read a question."""
    grades = list(prompt.answers.values())
    return np.array([np.nan if each is None else expected_grades([each], grades)[0] for each in model.choices(questions, list(prompt.answers))], np.float64)


def _words(model: Judge, prompt: JudgePrompt, unit: Mapping[str, Any], is_chat: bool) -> str:
    """A unit's words, as many of them as the model reads."""
    for part in SHARES:
        words = query_words(prompt, [unit], part)
        if model.fits(relevance_question(prompt, "unit", words, "x" * 200, is_chat), Decoding(1)):
            break
    return words
