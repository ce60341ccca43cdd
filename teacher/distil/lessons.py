"""What a small model learns from: contents with a strong teacher's labels, as the question that `label` asks of them and the answer that it should get (edge).

People are held out whole. A person's contents resemble each other, and a model that has learned some of them would be flattered by the others.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds

from conf.errors import TeacherError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import HeldOut
from lake.job_runs import Inputs
from lake.labels import LABELS, LEVELS, is_label
from lake.units import UNITS
from teacher.config import DistilConfig
from teacher.engines.tokens import PromptTokens
from teacher.labelling import first_question
from teacher.prompts import Prompt
from teacher.selected_units import SHOWN_COLUMNS, ChosenContents, identities_of, pending_units, selected_parts

Units = dict[str, Mapping[str, Any]]
"""Content -> the unit that is shown for it."""


class Lesson(NamedTuple):
    """One content: the tokens that are read, and those that should be written, the sign of the end among them."""

    content: str
    question: list[int]
    answer: list[int]

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.question) + len(self.answer)


class Lessons(NamedTuple):
    """Contents to learn from and contents held out, each in the order of its hash; those that no model of this context could be asked are `left_out`."""

    learned: list[Lesson]
    held_out: list[Lesson]
    left_out: int

    @property
    def fingerprint(self) -> str:
        """16 hex digits: the same for the same lessons."""
        told = [[[*lesson] for lesson in lessons] for lessons in (self.learned, self.held_out)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def read_lessons(lake: LakeConfig, tables: Inputs, strong: str, config: DistilConfig, prompt: Prompt, tokens: PromptTokens) -> Lessons:
    """Contents that a strong teacher has a label of, and whose unit is in the lake; each once. Raises TeacherError where they are too few."""
    answers = _answers(lake, tables, strong)
    parts = selected_parts(lake, ChosenContents(pa.array(answers, pa.string())), tables.version(UNITS))
    identities, people = identities_of(lake), HeldOut(validation_share=0, test_share=config.held_out_share)
    learned: Units = {}
    held_out: Units = {}
    for content, unit in pending_units(lake, parts, (), tables.version(UNITS), (*SHOWN_COLUMNS, "user_id")):
        is_held_out = people.split_of(identities.get(unit["user_id"], unit["user_id"])) == "test"
        (held_out if is_held_out else learned)[content] = unit
    chosen = _first(learned, config.contents), _first(held_out, max(config.held_out_contents, config.loss_contents))
    of_learned, of_held_out = ([_lesson(content, unit, answers[content], prompt, tokens) for content, unit in units.items()] for units in chosen)
    found = Lessons([each for each in of_learned if each], [each for each in of_held_out if each], [*of_learned, *of_held_out].count(None))
    _check_enough(found, strong, config)
    return found


def _lesson(content: str, unit: Mapping[str, Any], answer: str, prompt: Prompt, tokens: PromptTokens) -> Lesson | None:
    """None where not even a part of the unit's texts is few enough tokens."""
    question = first_question(tokens, prompt, unit)
    return None if question is None else Lesson(content, tokens.of(question), tokens.of_answer(answer))


def answer_text(labels: Mapping[str, str]) -> str:
    """Both labels in the JSON that the schema of `label` makes a model write: in the order of LEVELS, without white space, which vLLM is told to leave out.

    A model that learned it with a space after each colon, which is another token, writes no label where it is held to none. Double quotes become single ones: the grammar of a text of limited
    length (xgrammar) knows no escapes.
    """
    return json.dumps({level: labels[level].replace('"', "'") for level in LEVELS}, ensure_ascii=False, separators=(",", ":"))


def _answers(lake: LakeConfig, tables: Inputs, strong: str) -> dict[str, str]:
    """Content -> what should be answered."""
    where = is_label() & (ds.field("teacher_version") == strong)
    rows = arrow_tables.read(lake, LABELS, ("unit_hash", *LEVELS), where, tables.version(LABELS))
    return {row["unit_hash"]: answer_text(row) for row in rows.to_pylist()}


def _first(units: Units, most: int | None) -> Units:
    """So many at most, in the order of their contents' hashes."""
    return {content: units[content] for content in sorted(units)[:most]}


def _check_enough(found: Lessons, strong: str, config: DistilConfig) -> None:
    learned, held_out = len(found.learned), len(found.held_out)
    if learned < config.min_contents or not held_out:
        raise TeacherError(
            f"labels of teacher {strong}: {learned} contents to learn from and {held_out} to hold out, expected {config.min_contents} (teacher.distil.min_contents) and some; "
            "let it label more, or import more labels, of more people"
        )


def tokens_of_lessons(lessons: Sequence[Lesson]) -> int:
    """All that is read and written."""
    return sum(lesson.length for lesson in lessons)
