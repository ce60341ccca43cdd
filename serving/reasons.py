"""Why an item was recommended, told by the person's own labels. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lake.labels import Level

UNITS_OF_REASON = 3
Vector = Sequence[float]


def nearest_reasons(labels: Sequence[Mapping[str, Any]], level: Level, item: Vector, vectors: Mapping[str, Vector]) -> list[dict[str, Any]]:
    """Each pair of a person's labels with the cosine of its label of the level with the item, nearest first, ties by the words; with its newest units.

    Labels are rows of `person_labels`, a unit each; `vectors` those of their items, by `item_id`. Pairs whose item is not there are left out.
    """
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in labels:
        if row[f"{level}_item_id"] in vectors:
            pairs.setdefault((row["specific"], row["broad"]), []).append(row)
    found = [_reason(pair, rows, cosine(item, vectors[rows[0][f"{level}_item_id"]])) for pair, rows in pairs.items()]
    return sorted(found, key=lambda reason: (-reason["score"], reason["specific"], reason["broad"]))


def cosine(one: Vector, other: Vector) -> float:
    """Cosine of two vectors (D,)."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _reason(pair: tuple[str, str], rows: Sequence[Mapping[str, Any]], score: float) -> dict[str, Any]:
    newest = sorted(rows, key=lambda row: (row["created_at"], row["unit_id"]), reverse=True)[:UNITS_OF_REASON]
    units = [{"unit_id": row["unit_id"], "created_at": row["created_at"]} for row in newest]
    return {"specific": pair[0], "broad": pair[1], "score": score, "unit_count": len(rows), "units": units}
