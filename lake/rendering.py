"""A unit or a history -> words. Pure, versioned, and the same at labelling, training and query time.

A change of what these functions return is a new RENDERING_VERSION: labels and vectors made with another one do not mix.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from lake.units import thread_title

RENDERING_VERSION = "1"
QueryFormat = Literal["units", "brief", "labels", "mixed", "raw"]
"""What a history is rendered from: its units; of units the thread's title and the own words alone, so that more of them fit; their labels alone, newest first; units with
their labels; or the platform's own form of them."""
READS_LABELS: frozenset[QueryFormat] = frozenset({"labels", "mixed"})
NEWEST_FIRST: frozenset[QueryFormat] = frozenset({"labels"})
LABEL_CHARS = 200
"""Of one label in a history."""
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
    lines = [plain(f"{unit['action'].capitalize()} in {plain(unit['community'], 80) or unit['platform']}", 200)]
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


def render_brief_unit(unit: Mapping[str, Any], own_chars: int, title_chars: int) -> str:
    """A unit as one line of a history: community, what opened the thread (or was acted on) by its title, or where it has none by its text, own text.

    About half as long as `render_history_unit`.
    """
    opening = next((entry["text"] for entry in unit["context"] if entry["role"] in OPENING), None)
    parts = (plain(unit["community"], 60) or unit["platform"], plain(thread_title(unit) or opening, title_chars), plain(unit["text"], own_chars))
    return " | ".join(part for part in parts if part)


def history_line(unit: Mapping[str, Any], query_format: QueryFormat, own_chars: int = 480, context_chars: int = 120) -> str | None:
    """A unit as one line of a history in a format; None under `labels` where it has no label.

    A label stands in the unit as `label` (`with_label`). The platform's own form is `source_text`; a unit without one is rendered as under `units`.
    """
    label = unit.get("label")
    if query_format == "labels":
        return None if label is None else render_label(label)
    if query_format == "raw" and (raw := plain(unit.get("source_text"), own_chars)):
        return raw
    if query_format == "brief":
        return render_brief_unit(unit, own_chars, context_chars)
    line = render_history_unit(unit, own_chars, context_chars)
    return f"{line} -> {render_label(label)}" if query_format == "mixed" and label is not None else line


def render_label(label: Mapping[str, Any]) -> str:
    """Both labels of a unit, on one line."""
    return f"{plain(label['specific'], LABEL_CHARS)} / {plain(label['broad'], LABEL_CHARS)}"


def with_label(unit: Mapping[str, Any], labels: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The unit with its own of the labels (by `unit_id`), each with `specific` and `broad`; as it is where it has none."""
    label = labels.get(unit["unit_id"])
    return unit if label is None else {**unit, "label": {"specific": label["specific"], "broad": label["broad"]}}


def has_line(unit: Mapping[str, Any], query_format: QueryFormat) -> bool:
    """Whether a unit stands in a history that is read in a format."""
    return query_format != "labels" or unit.get("label") is not None


def is_readable(history: Iterable[Mapping[str, Any]], query_format: QueryFormat) -> bool:
    """Whether there is anything to read in a history."""
    return any(has_line(unit, query_format) for unit in history)


def join_history(lines: Sequence[str]) -> str:
    """Lines of a history, in their order, as the text that the encoder reads."""
    return "\n".join(lines)


def nearest_context(context: Sequence[Mapping[str, Any]], max_parents: int) -> list[Mapping[str, Any]]:
    """The root or object, where there is one, and the nearest `max_parents` of the rest, outermost first."""
    roots = [entry for entry in context if entry["role"] in OPENING]
    others = [entry for entry in context if entry["role"] not in OPENING]
    return [*roots[:1], *others[max(0, len(others) - max_parents) :]]
