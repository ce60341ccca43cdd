"""Entry point of `kindred teacher items`."""

import logging
from collections.abc import Sequence

from conf.arguments import JobArguments
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import inputs_now, job_run, last_run_of
from lake.labels import ITEMS, LABELS, LEVELS, NORMALISING_VERSION, is_label
from teacher import arguments as teacher_arguments
from teacher.items import count_spellings, items_of, only_labels, with_other_sources

logger = logging.getLogger(__name__)
JOB = "teacher items"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.items(argv))


def run_job(arguments: JobArguments) -> None:
    """Collect the items."""
    collect_items(arguments.section("lake", LakeConfig))


def collect_items(lake: LakeConfig) -> None:
    """Write the items of all labels. Raises ContractError where there are none."""
    inputs = inputs_now(lake, reads=(LABELS,), code=NORMALISING_VERSION)
    if last_run_of(lake, JOB, inputs, writes=(ITEMS,)):
        logger.info("%s: nothing changed since the last run, nothing to do", JOB)
        return
    with job_run(lake, JOB, {"inputs": inputs}) as record:
        record.versions_read.update(inputs.versions)
        spellings = count_spellings(arrow_tables.read_batches(lake, LABELS, ("unit_hash", *LEVELS), is_label(), inputs.version(LABELS)))
        version = arrow_tables.create_table(lake, ITEMS).version()
        written = arrow_tables.read(lake, ITEMS, version=version)
        of_labels = items_of(spellings)
        items = with_other_sources(of_labels, written)
        record.rows["items"] += len(items)
        record.dropped["other spellings of an item"] += len(spellings) - len(of_labels)
        if not items.equals(with_other_sources(only_labels(written), written)):
            version = arrow_tables.overwrite(lake, ITEMS, items, since=version)
        record.wrote(ITEMS, version)


if __name__ == "__main__":
    main()
