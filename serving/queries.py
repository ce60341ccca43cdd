"""How a query of the command line is answered, by a running service or here, and how its hits are printed for a program or for a person. Light to import."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from conf.arguments import JobArguments
from lake.config import LakeConfig
from lake.rendering import plain
from serving.client import running_service
from serving.config import ServingConfig
from serving.hits import Hit

CELL_CHARS = 72
Columns = dict[str, Callable[[Any], object]]


def answer_and_print(arguments: JobArguments, hit: type[Hit], columns: Columns) -> None:
    """Print the hits of the question that the arguments hold."""
    lake, config, values = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig), arguments.values
    service = running_service(lake, config)
    if service is not None:
        hits = service.ask(values.question, hit)
    else:
        from serving.searcher import answer_here  # Milvus, Arrow, and where a text is asked about torch

        hits = answer_here(lake, config, values.question)
    print_hits(hits, columns, values.json)


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
