"""Taking people and items out of Milvus, and looking whether any is left there.

Milvus Lite keeps the bytes of what is deleted in its files, so there the index is built anew from the lake's vectors, which have been erased before; on a server rows are
deleted, and Milvus removes their bytes when it compacts and collects its garbage.
"""

import logging
from collections.abc import Collection, Iterator, Mapping

from conf.errors import ContractError, EncoderError
from lake.config import LakeConfig
from lake.presence import has_registry
from serving import filters
from serving.collections import COLLECTIONS, ITEMS, USERS, CollectionSpec, lake_digits, parse_name
from serving.config import ServingConfig
from serving.imports import remove_leftovers
from serving.jobs import load
from serving.loads import lake_id
from serving.milvus import VectorStore, open_store
from serving.presence import has_index

logger = logging.getLogger(__name__)

IDS_AT_ONCE = 200
"""Of one filter."""
Leaving = Mapping[str, Collection[str]]
"""Alias of a collection -> ids that are to leave it."""


def erase_from_index(lake: LakeConfig, config: ServingConfig, people: Collection[str], items: Collection[str]) -> int:
    """Take rows of these accounts, people and items out of all of this lake's collections. How many there were. Raises VectorStoreError where Milvus does not answer."""
    if not has_index(lake, config):
        return 0
    leaving = {USERS.alias: people, ITEMS.alias: items}
    if config.milvus_uri is not None:
        remove_leftovers(lake, config.import_folder, lake_digits(lake_id(lake)))
    with open_store(lake, config) as store:
        rows = {name: list(_keys_of(store, name, collection, leaving[collection.alias])) for name, collection in _collections(lake, store)}
        for name, collection in _collections(lake, store) if not store.is_lite else ():
            for some in _parts(rows[name]):
                store.delete(name, filters.one_of(collection.key, some))
        is_lite = store.is_lite
    if is_lite and any(rows.values()):
        _build_anew(lake, config)
    return sum(map(len, rows.values()))


def left_in_index(lake: LakeConfig, config: ServingConfig, people: Collection[str], items: Collection[str]) -> list[str]:
    """The lake's collections that still have any of them, each in words."""
    if not has_index(lake, config):
        return []
    leaving = {USERS.alias: people, ITEMS.alias: items}
    with open_store(lake, config) as store:
        return [
            _told(store, name) for name, collection in _collections(lake, store) if next(_keys_of(store, name, collection, leaving[collection.alias]), None)
        ]


def _told(store: VectorStore, name: str) -> str:
    """A collection's name; and what to do where it is served under other aliases than those of the settings, which an erasure from Milvus Lite leaves alone."""
    others = sorted(set(store.aliases(name)) - {store.alias(collection) for collection in COLLECTIONS})
    return f"{name} (served as {', '.join(others)}: run the command with its serving.alias_prefix, too)" if others else name


def _build_anew(lake: LakeConfig, config: ServingConfig) -> None:
    """Load Milvus Lite from the vectors that the lake has now; where they cannot be loaded, it is left without collections."""
    try:
        if has_registry(lake):
            load.load(lake, config.model_copy(update={"keep_hours": 0.0}))  # earlier loads hold them, too
            return
    except (ContractError, EncoderError) as error:
        logger.warning("the index cannot be built anew (%s); it is dropped: run 'kindred serving embed' and 'kindred serving load'", error)
    with open_store(lake, config) as store:
        for name, _ in _collections(lake, store):
            store.drop(name)


def _collections(lake: LakeConfig, store: VectorStore) -> Iterator[tuple[str, CollectionSpec]]:
    """This lake's collections: all that loads made, served or not; on a server also those of an older program, which did not say whose they are."""
    own = lake_digits(lake_id(lake))
    for name in store.names():
        found = parse_name(name)
        if found is not None and (store.is_lite or found.lake in (own, None)):
            yield name, USERS if found.alias == USERS.alias else ITEMS


def _keys_of(store: VectorStore, name: str, collection: CollectionSpec, ids: Collection[str]) -> Iterator[str]:
    """Keys of the rows of a collection that are of these ids."""
    store.make_searchable(name)
    for some in _parts(sorted(ids)):
        where = filters.one_of(collection.key, some)
        if collection is USERS:
            where = f"{where} or {filters.contains_one_of('user_ids', some)}"
        yield from (str(row[collection.key]) for row in store.find(name, where, [collection.key], IDS_AT_ONCE * 16))


def _parts(ids: Collection[str]) -> Iterator[list[str]]:
    listed = list(ids)
    yield from (listed[start : start + IDS_AT_ONCE] for start in range(0, len(listed), IDS_AT_ONCE))
