"""Milvus behind a few functions (edge): Milvus Lite in a folder, or a server by URI. Follows https://milvus.io/docs (pymilvus 3).

Milvus Lite belongs to one process at a time: whoever opens the store closes it (`with open_store(...)`), so that the next one can.
Ids go into filters through `serving.filters` alone, since pymilvus's own `get(ids=)` and `delete(ids=)` paste them in unescaped.
"""

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
from pymilvus import BulkInsertState, DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from conf.errors import ConfigError, VectorStoreError
from conf.secrets import text_without_secrets
from lake.config import LakeConfig
from serving import filters
from serving.collections import LIKELY, METRICS, VECTOR, CollectionSpec, ScalarField
from serving.config import ServingConfig
from serving.presence import lite_file, require_index

MAX_HITS = 16_384
SECONDS_BETWEEN_LOOKS = 1.0
SEVERAL_VECTORS_SINCE = (2, 4)
"""Version of the server from which on a row may have more than one vector."""
Entity = dict[str, Any]


class VectorStore:
    """An open Milvus. Every failure is a VectorStoreError."""

    def __init__(self, client: MilvusClient, place: str, is_lite: bool, config: ServingConfig) -> None:
        self._client, self.place, self.is_lite = client, place, is_lite
        self._timeout, self._search_ef, self.alias_prefix = config.timeout_seconds, config.search_ef, config.alias_prefix
        self.index_type = config.index_type or ("FLAT" if is_lite else "HNSW")
        if is_lite and self.index_type != "FLAT":
            raise ConfigError(f"serving.index_type: Milvus Lite has FLAT alone, found {self.index_type!r}; use a server (serving.milvus_uri)")

    def alias(self, collection: CollectionSpec) -> str:
        """The alias by which apps know a collection here."""
        return self.alias_prefix + collection.alias

    def names(self) -> list[str]:
        """Names of all collections, also of other people's."""
        with self._naming("list collections"):
            return sorted(self._client.list_collections(timeout=self._timeout))

    def check_takes(self, collections: Sequence[CollectionSpec]) -> None:
        """Raise VectorStoreError where the server is too old for rows of several vectors: told before anything is loaded."""
        if self.is_lite or all(len(collection.vectors) == 1 for collection in collections):
            return
        with self._naming("ask for its version"):
            version = self._client.get_server_version(timeout=self._timeout)
        found = re.match(r"v?(\d+)\.(\d+)", version)
        if found is not None and tuple(map(int, found.groups())) < SEVERAL_VECTORS_SINCE:
            raise VectorStoreError(f"{self.place}: this Milvus is {version}, and items have two vectors, which it takes from 2.4 on; use a newer server")

    def create(self, collection: CollectionSpec, name: str, dimension: int) -> None:
        """A new, empty collection with its index. Once filled it never changes: whoever asks it need not wait for anybody's writes."""
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        for field in collection.fields:
            schema.add_field(field.name, **_field_type(field), is_primary=field.name == collection.key)
        index = MilvusClient.prepare_index_params()
        params = {"M": 24, "efConstruction": 256} if self.index_type == "HNSW" else {}
        for vector in collection.vectors:
            schema.add_field(vector, DataType.FLOAT_VECTOR, dim=dimension + (vector == LIKELY))
            index.add_index(vector, index_type=self.index_type, metric_type=METRICS[vector], params=params)
        with self._naming(f"create collection {name}"):
            self._client.create_collection(name, schema=schema, index_params=index, timeout=self._timeout, consistency_level="Eventually")

    def insert(self, name: str, entities: Sequence[Entity]) -> None:
        """Add rows; their keys must be new."""
        with self._naming(f"insert into {name}"):
            self._client.insert(name, list(entities), timeout=self._timeout)

    def bulk_import(self, name: str, files: Sequence[str], rows: int, minutes: float) -> None:
        """Let the server take rows out of Parquet files, by its own names of them, and wait until it has made all of them its own. Raises VectorStoreError where it does not."""
        until = time.monotonic() + 60 * minutes
        with self._naming(f"import into {name}"):
            server = self._client._get_connection()  # the client has no call for it
            tasks = [server.do_bulk_insert(name, "", [file], timeout=self._timeout) for file in files]
            for task in tasks:
                while (state := server.get_bulk_insert_state(task, self._timeout)).state != BulkInsertState.ImportCompleted:
                    if state.state in (BulkInsertState.ImportFailed, BulkInsertState.ImportFailedAndCleaned):
                        raise VectorStoreError(f"{self.place}: cannot import {state.files} into {name}: {state.failed_reason}")
                    self._wait(f"{name}: {state.files} are not imported yet", until)
        while (found := self.count(name)) < rows:  # what is imported is seen a while after it is written
            self._wait(f"{name}: {found} of {rows} imported rows are there", until)

    def _wait(self, what_for: str, until: float) -> None:
        if time.monotonic() > until:
            raise VectorStoreError(f"{self.place}: {what_for}, after serving.build_minutes; raise it, or look what the server is at")
        time.sleep(SECONDS_BETWEEN_LOOKS)

    def delete(self, name: str, where: str) -> None:
        """Remove the rows that a filter lets through, seen by all who ask from now on."""
        with self._naming(f"delete from {name}"):
            self._client.delete(name, filter=where, timeout=self._timeout)
            self._client.flush(name, timeout=self._timeout)

    def seal(self, name: str, minutes: float) -> None:
        """Make all rows durable and searchable by their index. Raises VectorStoreError where a server takes longer to build it.

        Until it is built a server searches what it has by a provisional index, which under filters finds a fraction, and it goes on with that until the collection is brought into memory again.
        """
        with self._naming(f"flush {name}"):
            self._client.flush(name, timeout=self._timeout)
        if not self.is_lite:
            until = time.monotonic() + 60 * minutes
            while rows := self._rows_without_index(name):
                self._wait(f"{name}: {rows} rows have no index yet", until)
            with self._naming(f"release {name}"):
                self._client.release_collection(name, timeout=self._timeout)
        self.make_searchable(name)

    def _rows_without_index(self, name: str) -> int:
        """Of all its vectors together."""
        with self._naming(f"look at the indexes of {name}"):
            indexes = self._client.list_indexes(name)
            return sum(int(self._client.describe_index(name, index, timeout=self._timeout).get("pending_index_rows", 0)) for index in indexes)

    def make_searchable(self, name: str) -> None:
        """Bring a collection into memory; at once where it is there. Milvus Lite needs it each time that it is opened."""
        with self._naming(f"load {name}"):
            self._client.load_collection(name, timeout=self._timeout)

    def count(self, name: str) -> int:
        """Rows of a collection, counted."""
        with self._naming(f"count {name}"):
            found = self._client.query(name, filter="", output_fields=["count(*)"], timeout=self._timeout, consistency_level="Strong")
        return int(found[0]["count(*)"])

    def target(self, alias: str) -> str | None:
        """Name of the collection that an alias stands for; None where there is no such alias."""
        with self._naming(f"look up alias {alias}"):
            if not self._client.has_collection(alias, timeout=self._timeout):  # an alias counts as a collection's name
                return None
            return str(self._client.describe_alias(alias, timeout=self._timeout)["collection_name"])

    def aliases(self, name: str) -> list[str]:
        """Aliases that stand for a collection."""
        with self._naming(f"look up the aliases of {name}"):
            return sorted(self._client.list_aliases(name, timeout=self._timeout)["aliases"])

    def point(self, alias: str, name: str) -> None:
        """Let an alias stand for a collection from now on."""
        exists = self.target(alias) is not None
        with self._naming(f"move alias {alias} to {name}"):
            (self._client.alter_alias if exists else self._client.create_alias)(name, alias, timeout=self._timeout)

    def drop(self, name: str) -> None:
        """Remove a collection. The caller sees to it that no alias stands for it: Milvus Lite would drop the alias, too."""
        with self._naming(f"drop {name}"):
            self._client.drop_collection(name, timeout=self._timeout)

    def search(
        self, name: str, vectors: Sequence[Sequence[float]], limit: int, where: str = "", fields: Sequence[str] = (), by: str = VECTOR,
        just_filled: bool = False, offset: int = 0,
    ) -> list[list[Entity]]:  # fmt: skip
        """The best rows for each vector, best first, with the fields asked for and `score`, the cosine, or the inner product where asked `by` another field than the
        vector. `just_filled`: all rows that were written must be seen. The first `offset` of them are passed over."""
        limit = min(limit, MAX_HITS - offset)
        params: Mapping[str, Any] = {"ef": max(self._search_ef, offset + limit)} if self.index_type == "HNSW" else {}
        with self._naming(f"search {name}"):
            found = self._client.search(
                name, data=[list(vector) for vector in vectors], limit=limit, filter=where, output_fields=list(fields),
                search_params={"metric_type": METRICS[by], "params": params, "offset": offset}, anns_field=by, timeout=self._timeout,
                **({"consistency_level": "Strong"} if just_filled else {}),
            )  # fmt: skip
        return [[_entity(hit["entity"]) | {"score": float(hit["distance"])} for hit in hits] for hits in found]

    def find(self, name: str, where: str, fields: Sequence[str], limit: int) -> list[Entity]:
        """Rows that a filter lets through, with the fields asked for."""
        with self._naming(f"query {name}"):
            return [_entity(row) for row in self._client.query(name, filter=where, output_fields=list(fields), limit=limit, timeout=self._timeout)]

    def get(self, collection: CollectionSpec, name: str, keys: Sequence[str], fields: Sequence[str]) -> list[Entity]:
        """Rows by key, in no order; absent keys are left out."""
        return self.find(name, filters.one_of(collection.key, keys), fields, len(keys)) if keys else []

    @contextmanager
    def _naming(self, action: str) -> Iterator[None]:
        try:
            yield
        except (MilvusException, grpc.RpcError) as error:  # pymilvus lets gRPC's own through where a call takes too long
            raise VectorStoreError(f"{self.place}: cannot {action}: {_cause(error)}") from error


@contextmanager
def open_store(lake: LakeConfig, config: ServingConfig, make: bool = False) -> Iterator[VectorStore]:
    """The configured Milvus, closed at the end; Milvus Lite is made where it is absent and asked for.

    Raises VectorStoreError where it is not reachable, absent, or another process holds it.
    """
    if config.milvus_uri is not None:
        token = config.milvus_token.get_secret_value() if config.milvus_token else ""
        client = _connect(
            config.milvus_uri, f"{text_without_secrets(config.milvus_uri)} is not reachable; start Milvus or correct serving.milvus_uri", config, token
        )
        with _closing(client):
            yield VectorStore(client, text_without_secrets(config.milvus_uri), False, config)
        return
    if make:
        lake.local_dir().mkdir(parents=True, exist_ok=True)
    else:
        require_index(lake, config)
    with open_lite(lite_file(lake), config) as store:
        yield store


@contextmanager
def open_lite(path: Path, config: ServingConfig, copy_of: Path | None = None) -> Iterator[VectorStore]:
    """A Milvus Lite by its path, closed at the end; a copy is called after what it is a copy of. Raises VectorStoreError where another process holds it."""
    with _milvus_lite(str(path), config) as client:
        yield VectorStore(client, str(copy_of or path), True, config)


@contextmanager
def _milvus_lite(path: str, config: ServingConfig) -> Iterator[MilvusClient]:
    """A client of a Milvus Lite in this process, whose lock is given back at the end (closing the client alone keeps it)."""
    from milvus_lite.server_manager import server_manager_instance

    for library in ("milvus_lite", "grpc"):  # tracebacks of calls that Milvus Lite has not, which pymilvus tries first
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        busy = "another process has it open (Milvus Lite is one process; wait for it, or use a server: serving.milvus_uri)"
        with _closing(_connect(path, f"{path} cannot be opened; probably {busy}", config, "")) as client:
            yield client
    finally:
        server_manager_instance.release_server(path)


@contextmanager
def _closing(client: MilvusClient) -> Iterator[MilvusClient]:
    try:
        yield client
    finally:
        with suppress(MilvusException):
            client.close()


def _connect(uri: str, complaint: str, config: ServingConfig, token: str) -> MilvusClient:
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs each failure with a traceback; ours are raised
    try:
        return MilvusClient(uri, token=token, timeout=config.timeout_seconds)
    except (MilvusException, grpc.RpcError) as error:
        raise VectorStoreError(f"Milvus: {complaint} ({_cause(error)})") from error


def _cause(error: Exception) -> str:
    """What Milvus says, or gRPC's name of what happened."""
    return str(error.message) if isinstance(error, MilvusException) else str(getattr(error, "code", lambda: type(error).__name__)())


def _field_type(field: ScalarField) -> dict[str, Any]:
    if field.kind == "integer":
        return {"datatype": DataType.INT64}
    if field.kind == "string":
        return {"datatype": DataType.VARCHAR, "max_length": field.max_bytes}
    return {"datatype": DataType.ARRAY, "element_type": DataType.VARCHAR, "max_length": field.max_bytes, "max_capacity": field.max_entries}


def _entity(row: Mapping[str, Any]) -> Entity:
    return {name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value for name, value in row.items()}
