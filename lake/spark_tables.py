"""Spark sessions, and reading Delta tables with Spark (edge). Tables are made and written without Spark: `lake.arrow_tables`, `lake.table_files`."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from lake.config import LakeConfig
from lake.java import ensure_java
from lake.presence import has_table, no_table
from lake.spark_jvm import start_context
from lake.tables import TableSpec, table_uri

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

logger = logging.getLogger(__name__)

BYTES_OF_BATCH = 64 * 2**20
"""Rows that Spark hands to Python at once: a row may be a block of many."""

_KEEPS_SESSION: ContextVar[bool] = ContextVar("a session outlives the job that started it", default=False)


@contextmanager
def shared_session() -> Iterator[None]:
    """Several jobs in a row: the first that needs a session starts it, the others find it, and it is stopped at the end."""
    is_own = _running_session() is None
    token = _KEEPS_SESSION.set(True)
    try:
        yield
    finally:
        _KEEPS_SESSION.reset(token)
        session = _running_session()
        if is_own and session is not None:
            session.stop()


@contextmanager
def spark_session(job: str, lake: LakeConfig, jvm_idles: bool = False) -> Iterator["SparkSession"]:
    """A session that knows the lake's Delta tables: the running one if there is one, else its own, stopped at the end unless it is shared.

    `jvm_idles` as in `start_session`; a session that others share is never such a one.
    """
    running = _running_session()
    if running is not None:
        yield running
        return
    session = start_session(job, lake, jvm_idles and not _KEEPS_SESSION.get())
    try:
        yield session
    finally:
        if not _KEEPS_SESSION.get():
            session.stop()


def _running_session() -> "SparkSession | None":
    """This process's session; where nobody has imported PySpark there is none."""
    if "pyspark" not in sys.modules:
        return None
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


def start_session(job: str, lake: LakeConfig, jvm_idles: bool = False) -> "SparkSession":
    """A new session in UTC with Delta. Under spark-submit, master and jars are spark-submit's.

    `jvm_idles` is for a job whose work is done by Python alone: on one machine its JVM then compiles no code thoroughly, which would take most of its time.
    Otherwise it collects garbage by the collector that costs least (a tenth less than Java's default took for units); nobody waits for its pauses.
    """
    from pyspark.sql import SparkSession

    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    settings = {
        "spark.app.name": f"kindred {job}",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxBytesPerBatch": str(BYTES_OF_BATCH),
        "spark.sql.adaptive.enabled": "true",
        # Otherwise Python's workers of tables and of RDDs differ in an environment variable, and what each imports is paid for twice.
        "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "false",
        "spark.io.compression.codec": "zstd",  # a third less shuffled than by lz4 (benchmarks/RESULTS.md)
    }
    if not submitted:
        cores = os.cpu_count() or 2
        settings |= {
            "spark.master": lake.spark_master or "local[*]",
            "spark.driver.memory": lake.driver_memory,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": str(lake.shuffle_partitions or cores),
            "spark.databricks.delta.snapshotPartitions": "2",
        }
        settings["spark.driver.extraJavaOptions"] = "-XX:TieredStopAtLevel=1" if jvm_idles else "-XX:+UseParallelGC"
        os.environ["JAVA_HOME"] = str(ensure_java(lake.cache_dir))
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    elif lake.shuffle_partitions:
        settings["spark.sql.shuffle.partitions"] = str(lake.shuffle_partitions)
    settings |= lake.spark_settings
    if not submitted:
        start_context(settings, lake.cache_dir)
    session = SparkSession.builder.config(map=dict(settings)).getOrCreate()
    if submitted and not logger.isEnabledFor(logging.DEBUG):
        session.sparkContext.setLogLevel("ERROR")
    return session


def read(spark: "SparkSession", lake: LakeConfig, spec: TableSpec, version: int | None = None) -> "DataFrame":
    """Rows of a table, its columns checked; null in later columns that it lacks. Raises ContractError where it is absent or does not fit."""
    if not has_table(lake, spec):
        raise no_table(lake, spec)
    reader = spark.read.format("delta")
    rows = (reader if version is None else reader.option("versionAsOf", version)).load(table_uri(lake.path, spec))
    return _modelled(spec, rows)


def _modelled(spec: TableSpec, rows: "DataFrame") -> "DataFrame":
    """The rows with their columns checked, and with nulls in the later ones that the table lacks."""
    from pyspark.sql.types import StructField, StructType

    from lake.schema import check_columns, spark_schema

    found = _type_names(rows.schema)
    check_columns(spec, found, _type_names(spark_schema(spec)))
    if found.keys() >= {*spec.later_columns}:
        return rows
    return rows.to(StructType([StructField(field.name, field.dataType) for field in spark_schema(spec)]))  # all nullable, as what is read may be


def _type_names(fields: "StructType", below: str = "") -> dict[str, str]:
    """Type of each column, and of each field inside ('units.context.title'), by name, whatever their order."""
    from pyspark.sql.types import ArrayType, StructType

    names: dict[str, str] = {}
    for field in fields:
        inner = field.dataType.elementType if isinstance(field.dataType, ArrayType) else field.dataType
        if isinstance(inner, StructType):
            names[below + field.name] = field.dataType.typeName()
            names |= _type_names(inner, f"{below}{field.name}.")
        else:
            names[below + field.name] = field.dataType.simpleString()
    return names
