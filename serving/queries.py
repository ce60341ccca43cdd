"""How the hits of a query are printed for a program or for a person."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from lake.rendering import plain

CELL_CHARS = 72
Columns = dict[str, Callable[[Any], object]]


def print_hits(hits: Sequence[BaseModel], columns: Columns, as_json: bool) -> None:
    """Hits on stdout: as JSON (ASCII alone, so that no text can steer a terminal), or as a table of the columns given."""
    if as_json:
        print(json.dumps([hit.model_dump(mode="json") for hit in hits]))
    else:
        print(as_table(hits, columns))


def as_table(hits: Sequence[Any], columns: Columns) -> str:
    """A table, a line for each hit, with control characters of users' texts taken out."""
    rows = [list(columns), *([plain(str(value(hit)), CELL_CHARS) for value in columns.values()] for hit in hits)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) if hits else "nothing found"
