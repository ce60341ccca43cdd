"""`kindred serving embed`: vectors of people and items under the registered encoder."""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from conf.arguments import JobArguments
from conf.errors import ContractError
from conf.logs import NOTICE, Pace
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import EncoderCard, encoder_version, read_card, registered_folder
from lake.examples import PERSON_LABELS
from lake.job_runs import RunRecord, done_runs, inputs_now, job_run, last_run_of
from lake.labels import ITEMS
from lake.presence import has_table
from lake.rendering import READS_LABELS
from lake.tables import TableSpec
from lake.units import SEQUENCES
from lake.vectors import ITEM_VECTORS, USER_VECTORS
from serving import arguments as serving_arguments
from serving.config import ServingConfig
from serving.embedding import NO_LABEL, Sources
from serving.runners import Changes, EncoderAtWork, changes_in_tasks, changes_in_this_process, encoder_at_work
from serving.vector_tables import commit, remove_buckets, remove_encoders

JOB = "serving embed"
TABLES_VERSION = "2"
"""Of how the tables of vectors are laid out: those of another program are made anew."""
NOBODY_READ = f"people: {NO_LABEL} to read"

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.embed(argv))


def run_job(arguments: JobArguments) -> None:
    """Bring both tables of vectors up to date."""
    embed(arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig))


def embed(lake: LakeConfig, config: ServingConfig) -> None:
    """Write the vectors of all people and items. Does nothing, and loads no model, where the last run had the same inputs.

    Settings are none of them: those of serving change how fast vectors are made, not the vectors. Each bucket of a table is replaced in one commit of its own: a kill loses
    what was made of one, and the next run goes on. Raises ContractError where another run has replaced a bucket meanwhile.
    """
    folder = registered_folder(lake)
    reads = (SEQUENCES, ITEMS, PERSON_LABELS) if reads_labels(lake, read_card(folder)) else (SEQUENCES, ITEMS)
    inputs = inputs_now(lake, reads=reads, encoder_version=encoder_version(folder), code=TABLES_VERSION)
    if last_run_of(lake, JOB, inputs, writes=(USER_VECTORS, ITEM_VECTORS)):
        logger.info("%s: nothing changed since the last run (encoder %s)", JOB, inputs.encoder_version)
        return
    with job_run(lake, JOB, {"lake": lake, "serving": config, "inputs": inputs}) as record:
        record.versions_read.update(inputs.versions)
        sources = Sources(lake, inputs, config.embed.memory_mb * 2**20, config.embed.item_buckets)
        kept = encoders_to_keep(lake, config.keep_hours)
        with runner(sources, encoder_at_work(lake, folder, config.device, config.embed)) as changes:
            for spec, what in ((USER_VECTORS, "users"), (ITEM_VECTORS, "items")):
                bring_up_to_date(sources, spec, kept, changes, record, what)


@contextmanager
def runner(sources: Sources, at_work: EncoderAtWork) -> Iterator[Changes]:
    """What works on buckets, by the settings; a Spark session of its own is stopped at the end."""
    if at_work.config.runner == "local":
        yield changes_in_this_process(sources, at_work.load())
        return
    from lake.spark_tables import spark_session

    with spark_session(JOB, sources.lake, jvm_idles=True) as spark:
        yield changes_in_tasks(spark, sources, at_work)


def reads_labels(lake: LakeConfig, card: EncoderCard) -> bool:
    """Whether an encoder reads people's labels. Raises ContractError where it does and there are none."""
    if card.query_format not in READS_LABELS:
        return False
    if not has_table(lake, PERSON_LABELS) or not arrow_tables.count_rows(lake, PERSON_LABELS):
        raise ContractError(
            f"person_labels: this encoder reads histories as {card.query_format!r}, and nobody has labels; label units, then run 'kindred trainer examples'"
        )
    return True


def encoders_to_keep(lake: LakeConfig, keep_hours: float) -> set[str]:
    """Versions of the encoders that another took the place of so lately that one may want to go back to them: however long ago they were embedded, until then they were served."""
    replaced_at, kept = datetime.now(UTC), set[str]()
    since = replaced_at - timedelta(hours=keep_hours)
    for run in done_runs(lake, JOB):
        if replaced_at <= since:
            break
        if run.inputs and run.inputs.encoder_version:
            kept.add(run.inputs.encoder_version)
        replaced_at = run.ended_at
    return kept


def bring_up_to_date(sources: Sources, spec: TableSpec, kept: Collection[str], changes: Changes, record: RunRecord, what: str) -> None:
    """Commit what becomes of each bucket of a table; then rows of encoders that nobody keeps, and of buckets that are no more, go with their files."""
    lake, version, sizes = sources.lake, sources.inputs.encoder_version or "", sources.buckets(spec)
    prepare(lake, spec)
    counts: Counter[str] = Counter()
    clock, pace = time.monotonic(), Pace()
    with closing(changes(spec, sizes)) as made:
        for done, change in enumerate(made, start=1):
            commit(lake, spec, change)
            counts.update(change.counts)
            if pace.is_due():
                rate = counts["encoded"] / (time.monotonic() - clock)
                logger.log(NOTICE, "%s: %d of %d buckets, %d encoded, %.1f encoded/s", spec.name, done, len(sizes), counts["encoded"], rate)
    counts["removed"] += remove_buckets(lake, spec, sizes.keys(), version)
    for old in remove_encoders(lake, spec, {version, *kept}):
        logger.info("%s: the vectors of encoder %s are removed, which was embedded too long ago", spec.name, old)
    if unread := counts.pop(NO_LABEL, 0):
        record.dropped[NOBODY_READ] += unread
        logger.warning("%d people get no vector: none of their units has a label, and encoder %s reads nothing else", unread, version)
    record.rows.update({f"{what} {how}": count for how, count in counts.items() if count})
    record.wrote(spec, arrow_tables.table_version(lake, spec))


def prepare(lake: LakeConfig, spec: TableSpec) -> None:
    """Make the table where it is absent, and anew where an older program laid it out."""
    if arrow_tables.is_of_older_program(lake, spec):
        logger.warning("%s was written by an older program, in partitions of its own: it is made anew, and everything in it encoded again", spec.name)
    arrow_tables.made_anew(lake, spec)


if __name__ == "__main__":
    main()
