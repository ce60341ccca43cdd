"""What a teacher judged -> grades of the positives of a cut, hard negatives that were verified, and better labels. Pure: rows in, rows out."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from lake.examples import answer_key
from lake.judgements import history_query_id
from lake.labels import LEVELS

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


def with_better_labels(example: dict[str, Any], judged: Judged, never: Set[int] = frozenset()) -> dict[str, Any]:
    """A row of `examples` in which the item that was judged best for a unit takes the place of its label, at a level at which both were judged and the label got less.

    So it is in the labels of the history and in the positives of the cuts; what the label says stays among what the person did, and what the item says joins it. Words (as an answer_key) that are never to be
    learned take no place.
    """
    better = {}
    for label in example["labelled"]:
        for level in LEVELS:
            of_unit = {item_id: row for item_id, row in judged.get(label["unit_id"], {}).items() if row["level"] == level}
            own = of_unit.get(label[f"{level}_item_id"])
            best = max(of_unit.values(), key=lambda row: (row["grade"], row["item_id"]), default=None)
            if own and best and best["grade"] > own["grade"] and answer_key(best["text"]) not in never:
                better[label["unit_id"], level] = best
    labelled = [
        label | {name: value for level in LEVELS if (row := better.get((label["unit_id"], level))) for name, value in ((level, row["text"]), (f"{level}_item_id", row["item_id"]))}
        for label in example["labelled"]
    ]  # fmt: skip
    cuts = [
        cut | {"positives": [positive | _item_of(better.get((positive["unit_id"], positive["level"]))) for positive in cut["positives"]]}
        for cut in example["cuts"]
    ]
    did = sorted({*example["did"], *(answer_key(row["text"]) for row in better.values())})
    return example | {"labelled": labelled, "cuts": cuts, "did": did}


def _item_of(row: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if row is None else {"item_id": row["item_id"]}


def _grade(positive: Mapping[str, Any], of_history: Mapping[str, Mapping[str, Any]], judged: Judged) -> float | None:
    row = of_history.get(positive["item_id"]) or judged.get(positive["unit_id"], {}).get(positive["item_id"])
    return None if row is None else row["grade"]
