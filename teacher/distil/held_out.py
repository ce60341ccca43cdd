"""A distilled teacher on contents that it did not learn from, beside the strong one, by the measures of an audit."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from lake.config import LakeConfig
from lake.job_runs import inputs_now
from lake.labels import LABELS, LEVELS, Label
from lake.units import UNITS
from teacher.audit.audited import answers_of, audited_units
from teacher.audit.measures import Encode, PairFigures, TeacherFigures, pair_figures, teacher_figures
from teacher.selected_units import ChosenContents, pending_units, selected_parts


class HeldOutFigures(NamedTuple):
    """What the held-out contents say of a distilled teacher. `agreement`: the cosine of its labels and the strong one's, on the mean over contents and levels; 0 where it has no label."""

    contents: int
    agreement: float
    teachers: list[TeacherFigures]
    pairs: list[PairFigures]

    def metrics(self) -> dict[str, float]:
        """The figures of the distilled teacher, which stands second, by name."""
        own = self.teachers[1]
        found = {"contents": float(self.contents), "agreement": self.agreement, "reject_share": sum(own.rejects.values()) / own.asked}
        for pair in self.pairs:
            found |= {
                f"{pair.level}_cosine": pair.cosine.mean,
                f"{pair.level}_same_meaning": pair.same_meaning.mean,
                f"{pair.level}_told_apart": pair.told_apart.mean,
            }
        for level, figures in own.levels.items():
            found |= {f"{level}_of_its_text": figures.of_its_text.mean, f"{level}_entropy": figures.entropy}
        return found


def held_out_figures(lake: LakeConfig, contents: Sequence[str], strong: str, distilled: str, encode: Encode, same_meaning: float) -> HeldOutFigures:
    """The strong teacher and a distilled one on contents that both were asked about; those whose unit is not there any more are left out."""
    tables = inputs_now(lake, reads=(LABELS, UNITS))
    parts = selected_parts(lake, ChosenContents(pa.array(contents, pa.string())), tables.version(UNITS))
    units = dict(pending_units(lake, parts, (), tables.version(UNITS)))
    answers = answers_of(lake, tables, (strong, distilled), [*units])
    audited = audited_units(units, answers)
    pairs = pair_figures(audited, encode, same_meaning)
    return HeldOutFigures(len(units), agreement(answers[strong], answers[distilled], encode), teacher_figures(audited, encode), pairs)


def agreement(strong: Mapping[str, Label], distilled: Mapping[str, Label], encode: Encode) -> float:
    """Mean cosine of two teachers' labels over all contents and levels; 0 for a content without a label of the distilled one, since no label is as much use."""
    both = [(label, distilled[content]) for content, label in strong.items() if distilled[content].reason is None]
    sums = [(encode([getattr(one, level) for one, _ in both]) * encode([getattr(other, level) for _, other in both])).sum() for level in LEVELS]
    return float(np.sum(sums)) / (len(LEVELS) * len(strong))
