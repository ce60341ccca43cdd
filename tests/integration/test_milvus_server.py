"""Serving on a real Milvus server: load by rows and by import, the queries, rollback, an erasure, and what a server that is too old is told.

The server of the wheel is 2.3, of which rows have one vector: items go without the second one here, by which they are ranked for what is likely (tests/integration/test_serving.py has that).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_lake import PEOPLE, TOPICS, all_chunks, chunks, copied_lake, embedded_lake, person_id, unit, write_sequences

from conf.errors import VectorStoreError
from lake.config import LakeConfig
from serving.collections import COLLECTIONS, ITEMS, USERS, VECTOR, lake_digits
from serving.config import ServingConfig
from serving.erasing import erase_from_index, left_in_index
from serving.jobs import audience, embed, load, recommend, rollback, similar_users
from serving.loads import lake_id
from serving.milvus import open_store
from serving.search import Index
from tests.milvus_server import milvus_server, obstacle

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus_server(tmp_path_factory.mktemp("milvus") / "data") as uri:
        yield uri


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, key_file: str) -> LakeConfig:
    folder = tmp_path_factory.mktemp("embedded")
    lake = LakeConfig(path=str(folder / "lake"), pseudonym_key_file=key_file)
    embedded_lake(lake, folder / "encoder")
    return lake


@pytest.fixture
def one_vector() -> Iterator[None]:
    """Items without their second vector."""
    object.__setattr__(ITEMS, "vectors", (VECTOR,))
    yield
    object.__setattr__(ITEMS, "vectors", ("vector", "likely"))


def asked(job: Any, lake: LakeConfig, config: ServingConfig, arguments: list[str], capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    settings = [f"serving.milvus_uri={config.milvus_uri}", f"serving.alias_prefix={config.alias_prefix}"]
    job.main(["--lake", lake.path, *arguments, "--json", *(part for setting in settings for part in ("--set", setting))])
    result: list[dict[str, Any]] = json.loads(capfd.readouterr().out)
    return result


def test_a_server_whose_rows_have_one_vector_is_refused_before_anything_is_loaded(embedded: LakeConfig, server: str) -> None:
    with pytest.raises(VectorStoreError, match=r"this Milvus is v2\.3\.5-lite, and items have two vectors, which it takes from 2\.4 on"):
        load.load(embedded, ServingConfig(milvus_uri=server, alias_prefix="refused_"))
    with open_store(embedded, ServingConfig(milvus_uri=server)) as store:
        assert not [name for name in store.names() if lake_digits(lake_id(embedded)) in name]


@pytest.mark.usefixtures("one_vector")
@pytest.mark.parametrize("imports", [False, True])
def test_a_load_is_served_gone_back_from_and_erased_from(
    embedded: LakeConfig, server: str, tmp_path: Path, imports: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    own, folder = copied_lake(embedded, tmp_path), tmp_path / "imports"
    config = ServingConfig(milvus_uri=server, alias_prefix=f"{'imported' if imports else 'sent'}_", import_folder=str(folder) if imports else None)
    load.load(own, config)
    with open_store(own, config) as store:
        first = Index(store).load
        assert [store.count(first.of(collection)) for collection in COLLECTIONS] == [len(PEOPLE), 10]
    assert asked(similar_users, own, config, ["--user", person_id("baker's second account"), "--limit", "1"], capfd)[0]["person_id"] == person_id("barista")
    found = asked(recommend, own, config, ["--user", person_id("cyclist"), "--by", "alike", "--level", "specific"], capfd)
    assert found[0]["text"] == TOPICS["bicycles"][0]
    assert {hit["level"] for hit in found} == {"specific"}
    nearest = asked(audience, own, config, ["Observing the night sky through a telescope", "--limit", "2"], capfd)
    assert {hit["person_id"] for hit in nearest} == {person_id("stargazer"), person_id("astrophotographer")}

    write_sequences(own, [*all_chunks(), *chunks("new", [unit("new", 1, "chess")])])
    embed.embed(own, config)
    load.load(own, config)
    with open_store(own, config) as store:
        assert store.count(Index(store).users) == len(PEOPLE) + 1
    rollback.rollback(own, config)
    with open_store(own, config) as store:
        assert Index(store).load == first
    gone = [person_id("cyclist")]
    assert erase_from_index(own, config, gone, []) == 2
    assert left_in_index(own, config, gone, []) == []
    with open_store(own, config) as store:
        assert store.count(first.of(USERS)) == len(PEOPLE) - 1
    assert not imports or list(folder.iterdir()) == []


@pytest.mark.usefixtures("one_vector")
def test_an_import_that_the_server_refuses_fails_the_load_and_leaves_no_file(
    embedded: LakeConfig, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ServingConfig(milvus_uri=server, alias_prefix="refused_", import_folder=str(tmp_path / "imports"))
    monkeypatch.setattr("serving.imports._path_for_server", lambda folder: "/nowhere/")
    with pytest.raises(VectorStoreError, match=r"cannot import .*/nowhere/users_"):
        load.load(embedded, config)
    assert list((tmp_path / "imports").iterdir()) == []
    with open_store(embedded, config) as store:
        assert store.target("refused_users") is None
