"""What a training may be planned by: of every cut of everybody in the files of `examples` where it stands, and when, where and what it asks. No histories.

Some 40 bytes a cut, so that the plan of a million people takes 160 MB in each process; histories stay in their files until their turn comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.table_files import open_parquet
from trainer.config import Source
from trainer.training.masks import Numbers

SOURCES: tuple[Source, ...] = get_args(Source)
_CUT = "cuts.list.element."
_COLUMNS = [
    _CUT + name
    for name in ("cut_at", "community", "period", "entered.list.element", "positives.list.element.level", "labelled", "acted_on.list.element", "part")
]


@dataclass(frozen=True)
class RowGroup:
    """Some people whose histories stand together in a file of `examples`: the smallest piece that is read."""

    path: str
    number: int
    people: int
    bytes: int


@dataclass(frozen=True)
class Cuts:
    """C cuts of all people, in the order of the files. `person` numbers people over all files, `group` and `row` say where one stands, `cut` which of the person's.

    Shapes: all (C,); times are UTC microseconds, communities numbers, another one for each person in none, who is so near nobody; is_past says whether all answers lie before the time split, asks whether the cut
    has an answer of each source, labelled how many units of the past have a label (-1 in tables of an older Kindred).
    """

    groups: Sequence[RowGroup]
    person: Numbers
    group: Numbers
    row: Numbers
    cut: Numbers
    time: Numbers
    community: Numbers
    is_past: NDArray[np.bool_]
    asks: dict[Source, NDArray[np.bool_]]
    labelled: Numbers

    def of_people(self, share: float) -> NDArray[np.bool_]:
        """Whether each cut is of one of this share of all people, (C,); who is among fewer is among more."""
        people = int(self.person.max(initial=-1)) + 1
        return np.random.default_rng(0).permutation(people)[self.person] < share * people


def read_cuts(lake: LakeConfig, version: int, split: str = "train") -> Cuts:
    """All cuts of the people of a split, without their histories."""
    table = arrow_tables.open_table(lake, EXAMPLES, version)
    files = [file for file in arrow_tables.live_files(table) if file["partition.split"] == split]
    groups, read = [], []
    for file in sorted(files, key=lambda file: (file.get("min.person_id") or "", file["path"])):
        parquet = open_parquet(lake, EXAMPLES, file["path"])
        for number in range(parquet.num_row_groups):
            rows = parquet.read_row_group(number, columns=_COLUMNS)
            groups.append(RowGroup(file["path"], number, rows.num_rows, parquet.metadata.row_group(number).total_byte_size))
            read.append(_cuts_of(rows))
    return _joined(groups, read)


def _cuts_of(rows: pa.Table) -> pa.Table:
    """One row a cut of one row group, but for cuts that ask for held-out acts."""
    lists = rows["cuts"].combine_chunks()
    cuts, person = lists.flatten(), pc.list_parent_indices(lists).cast(pa.int64())
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    is_trained_on = pc.equal(_later_field(cuts, "part", pa.string()), "train").fill_null(True)
    return pa.table({
        "row": person,
        "cut": pa.array(np.arange(len(cuts)) - np.repeat(np.cumsum(counts) - counts, counts), pa.int64()),
        "time": pc.struct_field(cuts, "cut_at").cast(pa.int64()),
        "community": pc.struct_field(cuts, "community"),
        "is_past": pc.equal(pc.struct_field(cuts, "period"), "past"),
        "titles": pc.greater(pc.list_value_length(pc.struct_field(cuts, "entered")), 0),
        "labels": pc.greater(pc.list_value_length(pc.struct_field(cuts, "positives")), 0),
        "catalogue": pc.greater(pc.list_value_length(_later_field(cuts, "acted_on", pa.list_(pa.int64()))), 0).fill_null(False),
        "labelled": _later_field(cuts, "labelled", pa.int64()).fill_null(-1),
    }).filter(is_trained_on)  # fmt: skip


def _later_field(cuts: pa.StructArray, name: str, kind: pa.DataType) -> pa.Array:
    """A field of cuts; nulls in a table of an older Kindred, which lacks it."""
    return pc.struct_field(cuts, name) if cuts.type.get_field_index(name) >= 0 else pa.nulls(len(cuts), kind)


def _joined(groups: list[RowGroup], read: list[pa.Table]) -> Cuts:
    cuts = pa.concat_tables(read) if read else pa.table({name: pa.array([], kind) for name, kind in _EMPTY.items()})
    group = np.repeat(np.arange(len(read)), [len(each) for each in read])
    first_person = np.cumsum([0, *(each.people for each in groups)])[:-1].astype(np.int64)
    row, encoded = cuts["row"].to_numpy(), cuts["community"].combine_chunks().dictionary_encode()
    community = encoded.indices.fill_null(-1).cast(pa.int64()).to_numpy(zero_copy_only=False)
    person = (first_person[group] if len(groups) else group) + row
    return Cuts(
        groups=groups, person=person, group=group, row=row, cut=cuts["cut"].to_numpy(), time=cuts["time"].to_numpy(),
        community=np.where(community < 0, -1 - person, community), is_past=cuts["is_past"].to_numpy(),
        asks={source: cuts[source].to_numpy() for source in SOURCES}, labelled=cuts["labelled"].to_numpy(),
    )  # fmt: skip


_EMPTY = {
    "row": pa.int64(), "cut": pa.int64(), "time": pa.int64(), "community": pa.string(), "is_past": pa.bool_(), "titles": pa.bool_(), "labels": pa.bool_(),
    "catalogue": pa.bool_(), "labelled": pa.int64(),
}  # fmt: skip
