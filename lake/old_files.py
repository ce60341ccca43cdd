"""What Delta keeps of a table as it was: files that are no part of it any more, and their statistics in its log (edge).

The log of a table (https://github.com/delta-io/delta/blob/master/PROTOCOL.md) says of each file the least and greatest value of its columns, ids and words among them, and
goes on to say so when the file is gone. Its lines and checkpoints are written anew without them: which files a version had stays told.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType

from lake import arrow_tables
from lake.config import LakeConfig
from lake.table_files import table_folder
from lake.tables import TableSpec

logger = logging.getLogger(__name__)

LOG = "_delta_log"
BUFFER_BYTES = 2**16
RETENTION = "delta.deletedFileRetentionDuration"
WEEK = "interval 1 week"
"""Delta's own, where a table says nothing."""


def remove_old_files(lake: LakeConfig, spec: TableSpec, at_once: bool) -> int:
    """Delete the files below a table that are no part of it: those that are older than it retains, or `at_once` all, also what tasks at work have written. How many."""
    table = arrow_tables.open_table(lake, spec)
    retention: dict[str, Any] = {"retention_hours": 0, "enforce_retention_duration": False} if at_once else {}
    if not table.vacuum(dry_run=True, full=True, **retention):
        return 0  # no commit: to whoever reads the table nothing has changed
    return len(table.vacuum(dry_run=False, full=True, **retention))


def remove_all_drafts(lake: LakeConfig, spec: TableSpec) -> None:
    """Delete what killed tasks left half written, and what others are writing."""
    system = table_folder(lake, spec)
    for file in files_below(system):
        if file.base_name.endswith(".draft"):
            system.delete_file(file.path)


def old_files(lake: LakeConfig, spec: TableSpec) -> list[FileInfo]:
    """Files below a table, drafts included, that are no part of it; its log, and Hadoop's checksums, which hold no words, aside."""
    live = {unquote(file["path"]) for file in arrow_tables.live_files(arrow_tables.open_table(lake, spec))}
    return [file for file in files_below(table_folder(lake, spec)) if file.path not in live and file.extension != "crc" and LOG not in file.path.split("/")]


def retention_of(lake: LakeConfig, spec: TableSpec) -> str:
    """For how long a table's old files stay, as Delta says it: 'interval 1 week'."""
    return str(arrow_tables.open_table(lake, spec).metadata().configuration.get(RETENTION, WEEK))


def files_below(system: FileSystem, folder: str = "") -> Iterator[FileInfo]:
    """All files below a folder."""
    for found in system.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True)):
        if found.type == FileType.File:
            yield found


def forget_statistics(lake: LakeConfig, spec: TableSpec, names_somebody: Callable[[str], bool]) -> int:
    """Take what the log says of the values in old files out of it, and parameters of operations that name somebody. How many files of the log were written anew."""
    system = table_folder(lake, spec)
    live = {unquote(file["path"]) for file in arrow_tables.live_files(arrow_tables.open_table(lake, spec))}
    changed = 0
    for file in files_below(system, LOG):
        if file.extension == "json" and not file.base_name.startswith("."):
            changed += _rewrite_lines(system, file.path, live, names_somebody)
        elif file.extension == "parquet":
            changed += _rewrite_checkpoint(system, file.path, live)
        elif file.extension == "crc" and not file.base_name.startswith("."):
            system.delete_file(file.path)  # Spark's summary of a version, statistics included; it does without
    return changed


def _rewrite_lines(system: FileSystem, path: str, live: Collection[str], names_somebody: Callable[[str], bool]) -> bool:
    with system.open_input_stream(path, compression=None) as stream:
        lines = stream.read().decode("utf-8").split("\n")  # not splitlines: JSON leaves other line separators in values as they are
    forgotten = [_forgotten(line, live, names_somebody) for line in lines]
    if forgotten == lines:
        return False
    _replace(system, path, lambda draft: _write(system, draft, "\n".join(forgotten).encode()))
    return True


def _forgotten(line: str, live: Collection[str], names_somebody: Callable[[str], bool]) -> str:
    """A line of the log without statistics of a file that is old."""
    if not any(f'"{name}"' in line for name in ("add", "remove", "commitInfo")):
        return line
    action = json.loads(line)
    info = action.get("commitInfo")
    file = action.get("add") or action.get("remove")
    if file and file.get("stats") and unquote(file["path"]) not in live:
        file["stats"] = counts_alone(file["stats"])
    elif info and names_somebody(json.dumps(info, ensure_ascii=False)):
        info["operationParameters"] = {}
    else:
        return line
    return json.dumps(action, ensure_ascii=False, separators=(",", ":"))


def counts_alone(stats: str | None) -> str | None:
    """Statistics of a file in the log, without values of its columns."""
    if not stats:
        return stats
    return json.dumps({name: value for name, value in json.loads(stats).items() if name in ("numRecords", "nullCount", "tightBounds")}, ensure_ascii=False)


def _rewrite_checkpoint(system: FileSystem, path: str, live: Collection[str]) -> bool:
    table = changed = pq.read_table(path, filesystem=system)
    for name in {"add", "remove"} & {*table.column_names}:
        column = table[name].combine_chunks()
        rows = [row if row is None or unquote(row["path"]) in live else _without_values(row) for row in column.to_pylist()]
        changed = changed.set_column(table.schema.get_field_index(name), table.schema.field(name), pa.array(rows, column.type))
    if changed.equals(table):
        return False
    _replace(system, path, lambda draft: pq.write_table(changed, draft, filesystem=system))
    return True


def _without_values(file: Mapping[str, Any]) -> Mapping[str, Any]:
    """A file of a checkpoint without statistics of its columns, as text or as Spark keeps them besides."""
    told: dict[str, Any] = {"stats": counts_alone(file.get("stats")), "stats_parsed": None}
    return {**file, **{name: value for name, value in told.items() if name in file}}


def _write(system: FileSystem, path: str, content: bytes) -> None:
    with system.open_output_stream(path, compression=None, buffer_size=BUFFER_BYTES) as stream:  # unbuffered, delta-rs's file would be given what is no bytes
        stream.write(content)


def _replace(system: FileSystem, path: str, write: Callable[[str], None]) -> None:
    """Put what `write` makes in the place of a file, whole, without the checksum that Hadoop keeps beside it."""
    folder, _, name = path.rpartition("/")
    draft, checksum = f"{folder}/.{name}.draft", f"{folder}/.{name}.crc"
    write(draft)
    if system.get_file_info(checksum).type == FileType.File:
        system.delete_file(checksum)
    system.move(draft, path)
