"""Entry point of `kindred teacher import-items FILE`."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from conf.arguments import JobArguments
from conf.errors import ConfigError, TeacherError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import job_run
from lake.labels import ITEM_REJECTS, ITEMS
from lake.schema import rows_table
from lake.tables import Row, TableSpec
from teacher import arguments as teacher_arguments
from teacher.catalogue import CatalogueRows, items_of_rows, rows_of_file
from teacher.config import TeacherConfig

logger = logging.getLogger(__name__)
JOB = "teacher import-items"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.import_items(argv))


def run_job(arguments: JobArguments) -> None:
    """Import a file of items."""
    import_catalogue(arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig), arguments.values.file)


def import_catalogue(lake: LakeConfig, config: TeacherConfig, file: Path) -> None:
    """Let the items and rejects of a catalogue be those of a file. Raises TeacherError where it cannot be read or nearly all of it is bad, ConfigError without settings."""
    if config.catalogue is None:
        raise ConfigError("teacher.catalogue: not set; it says what the columns of a catalogue are")
    source = config.catalogue.name
    with job_run(lake, JOB, {"teacher": config}) as record:
        made = items_of_rows(rows_of_file(file, config.catalogue), config.catalogue)
        record.rows.update({"lines": len(made), "items": len(made.items), "item_rejects": len(made.rejects)})
        record.dropped.update(made.duplicates)
        record.dropped.update(Counter(f"reject: {reject.reason}" for reject in made.rejects))
        _check_share(file, made, config.max_reject_share)
        record.wrote(ITEM_REJECTS, replace_source(lake, ITEM_REJECTS, source, made.rejects))
        record.wrote(ITEMS, replace_source(lake, ITEMS, source, list(made.items.values())))


def replace_source(lake: LakeConfig, spec: TableSpec, source: str, rows: Sequence[Row]) -> int:
    """Let these be the rows of a source, the others' staying as they are, in one commit and where they differ; the table's version."""
    version = arrow_tables.create_table(lake, spec).version()
    in_order = [(name, "ascending") for name in spec.key]
    written, new = arrow_tables.read(lake, spec, version=version), rows_table(spec, list(rows)).sort_by(in_order)
    own = pc.equal(written["source"], source)
    if written.filter(own).sort_by(in_order).equals(new):
        logger.info("%s: the %d rows of %s are as they were", spec.name, len(new), source)
        return version
    return arrow_tables.overwrite(lake, spec, pa.concat_tables([written.filter(pc.invert(own)), new]), since=version)


def _check_share(file: Path, made: CatalogueRows, max_share: float) -> None:
    if not len(made):
        found = "no row; nothing was imported, and the items of an earlier import stay"
        raise TeacherError(f"{file}: {found}", public=found)
    if len(made.rejects) > max_share * len(made):
        reasons = ", ".join(f"{reason} ({count})" for reason, count in Counter(reject.reason for reject in made.rejects).most_common(3))
        found = f"{len(made.rejects)} of {len(made)} rows would be rejects, more than teacher.max_reject_share={max_share}: {reasons}; nothing was imported"
        raise TeacherError(f"{file}: {found}", public=found)


if __name__ == "__main__":
    main()
