"""Lines of labels made elsewhere -> rows of `labels`, by the rules that the teacher's own answers pass."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lake.forgotten import Erased
from lake.labels import UNKNOWN_UNIT, Label
from lake.rendering import RENDERING_VERSION, plain
from teacher.answers import ANSWERS_VERSION, LabelTexts, Refused, judge
from teacher.labelling import RAW_CHARS, said

_NO_TEXT = re.compile("[\ud800-\udfff]")
"""Halves of characters, which JSON may name and no id has."""
AMBIGUOUS = "id of several units"


class ImportedLine(NamedTuple):
    """One line of the file: the units that its id may mean, and its two texts; or the fault that it has."""

    raw: str
    given_id: str
    unit_ids: tuple[str, ...] = ()
    specific: str = ""
    broad: str = ""
    fault: str | None = None


class Imported(NamedTuple):
    """What an import makes of the lines: their number is that of rows and duplicates together."""

    rows: list[Label]
    duplicates: Counter[str]

    @property
    def rejects(self) -> list[Label]:
        """Rows that are no labels."""
        return [row for row in self.rows if row.reason is not None]


def parse_line(line: str, native_ids: Sequence[str]) -> ImportedLine:
    """A line {"unit_id" or the platform's own "id", "specific", "broad"}; other keys are ignored.

    `native_ids` are patterns of unit ids in which '{id}' stands for the platform's own; the first that names a unit counts.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return ImportedLine(line, "", fault="not json")
    if not isinstance(values, dict):
        return ImportedLine(line, "", fault="not an object")
    unit_id, native_id = values.get("unit_id"), values.get("id")
    if any(isinstance(given, str) and _NO_TEXT.search(given) for given in (unit_id, native_id)):
        return ImportedLine(line, "", fault="no id")
    if isinstance(unit_id, str) and unit_id:
        return _with_labels(ImportedLine(line, unit_id, (unit_id,)), values)
    if isinstance(native_id, str) and native_id:
        return _with_labels(ImportedLine(line, native_id, tuple(pattern.replace("{id}", native_id) for pattern in native_ids)), values)
    return ImportedLine(line, "", fault="no id")


def without_erased(lines: Sequence[ImportedLine], erased: Erased) -> list[ImportedLine]:
    """The lines that are of no act that was forgotten."""
    return [line for line in lines if not any(erased.has("act", unit_id) for unit_id in line.unit_ids)]


def import_labels(lines: Iterable[ImportedLine], contents: Mapping[str, Collection[str]], teacher_model: str, teacher_version: str) -> Imported:
    """What comes of the lines. `contents` is unit_id -> the content that its label belongs to: of an id that several units have, all of theirs.

    A line whose id has several contents is a reject, since nobody knows which of them it is about.
    Of several lines of one content the first good one counts, the others are duplicates. A reject is known by its content, by the given id where
    there is no such unit, by a hash of the line where there is no id; a second one of the same is a duplicate too.
    """
    made_by: dict[str, Any] = {
        "teacher_version": teacher_version, "teacher_model": teacher_model, "prompt_version": "import", "rendering_version": RENDERING_VERSION,
        "decoding": f"import, {ANSWERS_VERSION}", "prompt_tokens": None, "completion_tokens": None, "batch": None, "labelled_at": None,
    }  # fmt: skip
    labels: dict[str, Label] = {}
    rejects: dict[str, Label] = {}
    duplicates: Counter[str] = Counter()
    for line in lines:
        named = next((contents[unit_id] for unit_id in line.unit_ids if unit_id in contents), ())
        content = next(iter(named)) if len(named) == 1 else None
        if content in labels:
            duplicates["duplicate: content labelled by an earlier line"] += 1
            continue
        judged = _judged(line, content, UNKNOWN_UNIT if not named else AMBIGUOUS)
        if isinstance(judged, Refused):
            key = content or line.given_id[:RAW_CHARS] or hashlib.sha256(line.raw.encode(errors="replace")).hexdigest()
            if key in rejects:
                duplicates["duplicate: reject of an earlier line"] += 1
            rejects.setdefault(key, Label(unit_hash=key, **said(judged, plain(line.raw, RAW_CHARS)), **made_by))
            continue
        assert content is not None  # a line of no unit is refused
        labels[content] = Label(unit_hash=content, **said(judged, line.raw), **made_by)
    for content in labels.keys() & rejects.keys():
        duplicates["duplicate: content labelled by a later line"] += 1
        del rejects[content]
    return Imported([*labels.values(), *rejects.values()], duplicates)


def _with_labels(line: ImportedLine, values: Mapping[str, Any]) -> ImportedLine:
    specific, broad = values.get("specific"), values.get("broad")
    if not isinstance(specific, str) or not isinstance(broad, str):
        return line._replace(fault="no labels")
    return line._replace(specific=specific, broad=broad)


def _judged(line: ImportedLine, content: str | None, why_none: str) -> LabelTexts | Refused:
    if line.fault:
        return Refused(line.fault)
    return Refused(why_none) if content is None else judge(line.specific, line.broad)
