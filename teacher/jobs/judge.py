"""Entry point of `kindred teacher judge`."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import Encoder
from lake.examples import EXAMPLES
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run
from lake.judgements import JUDGEMENTS
from lake.labels import ITEMS
from lake.vectors import ITEM_VECTORS
from teacher import arguments as teacher_arguments
from teacher.config import JudgeConfig, TeacherConfig
from teacher.engine import Judge
from teacher.engines.start import start_engine
from teacher.identity import Teacher, find_teacher
from teacher.judgements.found_items import finding_encoder, found_items, query_vectors
from teacher.judgements.judging import Candidates, JudgedBy, judgements_of
from teacher.judgements.prompts import load_judge_prompt
from teacher.judgements.queries import Query, drawn_queries
from teacher.judgements.replaced import replaced_counts, replaced_text
from teacher.progress import Progress
from teacher.registered import with_model_here

logger = logging.getLogger(__name__)
JOB = "teacher judge"

StartJudge = Callable[[LakeConfig, TeacherConfig, Teacher], Judge]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.judge(argv))


def run_job(arguments: JobArguments) -> None:
    """Judge what is not judged yet, and say how often the teacher's own label is not the best."""
    print(judge_items(arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig)))


def judge_items(lake: LakeConfig, config: TeacherConfig, start: StartJudge = start_engine) -> str:
    """Write grades of the items near each drawn unit and history that this teacher has not judged yet, some queries in one commit, and say what share of labels another item ranks before.

    A kill loses the queries at hand and no others. Raises TeacherError, EncoderError, ConfigError where the model, the encoder or a prompt cannot be loaded.
    """
    here = with_model_here(lake, config)
    judging, teacher = config.judge, find_teacher(here)
    encoder = finding_encoder(lake, judging)
    by = judged_by(judging, teacher, encoder)
    tables = inputs_now(lake, reads=(EXAMPLES, ITEMS), optional=(ITEM_VECTORS,))
    with job_run(lake, JOB, {"teacher": config}) as record:
        record.versions_read.update(tables.versions)
        queries = drawn_queries(lake, judging, tables.version(EXAMPLES))
        judged = judged_queries(lake, by)
        pending = [query for query in queries if query.query_id not in judged]
        record.dropped["judged before"] += len(queries) - len(pending)
        asked = _asked(lake, judging, encoder, tables, pending) if pending else []  # before the model takes the GPU
        record.dropped["queries: nothing to read, or no two items"] += len(pending) - len(asked)
        if asked:
            logger.info("%d units and histories to judge, by %s, prompts %s", len(asked), teacher.model, by.prompt_version)
            _judge_batches(lake, judging, by, start(lake, here, teacher), asked, record)
        record.wrote(JUDGEMENTS, arrow_tables.create_table(lake, JUDGEMENTS).version())
        counts = replaced_counts(queries, _rows_of(lake, queries), judging.levels)
        record.rows.update(counts)
    return replaced_text(counts, judging.levels)


def judged_by(config: JudgeConfig, teacher: Teacher, encoder: Encoder) -> JudgedBy:
    """Who judges by these settings. Raises ConfigError for a prompt that is none."""
    likelihood = load_judge_prompt(config.likelihood, "likelihood") if config.likelihood else None
    relevance = load_judge_prompt(config.relevance, "relevance") if config.relevance else None
    return JudgedBy(teacher.model, likelihood, relevance, teacher.prompt.style == "chat", encoder.version, config.shown_units)


def judged_queries(lake: LakeConfig, by: JudgedBy) -> set[str]:
    """What this teacher has judged with these prompts, among items that this encoder found."""
    if arrow_tables.find_table(lake, JUDGEMENTS) is None:
        return set()
    wanted = {"teacher_model": by.model, "prompt_version": by.prompt_version, "encoder_version": by.encoder_version}
    where = ds.scalar(True)
    for column, value in wanted.items():
        where &= ds.field(column) == value
    return set(arrow_tables.read(lake, JUDGEMENTS, ("query_id",), where)["query_id"].unique().to_pylist())


def _asked(lake: LakeConfig, config: JudgeConfig, encoder: Encoder, tables: Inputs, pending: Sequence[Query]) -> list[list[Candidates]]:
    """The items that are judged for each query, at all levels, in the order of the queries; those that have nothing to read, or no two items, are left out."""
    readable, vectors = query_vectors(encoder, pending)
    of_levels = [found_items(lake, encoder, tables, level, readable, vectors, config.neighbours) for level in config.levels]
    by_query = ([candidates for candidates in of_query if len(candidates.item_ids) > 1] for of_query in zip(*of_levels, strict=True))
    return [found for found in by_query if found]


def _judge_batches(
    lake: LakeConfig, config: JudgeConfig, by: JudgedBy, model: Judge, asked: Sequence[list[Candidates]], record: RunRecord
) -> None:  # fmt: skip
    """Judge and commit batch after batch; what an older run, another teacher or another encoder made of a query gives way to it in the same commit."""
    with Progress(len(asked), "judge", "query") as progress:
        for start in range(0, len(asked), config.batch_queries):
            batch = asked[start : start + config.batch_queries]
            rows = judgements_of(model, by, [candidates for of_query in batch for candidates in of_query], datetime.now(UTC))
            arrow_tables.replace_groups(lake, JUDGEMENTS, "query_id", rows)
            judged = len({row.query_id for row in rows})
            record.rows.update({"queries judged": judged, "judgements": len(rows)})
            record.dropped["queries: not read by the model"] += len(batch) - judged
            progress.done(len(batch))


def _rows_of(lake: LakeConfig, queries: Sequence[Query]) -> list[dict[str, object]]:
    ids = pa.array([query.query_id for query in queries], pa.string())
    return arrow_tables.read(lake, JUDGEMENTS, ("query_id", "item_id", "level", "grade"), ds.field("query_id").isin(ids)).to_pylist()


if __name__ == "__main__":
    main()
