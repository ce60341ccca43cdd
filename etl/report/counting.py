"""Files of tables -> figures: rows are read and counted by Arrow, file by file, in this process or, where there is much to read, by tasks of Spark."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.report.aggregates import Aggregate
from lake.config import LakeConfig
from lake.schema import arrow_schema
from lake.table_files import open_parquet
from lake.tables import TableSpec

BYTES_OF_ONE_PROCESS = 8 * 2**30
"""Tables so big, all together, are counted by this process: it takes 17 CPU seconds (benchmarks/RESULTS.md), less than Spark takes before it counts."""
_ROWS_AT_ONCE = 2**17
_COUNTS_AT_ONCE = 2**20
_NONE_IS_0 = pc.ScalarAggregateOptions(min_count=0)

Aggregates = Mapping[str, Aggregate]


@dataclass(frozen=True)
class CountedFile:
    """One file of a table: its path as the table's log tells it, its size in bytes, and the values of its partition, which do not stand in it."""

    table: TableSpec
    path: str
    size: int
    partition: Mapping[str, Any]


def figures_of_files(lake: LakeConfig, files: Sequence[CountedFile], aggregates: Aggregates) -> dict[str, Any]:
    """The figures of each aggregate, by its name; those of no rows where there are no files of its table."""
    if sum(file.size for file in files) <= BYTES_OF_ONE_PROCESS:
        few = {name: [aggregates[name].few(counts)] for name, counts in counts_of_files(lake, files, aggregates).items()}
    else:
        from etl.report.counting_tasks import few_by_tasks  # it imports Spark, for which most lakes need not wait

        few = few_by_tasks(lake, files, aggregates)
    return {name: aggregates[name].figures(pa.concat_tables(parts)) for name, parts in few.items()}


def counts_of_files(lake: LakeConfig, files: Iterable[CountedFile], aggregates: Aggregates) -> dict[str, pa.Table]:
    """The counts of each aggregate, by its name: its keys, each set of them once, and its numbers."""
    sums = {name: Sums(aggregate) for name, aggregate in aggregates.items()}
    for file in files:
        concerned = [name for name, aggregate in aggregates.items() if aggregate.table.name == file.table.name]
        for rows in rows_of_file(lake, file, {column for name in concerned for column in aggregates[name].columns}):
            for name in concerned:
                sums[name].add(pa.table(aggregates[name].counted(rows)))
    return {name: of_name.total() for name, of_name in sums.items()}


def rows_of_file(lake: LakeConfig, file: CountedFile, columns: Collection[str]) -> Iterator[pa.Table]:
    """The file's rows, many at once, with these columns (`Aggregate.columns`); the texts beside them are not read."""
    schema, parquet = arrow_schema(file.table), open_parquet(lake, file.table, file.path)
    paths = [parquet.schema.column(number).path for number in range(len(parquet.schema))]
    wanted = [path for path in paths if any(fnmatchcase(path, pattern) for pattern in columns)]
    of_partition = {name: pa.scalar(value, schema.field(name).type) for name, value in file.partition.items() if name in columns}
    for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=wanted):
        stored = dict(zip(batch.schema.names, batch.columns, strict=True))
        yield pa.table(stored | {name: pa.repeat(value, batch.num_rows) for name, value in of_partition.items()})


class Sums:
    """The counts of one aggregate so far; memory is taken for each set of keys once, not for each row."""

    def __init__(self, aggregate: Aggregate) -> None:
        self._keys = list(aggregate.keys)
        nothing = pa.table(aggregate.counted(arrow_schema(aggregate.table).empty_table()))
        self._schema = nothing.schema
        self._waiting = [nothing]
        self._waiting_rows, self._added_rows = 0, 0

    def add(self, counts: pa.Table) -> None:
        """Take in further counts, of which several may have the same keys."""
        self._waiting.append(self._added(counts.cast(self._schema)))
        self._waiting_rows += self._waiting[-1].num_rows
        if self._waiting_rows >= max(_COUNTS_AT_ONCE, self._added_rows):
            self._waiting = [self.total()]
            self._waiting_rows, self._added_rows = 0, self._waiting[0].num_rows

    def total(self) -> pa.Table:
        """All counts, each set of keys once."""
        return self._added(pa.concat_tables(self._waiting))

    def _added(self, counts: pa.Table) -> pa.Table:
        numbers = [name for name in self._schema.names if name not in self._keys]
        sums = counts.group_by(self._keys).aggregate([(name, "sum", _NONE_IS_0) for name in numbers])
        return sums.rename_columns({f"{name}_sum": name for name in numbers}).select(self._schema.names).cast(self._schema)
