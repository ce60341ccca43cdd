"""The units that a teacher is to see, out of `units`, one partition in memory at a time (edge).

A partition's ids and hashes are, and of its texts those of one batch of rows; besides, each content that the teacher has answered, and the sample, or with `teacher.max_units` a
count for each person.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.errors import ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.labels import LABEL_SAMPLE, LABELS, UNKNOWN_UNIT
from lake.units import IDENTITIES, UNITS
from teacher.config import TeacherConfig
from teacher.selection import contents_of, one_unit_a_content, units_of_people, whole_people, with_persons

ID_COLUMNS = ("unit_id", "user_id", "unit_hash", "duplicate_group")
SHOWN_COLUMNS = ("unit_id", "unit_hash", "duplicate_group", "platform", "action", "community", "title", "text", "context")
ABOUT_UNITS = ds.field("reason").is_null() | (ds.field("reason") != UNKNOWN_UNIT)
"""The rows of `labels` that are about a unit of the lake."""
LOOKED_AT = 20
"""So many times as many contents of the teacher who was asked least are looked at first as are wanted."""


class SelectedPart(NamedTuple):
    """What is selected of one partition: how many units of how many, and of each content the unit that is shown for it (`content`, `unit_id`)."""

    where: ds.Expression
    found: int
    units: int
    shown: pa.Table


class ChosenContents(NamedTuple):
    """Contents that alone are selected."""

    contents: pa.Array


class ChosenPeople(NamedTuple):
    """People (`person_id`) whose units alone are selected, and the accounts that belong to somebody of another id."""

    person_ids: pa.Array
    identities: Mapping[str, str]


Chosen = ChosenContents | ChosenPeople | None
"""What is selected; None where everything is."""


def chosen_units(lake: LakeConfig, config: TeacherConfig, version: int, sample_version: int | None) -> Chosen:
    """Contents that another teacher was asked about, else those of a version of `label_sample`, else the people of `max_units`, if either is there. The people are found by going through all ids once."""
    if config.asked_by is not None:
        return ChosenContents(contents_asked_of(lake, config.asked_by, config.audit.contents))
    if sample_version is not None:
        return ChosenContents(arrow_tables.read(lake, LABEL_SAMPLE, ("unit_hash",), version=sample_version)["unit_hash"].combine_chunks())
    if config.max_units is None:
        return None
    identities = identities_of(lake)
    counts = [units_of_people(with_persons(_ids(lake, where, version), identities)) for where in partitions(lake, version)]
    chosen = whole_people(pa.concat_tables(counts), config.max_units, config.min_units_per_person) if counts else pa.array([], pa.string())
    return ChosenPeople(chosen, identities)


def contents_asked_of(lake: LakeConfig, teacher_version: str, most: int) -> pa.Array:
    """Contents that a teacher was asked about, the first by their hashes. Raises ContractError where there are none."""
    asked = contents_asked_of_all(lake, [teacher_version], most, arrow_tables.table_version(lake, LABELS))
    if not len(asked):
        raise ContractError(
            f"labels: nothing was asked of teacher {teacher_version!r}, which teacher.asked_by names; 'kindred teacher audit' names those that there are"
        )
    return asked


def contents_asked_of_all(lake: LakeConfig, teachers: Sequence[str], most: int, version: int | None) -> pa.Array:
    """Contents that all these teachers were asked about, the first by their hashes; of so many labels as there may be only those are held whose hashes begin low enough."""
    counts = {teacher: arrow_tables.count_rows(lake, LABELS, _asked_of(teacher), version) for teacher in teachers}
    share = LOOKED_AT * most / max(1, min(counts.values()))
    while True:
        first = None if share >= 1 else ds.field("unit_hash") < f"{int(share * 16**8):08x}"
        common = _common_contents(lake, sorted(teachers, key=lambda teacher: counts[teacher]), first, version)
        if first is None or len(common) >= most:
            return common.sort().slice(0, most)
        share *= 16


def _common_contents(lake: LakeConfig, teachers: Sequence[str], first: ds.Expression | None, version: int | None) -> pa.Array:
    """Contents, all or the `first`, that all these teachers were asked about; each is looked for among those of the one before."""
    common = pa.array([], pa.string())
    for place, teacher in enumerate(teachers):
        among = [*([] if first is None else [first]), *([ds.field("unit_hash").isin(common)] if place else [])]
        common = arrow_tables.read(lake, LABELS, ("unit_hash",), reduce(and_, among, _asked_of(teacher)), version)["unit_hash"].unique()
    return common


def _asked_of(teacher_version: str) -> ds.Expression:
    return ABOUT_UNITS & (ds.field("teacher_version") == teacher_version)


def selected_parts(lake: LakeConfig, chosen: Chosen, version: int) -> Iterator[SelectedPart]:
    """The selection, partition by partition: everybody's units, those of the chosen contents, or those of the chosen people."""
    for where in partitions(lake, version):
        units = _ids(lake, where, version)
        found = units.num_rows
        if isinstance(chosen, ChosenContents):
            units = units.filter(pc.is_in(units["content"], chosen.contents))
        elif chosen is not None:
            units = with_persons(units, chosen.identities)
            units = units.filter(pc.is_in(units["person_id"], chosen.person_ids))
        yield SelectedPart(where, found, units.num_rows, one_unit_a_content(units))


def answered_contents(lake: LakeConfig, teacher_version: str) -> dict[str, str | None]:
    """Contents that this teacher was asked about -> the reason why one has no label; None where it has one."""
    if arrow_tables.find_table(lake, LABELS) is None:
        return {}
    rows = arrow_tables.read(lake, LABELS, ("unit_hash", "reason"), ds.field("teacher_version") == teacher_version)
    return dict(zip(rows["unit_hash"].to_pylist(), rows["reason"].to_pylist(), strict=True))


def pending_units(
    lake: LakeConfig, parts: Iterator[SelectedPart], answered: Collection[str], version: int, columns: Sequence[str] = SHOWN_COLUMNS
) -> Iterator[tuple[str, Mapping[str, Any]]]:  # fmt: skip
    """Each content that was not answered yet, once, with the unit that is shown for it, as the files have them; a partition's texts are read once."""
    known = set(answered)
    for part in parts:
        left = [content not in known for content in part.shown["content"].to_pylist()]
        unit_ids = part.shown["unit_id"].filter(pa.array(left, pa.bool_())).combine_chunks()
        for rows in arrow_tables.read_batches(lake, UNITS, columns, part.where & ds.field("unit_id").isin(unit_ids), version) if len(unit_ids) else ():
            for unit in rows.to_pylist():
                content = unit["duplicate_group"] or unit["unit_hash"]
                if content not in known:
                    known.add(content)
                    yield content, unit


def partitions(lake: LakeConfig, version: int) -> list[ds.Expression]:
    """A filter for each partition of `units`, in the order of their values."""
    files = arrow_tables.live_files(arrow_tables.open_table(lake, UNITS, version))
    values = sorted({tuple(file[f"partition.{column}"] for column in UNITS.partition_by) for file in files})
    return [
        reduce(lambda one, other: one & other, (ds.field(column) == value for column, value in zip(UNITS.partition_by, each, strict=True))) for each in values
    ]


def identities_of(lake: LakeConfig) -> dict[str, str]:
    """The person behind each account that belongs to somebody of another id."""
    if arrow_tables.find_table(lake, IDENTITIES) is None:
        return {}
    rows = arrow_tables.read(lake, IDENTITIES)
    return dict(zip(rows["user_id"].to_pylist(), rows["person_id"].to_pylist(), strict=True))


def _ids(lake: LakeConfig, where: ds.Expression, version: int) -> pa.Table:
    return contents_of(arrow_tables.read(lake, UNITS, ID_COLUMNS, where, version))
