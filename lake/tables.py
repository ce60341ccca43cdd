"""What a table is: the base of every row model, and the spec that names key, partition and write mode."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.dataclasses import dataclass

from conf.errors import ConfigError

WriteMode = Literal["append", "merge", "overwrite"]
SubjectKind = Literal["person", "act", "judged", "content", "item", "place", "path", "raw"]
"""What a column names of those who can be forgotten: an account or a person; an act; an act or history that was judged; the content of acts; an item; a person's
profile among communities; a file that is called after somebody, whose rows go where they are of no other account; a line of an archive, with names in it."""
_MISREAD = re.compile(r"[\x00-\x1f\x7f\[\\\]^|]|%[0-9A-Fa-f]{2}")
"""What delta-rs takes for part of a URI in a path: it panics, or looks for 'a%20b' in 'a b'."""


class Row(BaseModel):
    """Base of every row model. Column order in the table is field order; `X | None` is a nullable column."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table of the lake. `written_by` are commands, none where it is yours to write.

    `later_columns` are nullable columns that an older table may lack, and fields inside columns, called by all their names: 'units.context.title'.

    Of files that tasks write (`lake.table_files`): `stats_columns` are those whose minima and maxima stand in the log, none that tells words or people.
    Values of `repeating_columns` alone are looked up in a dictionary (None: of all columns): one of what hardly repeats would be built and thrown
    away. Below a map a column is called by its Parquet path, e.g. 'attributes.key_value.key'.

    `subjects` says which columns name who or what can be forgotten (`lake.erasure`), fields inside columns by all their names. A row goes with what one of its own columns
    names; in a list the entry alone goes, save in a column that is `indivisible`, since others point at its entries by place, and where it was the last entry of the
    column that the row `consists_of`. The name of a place goes and leaves its row.
    """

    name: str
    row: type[Row]
    key: tuple[str, ...]
    write_mode: WriteMode
    written_by: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    later_columns: tuple[str, ...] = ()
    stats_columns: tuple[str, ...] = ()
    repeating_columns: tuple[str, ...] | None = None
    subjects: Mapping[str, SubjectKind] = field(default_factory=dict, hash=False)
    indivisible: tuple[str, ...] = ()
    consists_of: str | None = None

    @property
    def columns(self) -> Sequence[str]:
        """Column names in the table's order."""
        return tuple(self.row.model_fields)

    @property
    def writers(self) -> str:
        """Who writes it, in words for an error message, e.g. "'kindred etl units'"."""
        return " or ".join(f"'kindred {command}'" for command in self.written_by) or "you"


def table_uri(lake: str, spec: TableSpec) -> str:
    """Where a table lives: `<lake>/<table>`, with `~` resolved for local folders. Raises ConfigError on a folder whose name delta-rs misreads."""
    if "://" in lake:
        return f"{lake.rstrip('/')}/{spec.name}"
    folder = str(Path(lake).expanduser().resolve())
    misread = _MISREAD.search(folder)
    if misread:
        raise ConfigError(f"lake.path {folder!r}: Delta cannot keep tables below a folder with {misread[0]!r} in its name; choose another folder")
    return f"{folder}/{spec.name}"
