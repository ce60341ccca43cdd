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
from lake.job_runs import job_run
from lake.labels import LABEL_REJECTS, LABELS, LabelReject
from lake.units import UNITS
from teacher import arguments as teacher_arguments
from teacher.answers import ANSWERS_VERSION
from teacher.config import TeacherConfig
from teacher.imported import ImportedLine, import_labels, parse_line
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
    """Append the labels of a file, and its bad lines as rejects. Raises TeacherError where it cannot be read or nearly all of it is bad."""
    lines = _read_lines(file, config.imported_ids)
    digest = hashlib.sha256("\n".join(line.raw for line in lines).encode(errors="surrogatepass")).hexdigest()
    teacher_version = f"import-{digest[:16]}-{ANSWERS_VERSION}"
    transaction = (f"teacher-import:{teacher_version}", 1)
    with job_run(lake, JOB, {"teacher": config}) as record:
        units = arrow_tables.open_table(lake, UNITS)
        if arrow_tables.is_committed(arrow_tables.create_table(lake, LABELS), transaction):
            logger.info("%s is imported already as %s", file.name, teacher_version)
            record.dropped["lines imported before"] += len(lines)
            return
        contents = _contents(lake, lines, units.version())
        imported = import_labels(lines, contents, config.imported_model or file.name, teacher_version)
        record.read(UNITS, units.version())
        record.rows.update({"lines": len(lines), "labels": len(imported.labels), "label_rejects": len(imported.rejects)})
        record.dropped.update(imported.duplicates)
        if len(lines) != len(imported.labels) + len(imported.rejects) + imported.duplicates.total():
            raise ContractError(f"{file}: {len(lines)} lines, but {record.rows} and {record.dropped} after the import; this is a defect of Kindred")
        _check_share(file, len(lines), imported.rejects, config.max_reject_share)
        record.wrote(LABEL_REJECTS, arrow_tables.append(lake, LABEL_REJECTS, imported.rejects, transaction))
        record.wrote(LABELS, arrow_tables.append(lake, LABELS, imported.labels, transaction))
        record.dropped.update(Counter(f"reject: {reject.reason}" for reject in imported.rejects))


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


def _check_share(file: Path, lines: int, rejects: Sequence[LabelReject], max_share: float) -> None:
    if lines and len(rejects) / lines > max_share:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in Counter(reject.reason for reject in rejects).most_common(3))
        raise TeacherError(
            f"{file}: {len(rejects)} of {lines} lines would be rejects, more than teacher.max_reject_share={max_share}: {reasons}; nothing was imported. "
            "Are the units of this archive in the lake, and is a line {'unit_id' or 'id', 'specific', 'broad'}?"
        )


if __name__ == "__main__":
    main()
