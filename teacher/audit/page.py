"""The page of an audit: random contents with their labels, for a reader to tick, who is not told whose they are. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lake.labels import LEVELS, Label
from lake.pages import page_environment
from lake.rendering import render_unit
from teacher.audit.measures import Audited
from teacher.audit.ticks import VERDICTS, answer_code


@dataclass(frozen=True)
class ShownAnswer:
    """One teacher's labels of a content, by a name that does not tell the teacher."""

    code: str
    specific: str
    broad: str


@dataclass(frozen=True)
class ShownContent:
    """A unit as the teacher read it, line by line, and what was said of it, each pair of labels once and in an order drawn by lot."""

    lines: Sequence[str]
    answers: Sequence[ShownAnswer]


def shown_contents(audited: Audited, units: Mapping[str, Mapping[str, Any]], most: int) -> list[ShownContent]:
    """The first contents of which anybody has a label; `units` are by content."""
    found: list[ShownContent] = []
    for content in audited.contents:
        answers = [(version, answers[content]) for version, answers in audited.answers.items() if answers[content].reason is None]
        if answers and len(found) < most:
            found.append(ShownContent(render_unit(units[content]).splitlines(), _in_lots(content, answers)))
    return found


def render_page(contents: Sequence[ShownContent], title: str) -> str:
    """The page, which needs nothing besides; ticks stay in the browser until the reader saves them as a file."""
    template = page_environment("teacher.audit").get_template("page.html")
    return template.render(
        title=title, contents=contents, levels=LEVELS, verdicts=VERDICTS, page=hashlib.sha256(repr(contents).encode("utf-8", "replace")).hexdigest()[:16]
    )


def _in_lots(content: str, answers: Sequence[tuple[str, Label]]) -> list[ShownAnswer]:
    shown = [ShownAnswer(answer_code(content, version), label.specific, label.broad) for version, label in answers]
    return sorted(shown, key=lambda answer: answer.code)
