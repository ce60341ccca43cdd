"""Entry point of `kindred teacher import-labels FILE.jsonl`."""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ContractError, TeacherError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.forgotten import erased_of_lake
from lake.job_runs import job_run
from lake.labels import LABELS, Label
from lake.units import UNITS
from teacher import arguments as teacher_arguments
from teacher.answers import ANSWERS_VERSION
from teacher.config import TeacherConfig
from teacher.imported import ImportedLine, import_labels, parse_line, without_erased
from teacher.selection import contents_of

logger = logging.getLogger(__name__)
JOB = "teacher import-labels"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.import_labels(argv))


def run_job(arguments: JobArguments) -> None:
    """Import a file of labels."""
    import_file(arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig), arguments.values.file)


def import_file(lake: LakeConfig, config: TeacherConfig, file: Path) -> None:
    """Append what comes of a file's lines, good ones and bad ones, in one commit. Raises TeacherError where it cannot be read or nearly all of it is bad.

    The same file again adds what the lake has come to know since: labels of units that arrived later.
    """
    lines = _read_lines(file, config.imported_ids)
    digest = hashlib.sha256("\n".join(line.raw for line in lines).encode(errors="surrogatepass")).hexdigest()
    teacher_version = f"import-{digest[:16]}-{ANSWERS_VERSION}"
    commit = f"teacher-import:{teacher_version}"
    with job_run(lake, JOB, {"teacher": config}) as record:
        units, labels = arrow_tables.open_table(lake, UNITS), arrow_tables.create_table(lake, LABELS)
        transaction = (commit, (labels.transaction_version(commit) or 0) + 1)
        given, lines = len(lines), without_erased(lines, erased_of_lake(lake))
        imported = import_labels(lines, _contents(lake, lines, units.version()), config.imported_model or file.name, teacher_version)
        if len(lines) != len(imported.rows) + imported.duplicates.total():
            raise ContractError(
                f"{file}: {len(lines)} lines, but {len(imported.rows)} rows and {imported.duplicates} after the import; this is a defect of Kindred"
            )
        _check_share(file, len(lines), imported.rejects, config.max_reject_share)
        known = _known(lake, teacher_version, labels.version())
        rows = [row for row in imported.rows if row.unit_hash not in known]
        record.read(UNITS, units.version())
        record.rows.update({"lines": given, "labels": sum(row.reason is None for row in rows)})
        record.dropped.update(imported.duplicates)
        record.dropped.update({"lines of erased acts": given - len(lines)} if given > len(lines) else {})
        record.dropped.update(Counter(f"reject: {row.reason}" for row in rows if row.reason is not None))
        record.dropped.update({"lines imported before": len(imported.rows) - len(rows)} if known else {})
        if not rows:
            logger.info("%s is imported already as %s", file.name, teacher_version)
            return
        record.wrote(LABELS, arrow_tables.append(lake, LABELS, rows, transaction))


def _known(lake: LakeConfig, teacher_version: str, version: int) -> set[str]:
    """Contents, and given ids of no unit, that this file's import has written of."""
    rows = arrow_tables.read(lake, LABELS, ("unit_hash",), ds.field("teacher_version") == teacher_version, version)
    return set(rows["unit_hash"].to_pylist())


def _read_lines(file: Path, native_ids: Sequence[str]) -> list[ImportedLine]:
    """The file's lines; empty ones are none."""
    try:
        with file.open(encoding="utf-8", errors="replace", newline="\n") as stream:
            return [parse_line(line.rstrip("\r\n"), native_ids) for line in stream if line.strip()]
    except OSError as error:
        raise TeacherError(f"{file}: cannot read the labels: {error.strerror}") from None


def _contents(lake: LakeConfig, lines: Sequence[ImportedLine], version: int) -> dict[str, set[str]]:
    """unit_id -> contents of all units that have it, for the units that the lines name."""
    named = pa.array(sorted({unit_id for line in lines for unit_id in line.unit_ids}), pa.string())
    rows = arrow_tables.read(lake, UNITS, ("unit_id", "unit_hash", "duplicate_group"), ds.field("unit_id").isin(named), version)
    units = contents_of(rows)
    contents: dict[str, set[str]] = {}
    for unit_id, content in zip(units["unit_id"].to_pylist(), units["content"].to_pylist(), strict=True):
        contents.setdefault(unit_id, set()).add(content)
    return contents


def _check_share(file: Path, lines: int, rejects: Sequence[Label], max_share: float) -> None:
    if lines and len(rejects) / lines > max_share:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in Counter(reject.reason for reject in rejects).most_common(3))
        raise TeacherError(
            f"{file}: {len(rejects)} of {lines} lines would be rejects, more than teacher.max_reject_share={max_share}: {reasons}; nothing was imported. "
            "Are the units of this archive in the lake, and is a line {'unit_id' or 'id', 'specific', 'broad'}?"
        )


if __name__ == "__main__":
    main()
