"""Units of one batch -> what came of each, a label or the reason why there is none, through an engine."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from lake.labels import Label
from lake.rendering import RENDERING_VERSION
from teacher.answers import CHARACTER_LIMITS, LabelTexts, Refused, judge
from teacher.engine import Completion, Decoding, Engine, Question, Reader
from teacher.identity import Teacher
from teacher.prompts import Prompt, broad_question, chat_question, own_labels, own_texts, shortened, source_text, specific_question

RAW_CHARS = 500
SHARES = (1.0, 0.5, 0.25, 0.125)
"""Of each of a unit's texts, how much is shown where more of it is too many tokens: Chinese has three times as many a character as English."""
TOO_LONG = "prompt: too many tokens"
NOTHING = Completion("", False, 0, 0)
"""What is written to a question that nobody asked."""


class Reply(NamedTuple):
    """What the teacher wrote of one unit, not judged yet."""

    specific: str
    broad: str
    raw: str
    fault: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


def ask(engine: Engine, prompt: Prompt, units: Sequence[Mapping[str, Any]]) -> list[Reply]:
    """One reply a unit, in the order of the units."""
    return _ask_chat(engine, prompt, units) if prompt.style == "chat" else _ask_apart(engine, prompt, units)


def label_rows(
    teacher: Teacher, batch_id: str, units: Mapping[str, Mapping[str, Any]], replies: Mapping[str, Reply], labelled_at: datetime
) -> list[Label]:  # fmt: skip
    """Rows for `labels`, one a content; units and replies by content."""
    made_by: dict[str, Any] = {
        "teacher_version": teacher.version, "batch": batch_id, "labelled_at": labelled_at, "teacher_model": teacher.model,
        "prompt_version": teacher.prompt.prompt_version, "rendering_version": RENDERING_VERSION, "decoding": teacher.decoding,
    }  # fmt: skip
    return [
        Label(
            unit_hash=content, prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens,
            **said(_judged(teacher.prompt, units[content], reply), reply.raw), **made_by,
        )
        for content, reply in replies.items()
    ]  # fmt: skip


def said(judged: LabelTexts | Refused, raw: str) -> dict[str, Any]:
    """What a row of `labels` says: both labels, or the reason why they are none with what was written instead."""
    if isinstance(judged, Refused):
        return {"specific": "", "broad": "", "reason": judged.reason, "raw": raw[:RAW_CHARS]}
    return {"specific": judged.specific, "broad": judged.broad, "reason": None, "raw": None}


def _judged(prompt: Prompt, unit: Mapping[str, Any], reply: Reply) -> LabelTexts | Refused:
    if reply.fault:
        return Refused(reply.fault)
    return judge(reply.specific, reply.broad, source=source_text(prompt, unit), examples=own_labels(prompt), prompt_texts=own_texts(prompt))


def first_decoding(prompt: Prompt) -> Decoding:
    """How the first question of a unit is answered, and the only one of a chat prompt."""
    return Decoding(prompt.specific_tokens, (), _schema()) if prompt.style == "chat" else Decoding(prompt.specific_tokens, ("\n",))


def first_question(reader: Reader, prompt: Prompt, unit: Mapping[str, Any]) -> Question | None:
    """A unit's first question with as much of its texts as the model can read; None where no share of SHARES fits."""
    question: Callable[[Prompt, Mapping[str, Any]], Question] = chat_question if prompt.style == "chat" else specific_question
    questions = (question(prompt if share == 1 else shortened(prompt, share), unit) for share in SHARES)
    return next((each for each in questions if reader.fits(each, first_decoding(prompt))), None)


def _completions(engine: Engine, questions: Sequence[Question | None], decoding: Decoding) -> list[Completion]:
    """One completion a question, in their order; NOTHING where there is none."""
    found = iter(engine.complete([question for question in questions if question is not None], decoding))
    return [NOTHING if question is None else next(found) for question in questions]


def _ask_apart(engine: Engine, prompt: Prompt, units: Sequence[Mapping[str, Any]]) -> list[Reply]:
    """Specific labels first, then the category of each."""
    specifics = _first_answers(engine, prompt, units)
    broads = _broad_answers(engine, prompt, [found.text for found in specifics if _is_answer(found)])
    return [_joined(specific, next(broads) if _is_answer(specific) else NOTHING) for specific in specifics]


def _broad_answers(engine: Engine, prompt: Prompt, specifics: Sequence[str]) -> Iterator[Completion]:
    """The category of each specific label; of equal ones it is asked once, so that all of the others' prompts counts as read before."""
    questions = [broad_question(prompt, specific) for specific in specifics]
    distinct = list(dict.fromkeys(questions))
    answers = dict(zip(distinct, engine.complete(distinct, Decoding(prompt.broad_tokens, ("\n",))), strict=True))
    for question in questions:
        yield answers[question]
        answers[question] = answers[question]._replace(cached_tokens=answers[question].prompt_tokens)


def _first_answers(engine: Engine, prompt: Prompt, units: Sequence[Mapping[str, Any]]) -> list[Completion]:
    return _completions(engine, [first_question(engine, prompt, unit) for unit in units], first_decoding(prompt))


def _is_answer(completion: Completion) -> bool:
    return completion is not NOTHING and completion.refusal is None


def _joined(specific: Completion, broad: Completion) -> Reply:
    fault = TOO_LONG if specific is NOTHING else specific.refusal or (None if specific.is_whole else "specific: no end")
    fault = fault or broad.refusal or (None if broad.is_whole else "broad: no end")
    return Reply(
        specific.text, broad.text, f"{specific.text.strip()}\n{broad.text.strip()}", fault,
        specific.prompt_tokens + broad.prompt_tokens, specific.completion_tokens + broad.completion_tokens, specific.cached_tokens + broad.cached_tokens,
    )  # fmt: skip


def _ask_chat(engine: Engine, prompt: Prompt, units: Sequence[Mapping[str, Any]]) -> list[Reply]:
    """Both labels in one JSON object."""
    return [_parsed(found) for found in _first_answers(engine, prompt, units)]


def _schema() -> dict[str, Any]:
    properties = {level: {"type": "string", "minLength": 2, "maxLength": limit} for level, limit in CHARACTER_LIMITS.items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _parsed(completion: Completion) -> Reply:
    if completion is NOTHING:
        return Reply("", "", "", TOO_LONG, 0, 0, 0)
    specific, broad, fault = "", "", completion.refusal
    if fault is None:
        try:
            labels = json.loads(completion.text)
            specific, broad = str(labels["specific"]), str(labels["broad"])
        except (ValueError, KeyError, TypeError):
            fault = "answer: no JSON of two labels"
    return Reply(specific, broad, completion.text, fault, completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens)
