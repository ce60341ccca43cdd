"""What the three query commands share: their arguments, and how hits are printed for a program or for a person."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from lake.config import LakeConfig
from lake.rendering import plain
from serving.people import user_id_of_name

CELL_CHARS = 72
Columns = dict[str, Callable[[Any], object]]


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """--top-k and --json."""
    parser.add_argument("--top-k", "--limit", type=_positive, metavar="N", help="how many hits (default: serving.top_k)")
    parser.add_argument("--json", action="store_true", help="one JSON list on stdout, best first, and nothing else")


def add_person_arguments(parser: argparse.ArgumentParser) -> None:
    """--user and --name, of which one is given."""
    person = parser.add_mutually_exclusive_group(required=True)
    person.add_argument("--user", metavar="ID", help="a person_id, or any user_id of the person")
    person.add_argument("--name", metavar="PLATFORM:NAME", help="an account's name; needs the pseudonym key")


def identifier(lake: LakeConfig, values: argparse.Namespace) -> str:
    """The id that --user gives, or that --name stands for. Raises ConfigError."""
    return values.user if values.user is not None else user_id_of_name(lake, values.name)


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


def _positive(text: str) -> int:
    number = int(text)
    if not 0 < number <= 1000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1000, found {text}")
    return number
