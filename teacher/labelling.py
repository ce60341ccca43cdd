"""Units of one batch -> their labels and rejects, through an engine."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from lake.labels import Label, LabelReject
from lake.rendering import RENDERING_VERSION
from teacher.answers import CHARACTER_LIMITS, LabelTexts, Refused, judge
from teacher.engine import Completion, Decoding, Engine
from teacher.identity import Teacher
from teacher.prompts import Prompt, broad_question, chat_question, source_text, specific_question

RAW_CHARS = 500


class Reply(NamedTuple):
    """What the teacher wrote of one unit, not judged yet."""

    specific: str
    broad: str
    raw: str
    fault: str | None
    prompt_tokens: int
    completion_tokens: int


def ask(engine: Engine, prompt: Prompt, units: Sequence[Mapping[str, Any]]) -> list[Reply]:
    """One reply a unit, in the order of the units."""
    return _ask_chat(engine, prompt, units) if prompt.style == "chat" else _ask_apart(engine, prompt, units)


def label_rows(
    teacher: Teacher, batch_id: str, units: Mapping[str, Mapping[str, Any]], replies: Mapping[str, Reply], labelled_at: datetime
) -> tuple[list[Label], list[LabelReject]]:
    """Rows for `labels` and `label_rejects`; units and replies by content."""
    labels: list[Label] = []
    rejects: list[LabelReject] = []
    made_by: dict[str, Any] = {"teacher_version": teacher.version, "batch": batch_id, "labelled_at": labelled_at}
    label_of: dict[str, Any] = {
        "teacher_model": teacher.model, "prompt_version": teacher.prompt.prompt_version, "rendering_version": RENDERING_VERSION, "decoding": teacher.decoding,
    }  # fmt: skip
    for content, reply in replies.items():
        judged = _judged(teacher.prompt, units[content], reply)
        if isinstance(judged, Refused):
            rejects.append(LabelReject(unit_hash=content, reason=judged.reason, raw=reply.raw[:RAW_CHARS], **made_by))
            continue
        tokens = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
        labels.append(Label(unit_hash=content, specific=judged.specific, broad=judged.broad, **tokens, **label_of, **made_by))
    return labels, rejects


def _judged(prompt: Prompt, unit: Mapping[str, Any], reply: Reply) -> LabelTexts | Refused:
    if reply.fault:
        return Refused(reply.fault)
    examples = [example.specific for example in prompt.examples]
    return judge(reply.specific, reply.broad, source=source_text(prompt, unit), examples=examples)


def _ask_apart(engine: Engine, prompt: Prompt, units: Sequence[Mapping[str, Any]]) -> list[Reply]:
    """Specific labels first, then the category of each; equal ones are asked once."""
    specifics = engine.complete([specific_question(prompt, unit) for unit in units], Decoding(prompt.specific_tokens, ("\n",)))
    questions = [broad_question(prompt, found.text) for found in specifics]
    distinct = list(dict.fromkeys(questions))
    broads = dict(zip(distinct, engine.complete(distinct, Decoding(prompt.broad_tokens, ("\n",))), strict=True))
    return [_joined(specific, broads[question]) for specific, question in zip(specifics, questions, strict=True)]


def _joined(specific: Completion, broad: Completion) -> Reply:
    fault = None if specific.is_whole else "specific: no end"
    fault = fault or (None if broad.is_whole else "broad: no end")
    return Reply(
        specific.text, broad.text, f"{specific.text.strip()}\n{broad.text.strip()}", fault,
        specific.prompt_tokens + broad.prompt_tokens, specific.completion_tokens + broad.completion_tokens,
    )  # fmt: skip


def _ask_chat(engine: Engine, prompt: Prompt, units: Sequence[Mapping[str, Any]]) -> list[Reply]:
    """Both labels in one JSON object."""
    found = engine.complete([chat_question(prompt, unit) for unit in units], Decoding(prompt.specific_tokens, (), _schema()))
    return [_parsed(completion) for completion in found]


def _schema() -> dict[str, Any]:
    properties = {level: {"type": "string", "minLength": 2, "maxLength": limit} for level, limit in CHARACTER_LIMITS.items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _parsed(completion: Completion) -> Reply:
    try:
        labels = json.loads(completion.text)
        specific, broad = str(labels["specific"]), str(labels["broad"])
    except (ValueError, KeyError, TypeError):
        return Reply("", "", completion.text, "answer: no JSON of two labels", completion.prompt_tokens, completion.completion_tokens)
    return Reply(specific, broad, completion.text, None, completion.prompt_tokens, completion.completion_tokens)
