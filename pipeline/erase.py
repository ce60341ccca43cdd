"""`kindred erase`: forget people and acts, everywhere, and prove it. Stages do not know each other; here what each keeps is erased in one order."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from conf.arguments import JobArguments, job_parser, parse_job_arguments
from conf.errors import ConfigError, ErasureError

if TYPE_CHECKING:
    from lake.config import LakeConfig
    from lake.job_runs import RunRecord
    from lake.subjects import Subjects
    from serving.config import ServingConfig

logger = logging.getLogger(__name__)

JOB = "erase"
PLACES_TOLD = 50
DESCRIPTION = """Forget people and acts: in every table, in files, in Milvus, in what MLflow keeps of evaluations; and look whether anything is left.

Reads and writes every table of the lake; keeps digests in `erasures`, so that no ingest and no import brings them back. Ends with status 1, and says where, as long as
something is left. It can be killed and run again. ERASING.md says what it does not touch: raw dumps, weights of encoders that are trained already."""


class Request(NamedTuple):
    """Who and what is to be forgotten: accounts or people by id, names of accounts in clear, acts; and words that must be nowhere afterwards."""

    users: frozenset[str]
    names: frozenset[str]
    units: frozenset[str]
    texts: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> None:
    """Erase, and print what was done. Raises ErasureError as long as something is left."""
    parser = job_parser(DESCRIPTION)
    parser.add_argument(
        "--user", metavar="ID", action="append", default=[], help="a person_id, or any user_id of the person: all accounts of the person go; may be repeated"
    )
    parser.add_argument("--name", metavar="PLATFORM:NAME", action="append", default=[], help="an account's name; may be repeated")
    parser.add_argument("--unit", metavar="ID", action="append", default=[], help="one act by its unit_id, e.g. reddit:t1_c0ffee; may be repeated")
    parser.add_argument("--file", metavar="LIST", help="a file with more of them, one a line: 'user ID', 'name PLATFORM:NAME' or 'unit ID'")
    parser.add_argument(
        "--text", metavar="TEXT", action="append", default=[], help="words that must be nowhere afterwards, looked for besides the ids; may be repeated"
    )
    parser.add_argument(
        "--force-vacuum", action="store_true",
        help="delete old files of tables now and not when Delta's retention is over; no other job may be at work, and older versions of tables cannot be read any more",
    )  # fmt: skip
    arguments = parse_job_arguments(parser, argv)
    from lake.config import LakeConfig
    from serving.config import ServingConfig

    request = requested(arguments)
    forget(arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig), request, arguments.values.force_vacuum)


def requested(arguments: JobArguments) -> Request:
    """What is to be forgotten. Raises ConfigError where that is nothing, a line of the list says nothing, or a name has no pseudonym here."""
    from serving.arguments import user_id_of_account

    given = {kind: list(getattr(arguments.values, kind)) for kind in ("user", "name", "unit")}
    if arguments.values.file:
        for kind, subject in lines_of(Path(arguments.values.file)):
            given[kind].append(subject)
    if not any(given.values()):
        raise ConfigError("erase: nobody is named; expected --user ID, --name PLATFORM:NAME, --unit ID or --file LIST")
    for kind, subject in ((kind, subject) for kind, subjects in given.items() for subject in subjects):
        if not subject.strip() or not subject.isprintable():
            raise ConfigError(f"--{kind} {subject!r}: no id and no name; expected one without control characters")
        if kind == "unit" and ":" not in subject:
            raise ConfigError(f"--unit {subject}: expected a unit_id, e.g. reddit:t1_c0ffee")
    users = frozenset(given["user"]) | {user_id_of_account(arguments, name) for name in given["name"]}
    names = frozenset(name.partition(":")[2] for name in given["name"])
    return Request(users, names, frozenset(given["unit"]), tuple(arguments.values.text))


def lines_of(file: Path) -> list[tuple[str, str]]:
    """Kind and subject of each line of a list; empty ones are none. Raises ConfigError on a line that says neither."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--file {file}: cannot be read ({type(error).__name__}); expected text, one subject a line") from None
    found = []
    for number, line in enumerate(lines, start=1):
        kind, _, subject = line.strip().partition(" ")
        if not kind:
            continue
        if kind not in ("user", "name", "unit") or not subject.strip():
            raise ConfigError(f"--file {file}, line {number}: expected 'user ID', 'name PLATFORM:NAME' or 'unit ID'")
        found.append((kind, subject.strip()))
    return found


def forget(lake: "LakeConfig", serving: "ServingConfig", request: Request, force_vacuum: bool = False) -> None:
    """Erase all that is asked for, and print it. Raises ErasureError where something is left, ConfigError without the lake's pseudonym key."""
    from lake.catalog import TABLES
    from lake.presence import require_any_table

    require_any_table(lake, list(TABLES))
    from lake.forgotten import note_erasures  # brings the tables
    from lake.job_runs import job_run
    from lake.subjects import find_subjects, words_of

    with job_run(lake, JOB, {}) as run:
        subjects = find_subjects(lake, request.users, request.units, request.names)
        words = words_of(lake, subjects)  # by them MLflow's pages are known; nobody has them once the acts are gone
        note_erasures(lake, subjects.people, subjects.acts)  # before all else: nothing comes back meanwhile
        erase_everywhere(lake, serving, subjects, [*words, *request.texts], run)
        settle_files(lake, subjects, force_vacuum)
    left = what_is_left(lake, serving, subjects, words, request.texts)
    say(lake, subjects, run)
    if left:
        places = "\n  ".join(left[:PLACES_TOLD]) + (f"\n  and {len(left) - PLACES_TOLD} more" if len(left) > PLACES_TOLD else "")
        raise ErasureError(f"something is left in {len(left)} places:\n  {places}", f"something is left in {len(left)} places")
    print("Nothing of it is left below the lake, in the index or in what MLflow keeps of evaluations.")


def erase_everywhere(lake: "LakeConfig", serving: "ServingConfig", subjects: "Subjects", texts: Sequence[str], run: "RunRecord") -> None:
    """Take the subjects out of tables, index and MLflow, in the order in which a killed run can be gone on with."""
    from lake.erasure import THEN_THE_REST, VECTORS_FIRST, erase_rows
    from lake.remains import Traces
    from serving.erasing import erase_from_index
    from trainer.erasing import erase_from_tracking

    for spec in VECTORS_FIRST:
        run.rows[spec.name] += erase_rows(lake, spec, subjects)
    run.rows["rows of the index"] += erase_from_index(lake, serving, subjects.people, subjects.items)
    run.rows["files of MLflow"] += erase_from_tracking(lake, Traces(subjects.people | subjects.acts, tuple(texts)))
    for spec in THEN_THE_REST:
        run.rows[spec.name] += erase_rows(lake, spec, subjects)


def settle_files(lake: "LakeConfig", subjects: "Subjects", force_vacuum: bool) -> None:
    """Delete old files as far as they may go, and what Delta's log says of them."""
    from lake.erasure import THEN_THE_REST, VECTORS_FIRST
    from lake.old_files import forget_statistics, remove_all_drafts, remove_old_files
    from lake.presence import has_table
    from lake.remains import Traces

    traces = Traces(subjects.people | subjects.acts)
    for spec in (*VECTORS_FIRST, *THEN_THE_REST):
        if has_table(lake, spec):
            remove_old_files(lake, spec, force_vacuum)
            if force_vacuum:
                remove_all_drafts(lake, spec)
            forget_statistics(lake, spec, traces.in_text)


def what_is_left(lake: "LakeConfig", serving: "ServingConfig", subjects: "Subjects", words: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Places where something is left, each in words."""
    from lake.remains import Traces, remains
    from serving.erasing import left_in_index
    from trainer.erasing import left_in_tracking

    found = [str(remain) for remain in remains(lake, subjects, texts)]
    found += [f"Milvus, collection {name}: rows of theirs" for name in left_in_index(lake, serving, subjects.people, subjects.items)]
    traces = Traces(subjects.people | subjects.acts, (*words, *texts))
    return found + [f"MLflow, run {path}: an id or a text of theirs" for path in left_in_tracking(lake, traces)]


def say(lake: "LakeConfig", subjects: "Subjects", run: "RunRecord") -> None:
    """What was done, and what no erasure reaches."""
    from trainer.erasing import trained_encoders

    print(f"Forgotten: {len(subjects.people)} accounts and people, {len(subjects.acts)} acts, and {len(subjects.items)} items that nobody else's labels give.")
    for name, count in run.rows.items():
        if count:
            print(f"  {name}: {count:,} went")
    print("Not touched: the dumps that were ingested, copies elsewhere, and what others wrote about them in words of their own.")
    encoders = trained_encoders(lake)
    if encoders:
        print(f"Weights of encoders that are trained already stay as they are, and may have been trained on them: {', '.join(encoders)}; train again.")
