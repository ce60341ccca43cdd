"""`kindred etl thread ID`: one thread as a reader saw it, and what the ETL made of it."""

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import UnknownIdError
from etl import arguments as etl_arguments
from etl.report.threads import ThreadAct, thread_tree
from etl.report.words import moment
from etl.units.masking import cleaned
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.rendering import plain
from lake.units import UNITS

TEXT_CHARS = 160
INDENT, DEEPEST_INDENT = "  ", 12
_OF_ACTS = ("unit_id", "parent_unit_id", "thread_id", "action", "community", "user_id", "created_at", "title", "text", "state")
_OF_UNITS = ("unit_id", "title", "text", "root_state", "chain_state", "context")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(etl_arguments.thread(argv))


def run_job(arguments: JobArguments) -> None:
    """Print the thread."""
    tree = find_thread(arguments.section("lake", LakeConfig), arguments.values.id)
    print(json.dumps([act.model_dump(mode="json") for act in tree]) if arguments.values.json else thread_text(tree))


def find_thread(lake: LakeConfig, unit_id: str) -> list[ThreadAct]:
    """The thread of an act, or the session where it has no thread, its names masked. Raises UnknownIdError where no act has this id."""
    opens_or_is = (ds.field("thread_id") == unit_id) | (ds.field("unit_id") == unit_id)
    found = arrow_tables.read(lake, ACTS, ("unit_id", "thread_id", "session_id", "platform", "thread_group"), opens_or_is).to_pylist()
    if not found:
        raise UnknownIdError(f"{unit_id}: no act of this id; expected '<platform>:<native id>', e.g. reddit:t1_c13 for a comment, reddit:t3_87 for a post")
    thread_id = found[0]["thread_id"] or found[0]["session_id"] or unit_id
    in_session = ds.field("thread_id").is_null() & (ds.field("session_id") == thread_id)
    in_thread = (ds.field("thread_id") == thread_id) | (ds.field("unit_id") == thread_id) | in_session
    in_partition = (ds.field("platform") == found[0]["platform"]) & (ds.field("thread_group") == found[0]["thread_group"])
    acts = _masked(arrow_tables.read(lake, ACTS, _OF_ACTS, in_partition & in_thread))
    has_units = arrow_tables.find_table(lake, UNITS) is not None
    units = arrow_tables.read(lake, UNITS, _OF_UNITS, in_partition & in_thread).to_pylist() if has_units else []
    return thread_tree(acts.to_pylist(), units)


def thread_text(tree: Sequence[ThreadAct]) -> str:
    """The thread for a person to read: an act's line and its words, answers indented below it."""
    people = {act.user_id for act in tree if act.user_id}
    times = [act.created_at for act in tree if act.created_at]
    units = sum(act.is_unit for act in tree)
    when = f"{moment(min(times))} to {moment(max(times))} UTC" if times else moment(None)
    lines = [f"{len(tree)} acts ({units} units) by {len(people)} people, {when}"]
    for act in tree:
        indent = INDENT * min(act.depth, DEEPEST_INDENT) + (f"({act.depth}) " if act.depth > DEEPEST_INDENT else "")
        if act.parent_is_missing:
            lines.append(f"{indent}({act.parent_unit_id} is not in the archive)")
        lines.append(f"{indent}{moment(act.created_at)}  {(act.user_id or 'deleted account')[:15]:<15}  {act.unit_id}  {_what_it_is(act)}")
        words = plain(" — ".join(part for part in (act.title, act.text) if part), TEXT_CHARS)
        lines.append(f"{indent}    {words or '(no words)'}")
    return "\n".join(lines)


def _what_it_is(act: ThreadAct) -> str:
    copies = f", {act.copies} copies" if act.copies > 1 else ""
    if not act.is_unit:
        return f"{act.action}, no unit ({act.state}){copies}"
    return f"{act.action}, root {act.root_state}, chain {act.chain_state}, {len(act.context)} in context{copies}"


def _masked(acts: pa.Table) -> pa.Table:
    for name in ("title", "text"):
        masked = cleaned(acts[name].combine_chunks(), mask_contacts=True)
        acts = acts.set_column(acts.schema.get_field_index(name), name, masked)
    return acts


if __name__ == "__main__":
    main()
