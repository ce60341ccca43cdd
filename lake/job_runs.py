"""Table `job_runs`: one row for each run of each job, written when the run ends, also when it fails."""

import hashlib
import json
import logging
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from conf.errors import KindredError
from conf.logs import PACKAGES
from lake.config import LakeConfig
from lake.tables import Row, TableSpec

if TYPE_CHECKING:
    from deltalake import DeltaTable

logger = logging.getLogger(__name__)

UPKEEP = ("OPTIMIZE", "VACUUM START", "VACUUM END", "ADD COLUMN")
"""Operations of Delta that leave a table's rows as they are."""
ERASURE = "kindred.erasure"
"""Mark of a commit that took out what must be forgotten, and nothing else: whoever goes on from a table as it was goes on all the same."""
ERROR_CHARS = 2000


class JobRun(Row):
    """One run of one job."""

    run_id: str = Field(description="Made at the start of the run.")
    job: str = Field(description="As on the command line, e.g. 'etl units'.")
    status: Literal["done", "failed"] = Field(description="How it ended; a failed run may have written a part.")
    error: str | None = Field(description="What the failure was, without paths and texts of input files; null where it is done.")
    config: str = Field(description="The resolved sections as JSON, secrets masked.")
    versions_read: dict[str, int] = Field(description="Table -> Delta version read.")
    versions_written: dict[str, int] = Field(description="Table -> Delta version after the run.")
    rows: dict[str, int] = Field(description="Counts of the run in domain words, e.g. 'acts', 'units'.")
    dropped: dict[str, int] = Field(description="Rows left out on purpose, by reason.")
    seconds: float = Field(description="Wall time of the run.")
    started_at: datetime = Field(description="UTC.")
    ended_at: datetime = Field(description="UTC.")

    @property
    def inputs(self) -> "Inputs | None":
        """What decided what the run made; None where its job does not tell."""
        had = json.loads(self.config).get("inputs")
        return None if had is None else Inputs(**had)


JOB_RUNS = TableSpec(name="job_runs", row=JobRun, key=("run_id",), write_mode="append", written_by=("etl ingest",))


class RunRecord:
    """What a job tells of itself while it runs."""

    def __init__(self) -> None:
        self.versions_read: dict[str, int] = {}
        self.versions_written: dict[str, int] = {}
        self.rows: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def read(self, spec: TableSpec, version: int | None) -> None:
        """Note the version of a table that was read; an absent table (None) is left out."""
        if version is not None:
            self.versions_read[spec.name] = version

    def wrote(self, spec: TableSpec, version: int | None) -> None:
        """Note the version of a table after it was written."""
        if version is not None:
            self.versions_written[spec.name] = version


def last_done_run(lake: LakeConfig, job: str) -> JobRun | None:
    """The newest run of a job that ended well; None where there is none."""
    return next(iter(done_runs(lake, job)), None)


def done_runs(lake: LakeConfig, job: str) -> Iterator[JobRun]:
    """The runs of a job that ended well, newest first."""
    import pyarrow.dataset as ds

    from lake import arrow_tables

    if arrow_tables.find_table(lake, JOB_RUNS) is None:
        return
    done = arrow_tables.read(lake, JOB_RUNS, where=(ds.field("job") == job) & (ds.field("status") == "done")).sort_by([("started_at", "descending")])
    for row in range(done.num_rows):
        (found,) = done.slice(row, 1).to_pylist(maps_as_pydicts="strict")
        yield JobRun(**found)


class Inputs(BaseModel):
    """What decides what a job makes; kept in `config` beside the settings of the run. Whether anything changed is asked of it alone."""

    model_config = ConfigDict(frozen=True)

    settings: dict[str, Any] = Field({}, description="Those settings that count, by name.")
    tables: dict[str, tuple[str, int]] = Field({}, description="Table -> Delta id and version: a table made anew has another id.")
    encoder_version: str | None = None
    code: str | None = Field(None, description="Version of the job's code, where other code would make other rows, weights or numbers.")

    @property
    def fingerprint(self) -> str:
        """32 hex digits: equal ones make the same. For what is kept elsewhere than in `job_runs` (MLflow, Milvus)."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:32]

    def version(self, spec: TableSpec) -> int:
        """Delta version of a table that is read."""
        return self.tables[spec.name][1]

    @property
    def versions(self) -> dict[str, int]:
        """Table -> Delta version."""
        return {name: version for name, (_, version) in self.tables.items()}


def inputs_now(
    lake: LakeConfig, reads: Sequence[TableSpec] = (), optional: Sequence[TableSpec] = (), settings: Mapping[str, Any] | None = None,
    encoder_version: str | None = None, code: str | None = None,
) -> Inputs:  # fmt: skip
    """Inputs with the tables as they are now. Raises ContractError where one is absent that is not optional."""
    from lake import arrow_tables

    tables = [(spec, arrow_tables.open_table(lake, spec)) for spec in reads]
    tables += [(spec, table) for spec in optional if (table := arrow_tables.find_table(lake, spec)) is not None]
    states = {spec.name: (str(table.metadata().id), table.version()) for spec, table in tables}
    return Inputs(settings=dict(settings or {}), tables=states, encoder_version=encoder_version, code=code)


def rows_changed_since(table: "DeltaTable", version: int) -> bool:
    """Whether any commit after a version was more than upkeep or an erasure."""
    newer = table.history(limit=table.version() - version) if table.version() > version else []
    return any(commit["operation"] not in UPKEEP and ERASURE not in commit for commit in newer)


def last_run_of(lake: LakeConfig, job: str, inputs: Inputs, writes: Sequence[TableSpec], same_versions: bool = True) -> JobRun | None:
    """The job's last done run, where it had these inputs and the tables that it wrote still hold what it left; else None.

    Without `same_versions` the tables that it read may have had other versions: for a job that goes on from what has changed since.
    A table of its own that somebody wrote to since may be half of a run that died between its commit and its record.
    """
    last = last_done_run(lake, job)
    if last is None or last.inputs is None or _what_counts(last.inputs, same_versions) != _what_counts(inputs, same_versions):
        return None
    return last if hold_what_was_left(lake, last, writes) else None


def hold_what_was_left(lake: LakeConfig, run: JobRun, writes: Sequence[TableSpec]) -> bool:
    """Whether tables that a run wrote still hold what it left there."""
    return all(_holds_what_was_left(lake, spec, run.versions_written.get(spec.name)) for spec in writes)


def _what_counts(inputs: Inputs, same_versions: bool) -> dict[str, Any]:
    tables = inputs.tables if same_versions else {name: table_id for name, (table_id, _) in inputs.tables.items()}
    return {**inputs.model_dump(mode="json"), "tables": tables}


def _holds_what_was_left(lake: LakeConfig, spec: TableSpec, version: int | None) -> bool:
    from lake import arrow_tables

    table = arrow_tables.find_table(lake, spec)
    return table is not None and version is not None and table.version() >= version and not rows_changed_since(table, version)


@contextmanager
def job_run(lake: LakeConfig, job: str, config: Mapping[str, BaseModel]) -> Iterator[RunRecord]:
    """Log start and end of a job and append its row to `job_runs`; `config` is section -> model. What fails before there is a lake makes none."""
    record, started_at, clock = RunRecord(), datetime.now(UTC), time.monotonic()
    resolved = _as_json(config)
    logger.info("%s starts", job)
    logger.debug("%s: settings %s", job, resolved)
    error: str | None = None
    try:
        yield record
    except BaseException as failure:
        error = in_public(failure)[:ERROR_CHARS]
        raise
    finally:
        seconds = time.monotonic() - clock
        status: Literal["done", "failed"] = "failed" if error else "done"
        row = JobRun(
            run_id=uuid.uuid4().hex, job=job, status=status, error=error, config=resolved, versions_read=record.versions_read,
            versions_written=record.versions_written, rows=dict(record.rows), dropped=dict(record.dropped), seconds=seconds,
            started_at=started_at, ended_at=datetime.now(UTC),
        )  # fmt: skip
        _keep(lake, row)
        logger.info("%s %s: rows %s, dropped %s, %.1f s", job, status, dict(record.rows), dict(record.dropped), seconds)


def _keep(lake: LakeConfig, row: JobRun) -> None:
    """Append the row of a run; of a failed one where there is a lake, and where that takes it: why the job failed must be told all the same."""
    from lake.presence import is_made

    try:
        if row.status == "done" or is_made(lake):
            from lake import arrow_tables  # who fails before there is a lake goes without

            arrow_tables.append(lake, JOB_RUNS, [row])
    except Exception as error:
        if row.status == "done":
            raise
        logger.warning("%s: that it failed cannot be kept in job_runs (%s)", row.job, type(error).__name__)


def in_public(failure: BaseException) -> str:
    """What is kept of a failure: of our own errors the public message, of any other the kind and where in our code it came up.

    Messages of others (Arrow, pydantic, the system) quote values and paths of what they were given; the traceback on the terminal has them.
    """
    kind = type(failure).__name__
    if isinstance(failure, KindredError):
        return f"{kind}: {failure.public}"
    names = [(frame.f_globals.get("__name__", ""), frame.f_code.co_name, line) for frame, line in traceback.walk_tb(failure.__traceback__)]
    places = [f"{module}.{function}, line {line}" for module, function, line in names if module.split(".")[0] in PACKAGES and module != __name__]
    return f"{kind} in {places[-1]}; its message is not kept, see what the command printed" if places else kind


def _as_json(config: Mapping[str, BaseModel]) -> str:
    return json.dumps({name: model.model_dump(mode="json") for name, model in config.items()}, sort_keys=True)
