"""Rows and what was counted while they were made, in one pass: a Python function over batches yields its rows and, between
them, rows that only count, which `write_counted` observes on their way and leaves out.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from lake import spark_tables
from lake.config import LakeConfig
from lake.schema import arrow_schema, spark_schema
from lake.tables import TableSpec

_BATCH_ROWS = 8192


def counted_schema(spec: TableSpec) -> StructType:
    """Spark schema of a table's rows with `counted` and `row_count` beside them, all nullable."""
    fields = [StructField(field.name, field.dataType) for field in spark_schema(spec)]
    return StructType([*fields, StructField("counted", StringType()), StructField("row_count", LongType())])


def with_counts(rows: pa.Table, counts: Mapping[str, int], spec: TableSpec) -> Iterator[pa.RecordBatch]:
    """The rows, then one row for each count: its name in `counted`, all else null."""
    fields = [field.with_nullable(True) for field in arrow_schema(spec)]
    schema = pa.schema([*fields, pa.field("counted", pa.string()), pa.field("row_count", pa.int64())])
    only_counts = pa.table({"counted": pa.array(counts.keys(), pa.string()), "row_count": pa.array(counts.values(), pa.int64())})
    for part in (rows, only_counts):
        columns = [part[field.name] if field.name in part.column_names else pa.nulls(part.num_rows, field.type) for field in schema]
        yield from pa.table(columns, schema=schema).combine_chunks().to_batches(max_chunksize=_BATCH_ROWS)


def write_counted(rows: DataFrame, names: Sequence[str], lake: LakeConfig, spec: TableSpec, where: str | None = None) -> Counter[str]:
    """Replace the table's rows (those that `where` names) in one commit; what was counted, by name, zeros left out."""
    seen = Observation()
    sums = [F.sum(F.when(F.col("counted") == name, F.col("row_count"))).alias(name) for name in names]
    table_rows = rows.observe(seen, *sums).where(F.col("counted").isNull()).drop("counted", "row_count")
    spark_tables.overwrite(table_rows, lake, spec, where)
    return Counter({name: count for name, count in seen.get.items() if count})
