"""`kindred etl user ID`: one person's history as the encoder will read it."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import UnknownIdError
from etl import arguments as etl_arguments
from etl.report.words import moment, with_known_times
from lake import arrow_tables
from lake.config import LakeConfig
from lake.rendering import render_history_unit
from lake.units import IDENTITIES, SEQUENCES

OWN_CHARS, CONTEXT_CHARS = 160, 60


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(etl_arguments.user(argv))


def run_job(arguments: JobArguments) -> None:
    """Print the history."""
    history = find_history(arguments.section("lake", LakeConfig), arguments.values.id)
    print(json.dumps(history, default=lambda at: at.isoformat()) if arguments.values.json else history_text(history))


def find_history(lake: LakeConfig, user: str) -> list[dict[str, Any]]:
    """The units of a person's chunks, oldest first. Raises UnknownIdError where there are none."""
    person_id = _person_of(lake, user)
    chunks = arrow_tables.read(lake, SEQUENCES, ("chunk", "units"), ds.field("person_id") == person_id).sort_by("chunk")
    if not chunks.num_rows:
        raise UnknownIdError(f"{user}: no history in `sequences`; the id is unknown, or the person has fewer units than etl.min_units_per_person")
    return with_known_times([unit for units in chunks["units"].to_pylist() for unit in units])


def history_text(history: Sequence[dict[str, Any]]) -> str:
    """The history for a person to read."""
    first, last = (moment(unit["created_at"], "%Y-%m-%d") for unit in (history[0], history[-1]))
    threads = len({unit["thread_id"] for unit in history})
    lines = [f"{len(history)} units in {threads} threads, {first} to {last}"]
    lines += [f"{moment(unit['created_at'])}  {unit['action']:<8} {render_history_unit(unit, OWN_CHARS, CONTEXT_CHARS)}" for unit in history]
    return "\n".join(lines)


def _person_of(lake: LakeConfig, user: str) -> str:
    if arrow_tables.find_table(lake, IDENTITIES) is None:
        return user
    found = arrow_tables.read(lake, IDENTITIES, ("person_id",), ds.field("user_id") == user)["person_id"].to_pylist()
    return min(found, default=user)


if __name__ == "__main__":
    main()
