"""Which encoder is served: the choice between what was trained, its base, and the champion so far."""

import math
from dataclasses import dataclass
from typing import Literal

Choice = Literal["tuned", "base", "current"]


@dataclass(frozen=True)
class Comparison:
    """Mean personal AUC on the same validation people at the specific level; NaN without such people.

    `current` is None where there is no champion to compare with: none yet, one of another rendering, one that may have met these people, or the base itself.
    """

    tuned: float
    base: float
    current: float | None
    people: int

    def metrics(self) -> dict[str, float]:
        """The numbers by name."""
        scores = {"tuned": self.tuned, "base": self.base} | ({} if self.current is None else {"champion_so_far": self.current})
        return {f"validation_personal_auc_{name}": score for name, score in scores.items()}


def choose_champion(found: Comparison, is_control: bool = False) -> Choice:
    """Who is served.

    The tuned encoder must beat its base. The champion so far stays only if it beats the winner of the two: on a tie, what was trained on newer
    tables is served. A control (shuffled labels) is never chosen, and without validation people nothing has beaten the base, or the champion.
    """
    if math.isnan(found.base):
        return "base" if found.current is None else "current"
    winner: Choice = "tuned" if found.tuned > found.base and not is_control else "base"
    best = found.tuned if winner == "tuned" else found.base
    return "current" if found.current is not None and found.current > best else winner
