"""The contents of an audit, out of the tables (edge)."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.errors import ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import Inputs
from lake.labels import LABELS, UNKNOWN_UNIT, Label
from lake.rendering import render_unit
from lake.units import UNITS
from teacher.audit.measures import Audited
from teacher.selected_units import ChosenContents, pending_units, selected_parts

SPARE = 2
"""So many times as many contents are looked for as are wanted, since an erased unit is not there any more."""


def find_teachers(lake: LakeConfig, tables: Inputs, wanted: Sequence[str]) -> list[str]:
    """The versions of all teachers of `labels`, the one that was asked most first; or those wanted, each given by its beginning. Raises ContractError where one is not there or not told."""
    counts = _asked(lake, tables, None)["teacher_version"].value_counts().to_pylist()
    known = [each["values"] for each in sorted(counts, key=lambda each: (-each["counts"], each["values"]))]
    found = []
    for prefix in wanted:
        fits = [version for version in known if version == prefix] or [version for version in known if version.startswith(prefix)]
        if len(fits) != 1:
            raise ContractError(f"labels: {len(fits)} teachers begin with {prefix!r}; there are {', '.join(known) or 'none'}")
        found += [version for version in fits if version not in found]
    return found if wanted else known


def read_audited(lake: LakeConfig, tables: Inputs, teachers: Sequence[str], contents: int) -> tuple[Audited, dict[str, Mapping[str, Any]]]:
    """So many contents at most that all these teachers were asked about, drawn by their hashes, and the units that they are shown by. Raises ContractError where there are none."""
    common = contents_of_all(_asked(lake, tables, teachers), teachers, SPARE * contents)
    parts = selected_parts(lake, ChosenContents(common), tables.version(UNITS))
    units = dict(pending_units(lake, parts, (), tables.version(UNITS)))
    chosen = [content for content in common.to_pylist() if content in units][:contents]
    if not chosen:
        asked = f"of all of {', '.join(teachers)}" if len(teachers) > 1 else f"by {teachers[0]}"
        raise ContractError(
            f"labels: no unit of the lake was labelled {asked}; let another teacher label what one has: 'kindred teacher label --set teacher.asked_by={teachers[0]}'"
        )
    where = ds.field("unit_hash").isin(pa.array(chosen, pa.string())) & ds.field("teacher_version").isin(pa.array(teachers, pa.string()))
    rows = [Label(**row) for row in arrow_tables.read(lake, LABELS, where=where, version=tables.version(LABELS)).to_pylist()]
    answers = {version: {row.unit_hash: row for row in rows if row.teacher_version == version} for version in teachers}
    shown = {content: units[content] for content in chosen}
    texts = [render_unit(unit) for unit in shown.values()]
    return Audited(chosen, texts, [unit["community"] for unit in shown.values()], answers), shown


def contents_of_all(asked: pa.Table, teachers: Sequence[str], most: int) -> pa.Array:
    """The contents (unit_hash, teacher_version) that all these teachers were asked about, the first by their hashes."""
    pairs = asked.group_by(["unit_hash", "teacher_version"], use_threads=False).aggregate([])
    counts = pairs.group_by("unit_hash", use_threads=False).aggregate([([], "count_all")])
    common = counts.filter(pc.equal(counts["count_all"], len(teachers)))["unit_hash"]
    return common.combine_chunks().sort().slice(0, most)


def _asked(lake: LakeConfig, tables: Inputs, teachers: Sequence[str] | None) -> pa.Table:
    known = (ds.field("reason").is_null()) | (ds.field("reason") != UNKNOWN_UNIT)
    where = known if teachers is None else known & ds.field("teacher_version").isin(pa.array(teachers, pa.string()))
    return arrow_tables.read(lake, LABELS, ("unit_hash", "teacher_version"), where, tables.version(LABELS))
