"""What a teacher judged -> grades of the positives of a cut, and hard negatives that were verified. Pure: rows in, rows out."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from lake.examples import answer_key
from lake.judgements import history_query_id

Judged = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""`query_id` -> `item_id` -> row of `judgements`."""


def judged_by_query(rows: Iterable[Mapping[str, Any]]) -> Judged:
    """Rows of `judgements` as they are looked up."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["query_id"], {})[row["item_id"]] = row
    return found


def with_judgements(
    example: dict[str, Any], unit_ids: Sequence[str], judged: Judged, hard_negative_grade: float, never: Set[int] = frozenset()
) -> dict[str, Any]:  # fmt: skip
    """A row of `examples` with grades and hard negatives, and the words of the latter. `unit_ids` are those of its history.

    A positive has the grade that its item got for the history up to the cut, else for the unit that was so labelled. An item is a hard negative of a cut where it
    got at most `hard_negative_grade` for that history, the person never did it, and its words (as an answer_key) are not among those that are never to be one.
    """
    did, cuts = set(example["did"]), []
    words: dict[str, dict[str, Any]] = {}
    for cut in example["cuts"]:
        of_history = judged.get(history_query_id(unit_ids[cut["history_length"] - 1]), {})
        positives = [positive | {"grade": _grade(positive, of_history, judged)} for positive in cut["positives"]]
        own = {positive["item_id"] for positive in positives}
        negatives = [
            row for item_id, row in sorted(of_history.items())
            if row["grade"] <= hard_negative_grade and item_id not in own and (key := answer_key(row["text"])) not in did and key not in never
        ]  # fmt: skip
        words |= {row["item_id"]: {name: row[name] for name in ("item_id", "level", "text")} for row in negatives}
        cuts.append(cut | {"positives": positives, "hard_negatives": [row["item_id"] for row in negatives]})
    return example | {"cuts": cuts, "candidates": [words[item_id] for item_id in sorted(words)]}


def _grade(positive: Mapping[str, Any], of_history: Mapping[str, Mapping[str, Any]], judged: Judged) -> float | None:
    row = of_history.get(positive["item_id"]) or judged.get(positive["unit_id"], {}).get(positive["item_id"])
    return None if row is None else row["grade"]
