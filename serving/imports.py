"""Rows of a load as Parquet in the folder of a Milvus server, which imports them by itself (edge).

Follows https://milvus.io/docs/import-data.md. What is imported does not go through the proxy and the log of a server, which is what fills up where millions of rows are sent.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from lake.config import LakeConfig
from lake.store_files import store_file_system
from serving.collections import CollectionSpec, ScalarField, parse_name

BYTES_OF_FILE = 512 * 2**20
"""Of vectors, about: a server takes a few GB in a file, and works on several at once."""
_TYPES = {"string": pa.string(), "integer": pa.int64(), "strings": pa.list_(pa.string())}
_PART = re.compile(r"(.+)-\d{4}\.parquet")


class ImportFiles:
    """Files of one collection while they are written. `names` are those by which the server knows what is finished."""

    def __init__(self, lake: LakeConfig, folder: str, collection: CollectionSpec, name: str) -> None:
        self._system, self._server_folder = import_system(lake, folder), _path_for_server(folder)
        self._schema, self._name = import_schema(collection), name
        self._vectors = collection.vectors
        self._writer: pq.ParquetWriter | None = None
        self._bytes, self.names = 0, list[str]()

    def write(self, entities: Sequence[Mapping[str, Any]]) -> None:
        """Add rows as the collection holds them."""
        if self._writer is None:
            part = f"{self._name}-{len(self.names):04d}.parquet"
            self._writer, self._bytes = pq.ParquetWriter(part, self._schema, filesystem=self._system), 0
            self.names.append(f"{self._server_folder}{part}")
        rows = pa.Table.from_pylist(list(entities), schema=self._schema)
        self._writer.write_table(rows)
        self._bytes += sum(rows[vector].nbytes for vector in self._vectors)
        if self._bytes >= BYTES_OF_FILE:
            self.close()

    def close(self) -> None:
        """Finish the file that is open."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@contextmanager
def import_files(lake: LakeConfig, folder: str, collection: CollectionSpec, name: str) -> Iterator[ImportFiles]:
    """Files for one collection, which are gone at the end, whatever comes."""
    files = ImportFiles(lake, folder, collection, name)
    try:
        yield files
    finally:
        files.close()
        _remove(files._system, [name])


def remove_leftovers(lake: LakeConfig, folder: str | None, lake_digits: str) -> None:
    """Remove what killed loads of this lake left in the folder: people's vectors stand in it."""
    if folder is None:
        return
    system = import_system(lake, folder)
    found = {match[1] for path in _file_names(system) if (match := _PART.fullmatch(path))}
    _remove(system, [name for name in found if (load := parse_name(name)) is not None and load.lake == lake_digits])


def import_schema(collection: CollectionSpec) -> pa.Schema:
    """The columns that Milvus imports into a collection."""
    fields = [pa.field(field.name, _type_of(field)) for field in collection.fields]
    return pa.schema([*fields, *(pa.field(vector, pa.list_(pa.float32())) for vector in collection.vectors)])


def import_system(lake: LakeConfig, folder: str) -> fs.FileSystem:
    """The folder, made where it is a local one that is absent."""
    if "://" in folder:
        return store_file_system(folder, lake.storage_options)
    path = Path(folder).expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    return fs.SubTreeFileSystem(str(path), fs.LocalFileSystem())


def _path_for_server(folder: str) -> str:
    """How the server calls the folder: in a store by the path below its bucket, else as it stands."""
    if "://" in folder:
        inside = urlparse(folder).path.strip("/")
        return f"{inside}/" if inside else ""
    return f"{Path(folder).expanduser().resolve()}/"


def _type_of(field: ScalarField) -> pa.DataType:
    return _TYPES[field.kind]


def _file_names(system: fs.FileSystem) -> list[str]:
    return [info.path for info in system.get_file_info(fs.FileSelector("")) if info.type == fs.FileType.File]


def _remove(system: fs.FileSystem, names: Sequence[str]) -> None:
    for path in _file_names(system):
        match = _PART.fullmatch(path)
        if match is not None and match[1] in names:
            system.delete_file(path)
