"""Why an item was recommended: pairs of labels by the cosine of the one that counts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from serving.reasons import cosine, nearest_reasons


def labelled(number: int, specific: str, broad: str) -> dict[str, Any]:
    return {
        "unit_id": f"u{number}", "created_at": datetime(2024, 1, 1 + number, tzinfo=UTC), "specific": specific, "broad": broad,
        "specific_item_id": f"s-{specific}", "broad_item_id": f"b-{broad}",
    }  # fmt: skip


ROWS = [labelled(number, "bread", "food") for number in range(4)] + [labelled(7, "rye", "food"), labelled(8, "chess", "games"), labelled(9, "gone", "games")]
VECTORS = {"s-bread": [1.0, 0.0], "s-rye": [2.0, 2.0], "s-chess": [0.0, 3.0], "b-food": [1.0, 0.0], "b-games": [0.0, 1.0]}


def test_pairs_come_nearest_first_with_their_newest_units() -> None:
    reasons = nearest_reasons(ROWS, "specific", [4.0, 0.0], VECTORS)
    assert [(reason["specific"], reason["unit_count"]) for reason in reasons] == [("bread", 4), ("rye", 1), ("chess", 1)]
    assert [reason["score"] for reason in reasons] == pytest.approx([1, 0.5**0.5, 0])
    assert [unit["unit_id"] for unit in reasons[0]["units"]] == ["u3", "u2", "u1"]


def test_of_a_broad_item_the_broad_label_counts_and_ties_go_by_the_words() -> None:
    reasons = nearest_reasons(ROWS, "broad", [1.0, 0.0], VECTORS)
    assert [reason["specific"] for reason in reasons] == ["bread", "rye", "chess", "gone"]


def test_who_has_no_labels_has_no_reasons() -> None:
    assert nearest_reasons([], "specific", [1.0], VECTORS) == []


def test_cosine_is_that_of_the_angle() -> None:
    assert cosine([3.0, 4.0], [4.0, 3.0]) == pytest.approx(24 / 25)
