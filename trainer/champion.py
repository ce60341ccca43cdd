"""Which encoder is served: the choice between what was trained, its base, and the champion so far."""

from dataclasses import dataclass
from typing import Literal

from trainer.evaluation.metrics import Estimate

Choice = Literal["tuned", "base", "current"]


@dataclass(frozen=True)
class Lead:
    """By how much one encoder is ahead of another: paired differences of personal AUC at the specific level, over the same validation people."""

    all_futures: Estimate
    new_threads: Estimate

    @property
    def people(self) -> int:
        """Those of whom both differences can tell. Where nobody's threads are new, as on a platform without threads, all futures alone count."""
        return min(self.all_futures.people, self.new_threads.people or self.all_futures.people)

    @property
    def is_clear(self) -> bool:
        """Whether both intervals lie above 0."""
        return self.all_futures.low > 0 and (self.new_threads.low > 0 or not self.new_threads.people)

    def __str__(self) -> str:
        parts = {"": self.all_futures, " in new threads": self.new_threads}
        return ",".join(f" {found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]{where}" for where, found in parts.items() if found.people).strip()


@dataclass(frozen=True)
class Comparison:
    """What validation people say of the encoders. `personal_auc`: means at the specific level by name; NaN without such people.

    Leads over the champion so far are None where there is none to compare with: none yet, one of another rendering, one that may have met these
    people, or the base itself. `is_served`: whether something is served now that this program can use.
    """

    personal_auc: dict[str, float]
    tuned_over_base: Lead
    tuned_over_current: Lead | None
    base_over_current: Lead | None
    is_served: bool

    @property
    def people(self) -> int:
        """People of whom every difference can tell."""
        return self.tuned_over_base.people

    def metrics(self) -> dict[str, float]:
        """The numbers by name."""
        leads = {"tuned_minus_base": self.tuned_over_base, "tuned_minus_champion_so_far": self.tuned_over_current}
        numbers = {f"validation_personal_auc_{name}": score for name, score in self.personal_auc.items()}
        for name, lead in leads.items():
            for kind, found in (("all", lead.all_futures), ("new", lead.new_threads)) if lead else ():
                numbers |= {f"validation_{name}/{kind}": found.mean, f"validation_{name}/{kind}_low": found.low, f"validation_{name}/{kind}_high": found.high}
        return numbers


def choose_champion(found: Comparison, min_people: int, is_control: bool = False) -> Choice:
    """Who is served: what is served now, unless something else is clearly ahead of it, in all futures and in new threads, on enough people.

    The tuned encoder must be ahead of its base, and the better of the two of the champion so far. Where there is nothing to keep, the base is served
    that nothing has beaten. A control (shuffled labels) is never chosen.
    """
    kept: Choice = "current" if found.is_served else "base"
    if found.people < min_people:
        return kept
    if found.tuned_over_base.is_clear and not is_control:
        return "tuned" if found.tuned_over_current is None or found.tuned_over_current.is_clear else "current"
    return "base" if found.base_over_current is not None and found.base_over_current.is_clear else kept
