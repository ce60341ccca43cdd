"""The ETL on a Spark standalone cluster, submitted as in ETL.md. In the middle of each job a worker dies, and no row is another for it."""

from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from etl.jobs import ingest, sequences, units
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.tables import TableSpec
from lake.units import SEQUENCES, UNITS
from pipeline.archive_generator import write_archive
from tests.data.pack_dump import pack_hand_made
from tests.etl_environment import etl_environment
from tests.etl_rows import rows_by_table
from tests.spark_submit import SubmittedJob, build_code_zip, imports_of_etl
from tests.standalone_cluster import StandaloneCluster, running_cluster

KEY = "5e" * 32
WRITES = {"ingest": (ACTS, REJECTS, INGESTED_FILES), "units": (UNITS,), "sequences": (SEQUENCES,)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where jobs are submitted: dump, code, environment, key and configuration, named by paths that are relative to it, as the lake is."""
    write_archive(pack_hand_made(tmp_path / "dump"), people=2000, months=1, acts_per_month=40)
    build_code_zip(tmp_path)
    for name in ("env", "env.tar.gz"):
        (tmp_path / name).symlink_to(etl_environment() / name)
    (tmp_path / "pseudonym.key").write_text(KEY)
    settings = {"spark.databricks.delta.snapshotPartitions": "2"}
    # A file is open from the first rows to the last, not for a moment at the end, so that a writer can be caught at it.
    lake = {"path": "lake", "pseudonym_key_file": "pseudonym.key", "shuffle_partitions": 8, "write_buffer_mb": 0, "spark_settings": settings}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"lake": lake}))
    return tmp_path


@pytest.fixture
def undisturbed(folder: Path, spark: SparkSession) -> LakeConfig:
    """The lake that the jobs make on one machine when nothing happens to them."""
    words = ["--lake", str(folder / "undisturbed"), "--set", f"lake.pseudonym_key_file={folder / 'pseudonym.key'}"]
    ingest.main(["--dump", str(folder / "dump"), *words])
    units.main(words)
    sequences.main(words)
    return LakeConfig(path=str(folder / "undisturbed"))


def submit(job: str, cluster: StandaloneCluster, folder: Path) -> SubmittedJob:
    """Start a job as ETL.md does, on loopback alone."""
    settings = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false", "spark.executor.memory": "1g"}
    options = ["--master", cluster.url, "--archives", "env.tar.gz#env", "--files", "pseudonym.key"]
    options += [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    arguments = ["--config", "config.yaml", *(["--dump", "dump"] if job == "ingest" else [])]
    return SubmittedJob(job, folder / "kindred.zip", folder, "./env/bin/python", options, arguments)


def run_with_a_killed_worker(job: str, cluster: StandaloneCluster, folder: Path) -> tuple[Path, str]:
    """Kill a worker while it reads an input file (ingest) or writes a file of the table, and see the job through: that file, and the job's log."""
    submitted = submit(job, cluster, folder)
    try:
        opened = cluster.kill_worker_at_work(folder / ("dump" if job == "ingest" else f"lake/{job}"), submitted)
        return opened, submitted.finish()
    finally:
        submitted.kill()


def live_files(lake: LakeConfig, spec: TableSpec) -> set[Path]:
    return {Path(lake.path) / spec.name / file["path"] for file in arrow_tables.live_files(arrow_tables.open_table(lake, spec))}


def removable_files(lake: LakeConfig, spec: TableSpec) -> set[Path]:
    """What VACUUM would remove: files in the table's folder that do not belong to it."""
    unknown = arrow_tables.open_table(lake, spec).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=True, full=True)
    return {Path(lake.path) / spec.name / path for path in unknown}


def counts(lake: LakeConfig, job: str) -> tuple[dict[str, int], dict[str, int]]:
    """What the job's last run counted."""
    run = last_done_run(lake, f"etl {job}")
    assert run is not None
    return run.rows, run.dropped


def test_a_worker_that_dies_in_the_middle_of_each_job_changes_no_row(folder: Path, undisturbed: LakeConfig) -> None:
    lake, logs = LakeConfig(path=str(folder / "lake")), {}
    with running_cluster(workers=1) as cluster:
        for job, specs in WRITES.items():
            cluster.add_worker()  # in the place of the one that died
            opened, logs[job] = run_with_a_killed_worker(job, cluster, folder)
            assert "Lost executor" in logs[job]
            if job != "ingest":
                assert opened not in live_files(lake, specs[0])
                assert opened in removable_files(lake, specs[0])
            assert counts(lake, job) == counts(undisturbed, job)
            expected = rows_by_table(undisturbed, specs)
            for name, rows in rows_by_table(lake, specs).items():
                assert rows.num_rows > 0
                assert rows.equals(expected[name]), name
        executor_logs = cluster.executor_logs()

    imports = [found for log in executor_logs for found in imports_of_etl(log)]
    assert len(imports) >= len(WRITES)
    assert all(module == "./kindred.zip/etl/__init__.py" for module, _ in imports)
    assert all(python.startswith(f"{cluster.folder}/worker-") and python.endswith("/env/bin/python") for _, python in imports)
    assert not any(KEY in log for log in [*logs.values(), *executor_logs])
