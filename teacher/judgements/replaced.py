"""How often another item than the one that is given is judged to be the best. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lake.labels import Level
from teacher.judgements.queries import Query

OF_UNITS = "the teacher's own label of a unit"
OF_HISTORIES = "the label of what a person did next"


def replaced_counts(queries: Sequence[Query], rows: Iterable[Mapping[str, Any]], levels: Sequence[Level]) -> Counter[str]:
    """By level, of units and of histories: how many were judged with the item that is given, and of how many another one got a higher grade."""
    grades: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        grades.setdefault(row["query_id"], {}).setdefault(row["level"], {})[row["item_id"]] = row["grade"]
    counts: Counter[str] = Counter()
    for query in queries:
        for level in levels:
            of_query = grades.get(query.query_id, {}).get(level, {})
            if level in query.given and (own := of_query.get(query.given[level][0])) is not None:
                counts[judged_key(query.of, level)] += 1
                counts[replaced_key(query.of, level)] += max(of_query.values()) > own
    return counts


def judged_key(of: str, level: str) -> str:
    """Name of a count of `job_runs`."""
    return f"{level}, {of}: judged with the label that is there"


def replaced_key(of: str, level: str) -> str:
    """Name of a count of `job_runs`."""
    return f"{level}, {of}: another item ranks first"


def replaced_text(counts: Mapping[str, int], levels: Sequence[Level]) -> str:
    """A line for each level, of units and of histories."""
    lines = []
    for level in levels:
        for of, what in (("unit", OF_UNITS), ("history", OF_HISTORIES)):
            judged, replaced = counts.get(judged_key(of, level), 0), counts.get(replaced_key(of, level), 0)
            if judged:
                lines.append(f"{level}: another item ranks before {what} in {replaced} of {judged} ({replaced / judged:.1%})")
    return "\n".join(lines) or "nothing was judged"
