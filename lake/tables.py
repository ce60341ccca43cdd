"""What a table is: the base of every row model, and the spec that names key, partition and write mode."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.dataclasses import dataclass

WriteMode = Literal["append", "merge", "overwrite"]


class Row(BaseModel):
    """Base of every row model. Column order in the table is field order; `X | None` is a nullable column."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table of the lake. `later_columns` are nullable columns that an older table may lack.

    `stats_columns` are those whose minima and maxima stand in the log: none that tells words or people.
    """

    name: str
    row: type[Row]
    key: tuple[str, ...]
    write_mode: WriteMode
    written_by: str
    partition_by: tuple[str, ...] = ()
    later_columns: tuple[str, ...] = ()
    stats_columns: tuple[str, ...] = ()

    @property
    def columns(self) -> Sequence[str]:
        """Column names in the table's order."""
        return tuple(self.row.model_fields)


def table_uri(lake: str, spec: TableSpec) -> str:
    """Where a table lives: `<lake>/<table>`, with `~` resolved for local folders."""
    if "://" in lake:
        return f"{lake.rstrip('/')}/{spec.name}"
    return str(Path(lake).expanduser().resolve() / spec.name)
