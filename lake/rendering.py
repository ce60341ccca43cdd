"""A unit or a history -> words. Pure, versioned, and the same at labelling, training and query time.

A change of what these functions return is a new RENDERING_VERSION: labels and vectors made with another one do not mix.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

RENDERING_VERSION = "1"
OPENING = {"root": "Thread", "object": "About"}
"""Roles of what a unit's context begins with, and what the teacher reads before its words."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SPACE = re.compile(r"\s+")


def plain(text: str | None, max_chars: int) -> str:
    """Text on one line without control characters, cut to `max_chars` at a word where there is one near."""
    if not text:
        return ""
    line = _SPACE.sub(" ", _CONTROL.sub(" ", text[: max_chars * 4])).strip()
    if len(line) <= max_chars:
        return line
    cut = line[:max_chars]
    at_word = cut.rfind(" ", max_chars * 3 // 4)
    return cut[: at_word if at_word > 0 else max_chars].rstrip() + "…"


def own_words(unit: Mapping[str, Any], max_chars: int) -> str:
    """Title and text of a unit, one line."""
    return plain(" — ".join(part for part in (unit["title"], unit["text"]) if part), max_chars)


def render_unit(unit: Mapping[str, Any], own_chars: int = 1500, context_chars: int = 500, max_parents: int = 3) -> str:
    """A unit in its context, one line each, outermost first: what the teacher reads.

    Of the context: the root (or object) and the `max_parents` nearest of the rest. No line can be forged by a user's text, since texts have no line breaks.
    """
    lines = [f"{unit['action'].capitalize()} in {plain(unit['community'], 80) or unit['platform']}"]
    for entry in nearest_context(unit["context"], max_parents):
        heading = OPENING.get(entry["role"]) or f"{entry['role'].capitalize()} by {entry['speaker']}"
        lines.append(f"{heading}: {plain(entry['text'], context_chars)}")
    lines.append(f"Self: {own_words(unit, own_chars)}")
    return "\n".join(lines)


def render_history_unit(unit: Mapping[str, Any], own_chars: int = 480, context_chars: int = 120) -> str:
    """A unit as one line of a history: community, root, nearest parent, own words."""
    parts = [plain(unit["community"], 60) or unit["platform"]]
    parts += [plain(entry["text"], context_chars) for entry in nearest_context(unit["context"], 1)]
    return " | ".join(part for part in (*parts, own_words(unit, own_chars)) if part)


def join_history(lines: Sequence[str]) -> str:
    """Rendered units, oldest first, as the text that the encoder reads."""
    return "\n".join(lines)


def nearest_context(context: Sequence[Mapping[str, Any]], max_parents: int) -> list[Mapping[str, Any]]:
    """The root or object, where there is one, and the nearest `max_parents` of the rest, outermost first."""
    roots = [entry for entry in context if entry["role"] in OPENING]
    others = [entry for entry in context if entry["role"] not in OPENING]
    return [*roots[:1], *others[max(0, len(others) - max_parents) :]]
