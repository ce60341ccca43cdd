"""How much of a table must be made again: what has changed in the tables it is made from since the job's last run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from conf.errors import ContractError
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.table_files import before_erasures
from lake.tables import TableSpec

Partition = tuple[str, ...]
File = Mapping[str, Any]
FilesByPartition = dict[Partition, dict[str, File]]


@dataclass(frozen=True)
class ChangedActs:
    """What of `acts` is to be worked through, and how many rows the log counts there.

    Of `whole` partitions all rows; of `grown` ones, which have the rows of `new_sources` more than before, what these rows touch.
    """

    whole: Mapping[Partition, int] = field(default_factory=dict)
    grown: Mapping[Partition, int] = field(default_factory=dict)
    new_sources: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """Rows of whole partitions and new rows of grown ones."""
        return sum(self.whole.values()) + sum(self.grown.values())


def all_acts(lake: LakeConfig, version: int) -> ChangedActs:
    """Every partition of acts, whole. Raises ContractError where the log does not count its rows."""
    files = _files_by_partition(arrow_tables.open_table(lake, ACTS, version), ACTS)
    return ChangedActs(whole={partition: _rows(files) for partition, files in files.items()})


def changed_acts(lake: LakeConfig, old_version: int, version: int) -> ChangedActs:
    """What has changed between two versions of acts; everything, where the old version cannot be read any more.

    An erasure changes nothing: what went with it went from what the job made as well. A partition has grown where it lost no file, and where what is new came out of input files of which it had nothing.
    """
    old = _table_at(lake, ACTS, old_version)
    if old is None:
        return all_acts(lake, version)
    before, after = _without_erased(_files_by_partition(old, ACTS), _files_by_partition(arrow_tables.open_table(lake, ACTS, version), ACTS))
    whole, grown, new_sources = {}, {}, set()
    for partition in before.keys() | after.keys():
        old_files, files = before.get(partition, {}), after.get(partition, {})
        if old_files.keys() == files.keys():
            continue
        new_files = {path: file for path, file in files.items() if path not in old_files}
        added, kept = _sources(new_files), _sources(old_files)
        if old_files.keys() <= files.keys() and added and kept and not added & kept:
            grown[partition] = _rows(new_files)
            new_sources |= added
        else:
            whole[partition] = _rows(files)
    for partition in [partition for partition in grown if _sources(before[partition]) & new_sources]:
        whole[partition] = _rows(after[partition])
        del grown[partition]
    return ChangedActs(whole, grown, frozenset(new_sources))


def added_files(lake: LakeConfig, spec: TableSpec, old_version: int, version: int) -> list[str] | None:
    """Paths of the files that a table has more than at an older version; None where it lost some, or the old version cannot be read any more."""
    old = _table_at(lake, spec, old_version)
    if old is None:
        return None
    before, after = (
        {before_erasures(file["path"]): file["path"] for file in arrow_tables.live_files(table)}
        for table in (old, arrow_tables.open_table(lake, spec, version))
    )
    return sorted(after[known_as] for known_as in after.keys() - before.keys()) if before.keys() <= after.keys() else None


def partition_of(file: File, spec: TableSpec) -> Partition:
    """Partition of a file of the log (`arrow_tables.live_files`)."""
    return tuple(str(file[f"partition.{column}"]) for column in spec.partition_by)


def _table_at(lake: LakeConfig, spec: TableSpec, version: int) -> DeltaTable | None:
    """The table as it was; None where that cannot be read any more."""
    try:
        return arrow_tables.find_table(lake, spec, version)
    except DeltaError:
        return None


def _files_by_partition(table: DeltaTable, spec: TableSpec) -> FilesByPartition:
    files: FilesByPartition = {}
    for file in arrow_tables.live_files(table):
        files.setdefault(partition_of(file, spec), {})[file["path"]] = file
    return files


def _without_erased(before: FilesByPartition, after: FilesByPartition) -> tuple[FilesByPartition, FilesByPartition]:
    """Files of a table as it was and as it is, each under the name that it had before rows of it were erased; one of which no row is left in neither."""
    now = {partition: {before_erasures(path): file for path, file in files.items()} for partition, files in after.items()}
    then = {partition: {before_erasures(path): file for path, file in files.items()} for partition, files in before.items()}
    for partition, files in then.items():
        files.update({known_as: now[partition][known_as] for known_as in files.keys() & now.get(partition, {}).keys()})
    return _filled(then), _filled(now)


def _filled(files: FilesByPartition) -> FilesByPartition:
    """The partitions and files that have rows, or do not tell."""
    filled = {partition: {path: file for path, file in of_partition.items() if file.get("num_records") != 0} for partition, of_partition in files.items()}
    return {partition: of_partition for partition, of_partition in filled.items() if of_partition}


def _sources(files: Mapping[str, File]) -> set[str]:
    """Input files whose rows stand in these files; empty where one of them holds several, as files do that were rewritten."""
    lowest, highest = ([file.get(f"{end}.source_file") for file in files.values()] for end in ("min", "max"))
    return {source for source in lowest if source is not None} if lowest == highest and None not in lowest else set()


def _rows(files: Mapping[str, File]) -> int:
    """Rows of these files. Raises ContractError where the log does not count them, since then nobody could tell whether all were read."""
    unknown = [path for path, file in files.items() if file.get("num_records") is None]
    if unknown:
        raise ContractError(f"{ACTS.name}: the table's log does not count the rows of {unknown[0]}; write that file again with statistics")
    return sum(file["num_records"] for file in files.values())
