"""The contents of an audit, out of the tables (edge)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from conf.errors import ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import Inputs
from lake.labels import LABELS, Label
from lake.rendering import render_unit
from lake.units import UNITS
from teacher.audit.measures import Audited
from teacher.selected_units import ABOUT_UNITS, ChosenContents, contents_asked_of_all, pending_units, selected_parts

SPARE = 2
"""So many times as many contents are looked for as are wanted, since an erased unit is not there any more."""


def find_teachers(lake: LakeConfig, tables: Inputs, wanted: Sequence[str]) -> list[str]:
    """The versions of all teachers of `labels`, the one that was asked most first; or those wanted, each given by its beginning. Raises ContractError where one is not there or not told."""
    counts = Counter[str]()
    for batch in arrow_tables.read_batches(lake, LABELS, ("teacher_version",), ABOUT_UNITS, tables.version(LABELS)):
        counts.update({each["values"]: each["counts"] for each in batch["teacher_version"].value_counts().to_pylist()})
    known = sorted(counts, key=lambda version: (-counts[version], version))
    found = []
    for prefix in wanted:
        fits = [version for version in known if version == prefix] or [version for version in known if version.startswith(prefix)]
        if len(fits) != 1:
            raise ContractError(f"labels: {len(fits)} teachers begin with {prefix!r}; there are {', '.join(known) or 'none'}")
        found += [version for version in fits if version not in found]
    if not known:
        raise ContractError("labels: no teacher was asked about a unit of this lake; run 'kindred teacher label', or import labels of its units")
    return found if wanted else known


def read_audited(lake: LakeConfig, tables: Inputs, teachers: Sequence[str], contents: int) -> tuple[Audited, dict[str, Mapping[str, Any]]]:
    """So many contents at most that all these teachers were asked about, drawn by their hashes, and the units that they are shown by. Raises ContractError where there are none."""
    common = contents_asked_of_all(lake, teachers, SPARE * contents, tables.version(LABELS))
    parts = selected_parts(lake, ChosenContents(common), tables.version(UNITS))
    units = dict(pending_units(lake, parts, (), tables.version(UNITS)))
    chosen = [content for content in common.to_pylist() if content in units][:contents]
    if not chosen:
        asked = f"of all of {', '.join(teachers)}" if len(teachers) > 1 else f"by {teachers[0]}"
        raise ContractError(
            f"labels: no unit of the lake was labelled {asked}; let another teacher label what one has: 'kindred teacher label --set teacher.asked_by={teachers[0]}'"
        )
    shown = {content: units[content] for content in chosen}
    return audited_units(shown, answers_of(lake, tables, teachers, chosen)), shown


def answers_of(lake: LakeConfig, tables: Inputs, teachers: Sequence[str], contents: Sequence[str]) -> dict[str, dict[str, Label]]:
    """What each of these teachers said of those of these contents that it was asked about."""
    where = ds.field("unit_hash").isin(pa.array(contents, pa.string())) & ds.field("teacher_version").isin(pa.array(teachers, pa.string()))
    rows = [Label(**row) for row in arrow_tables.read(lake, LABELS, where=where, version=tables.version(LABELS)).to_pylist()]
    return {version: {row.unit_hash: row for row in rows if row.teacher_version == version} for version in teachers}


def audited_units(units: Mapping[str, Mapping[str, Any]], answers: Mapping[str, Mapping[str, Label]]) -> Audited:
    """Contents, each with the unit that it is shown by, as an audit looks at them; every teacher was asked about all of them."""
    return Audited([*units], [render_unit(unit) for unit in units.values()], [unit["community"] for unit in units.values()], answers)
