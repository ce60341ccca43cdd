"""`kindred serving rollback`: back to the load before, with the encoder that it was made with, and what stays to go back to."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from serving_lake import PEOPLE, all_chunks, chunks, copied_lake, register_base_encoder, unit, write_sequences

from conf.errors import EncoderError, VectorStoreError
from lake.config import LakeConfig
from lake.encoder import encoder_version, registered_folder
from pipeline import cli
from serving.collections import ITEMS, USERS, LoadName, load_name, parse_name
from serving.config import ServingConfig
from serving.jobs import embed, load, rollback
from serving.loads import drop_unused, lake_id, served_here
from serving.milvus import open_store

CONFIG = ServingConfig()
NOW = datetime.now(UTC)


@pytest.fixture
def own(loaded: LakeConfig, tmp_path: Path) -> LakeConfig:
    """A copy of it."""
    return copied_lake(loaded, tmp_path)


def served(lake: LakeConfig) -> tuple[LoadName, int]:
    """What is served, and how many people that has."""
    with open_store(lake, CONFIG) as store:
        found = served_here(store, load_name(lake_id(lake), "", NOW, ""))
        assert found is not None
        return found, store.count(found.of(USERS))


def load_one_more_person(lake: LakeConfig) -> LoadName:
    write_sequences(lake, [*all_chunks(), *chunks("new", [unit("new", 1, "chess")])])
    embed.embed(lake, CONFIG)
    load.load(lake, CONFIG)
    return served(lake)[0]


def test_back_and_forth(own: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    first = served(own)
    second = load_one_more_person(own)
    assert cli.main(["serving", "rollback", "--lake", own.path]) == 0
    assert capsys.readouterr().out.startswith(first[0].of(USERS))
    assert served(own) == first == (first[0], len(PEOPLE))
    with pytest.raises(VectorStoreError, match=f"no earlier load is there to go back to; there are: {first[0].of(USERS)}, {second.of(USERS)}"):
        rollback.rollback(own, CONFIG)
    rollback.rollback(own, CONFIG, to=second.of(USERS))
    assert served(own) == (second, len(PEOPLE) + 1)
    with pytest.raises(VectorStoreError, match="no load users_x is there"):
        rollback.rollback(own, CONFIG, to="users_x")
    rollback.rollback(own, CONFIG)
    load.load(own, CONFIG)  # what the tables hold
    assert served(own)[1] == len(PEOPLE) + 1


def test_the_encoder_of_the_load_comes_back_with_it_also_after_a_kill_between(own: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = encoder_version(registered_folder(own))
    first = served(own)
    other = register_base_encoder(own, tmp_path / "other", max_tokens=64)
    embed.embed(own, CONFIG)
    load.load(own, CONFIG)
    assert served(own)[0].encoder_version == other != version
    with monkeypatch.context() as patched:
        patched.setattr(rollback, "point_aliases", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rollback.rollback(own, CONFIG)
    assert served(own)[0].encoder_version == other
    rollback.rollback(own, CONFIG)
    assert served(own) == first
    assert encoder_version(registered_folder(own)) == version


def test_without_its_encoder_nothing_moves(own: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    second = load_one_more_person(own)
    monkeypatch.setattr(rollback, "encoder_version", lambda _: "another")
    monkeypatch.setattr("lake.registry.find_version", lambda *_: None)
    with pytest.raises(EncoderError, match="nothing was changed"):
        rollback.rollback(own, CONFIG)
    assert served(own)[0] == second


def test_what_a_killed_load_left_is_not_gone_back_to(own: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    first = served(own)
    with monkeypatch.context() as patched:
        patched.setattr(load, "check_collection", lambda *given: given[1] is ITEMS and (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            load_one_more_person(own)
    with open_store(own, CONFIG) as store:
        (left,) = {parse_name(name).of(USERS) for name in store.names()} - {first[0].of(USERS)}  # type: ignore[union-attr]
    with pytest.raises(VectorStoreError, match=f"no load {left} is there to go back to; there are: {first[0].of(USERS)}. "):
        rollback.rollback(own, CONFIG, to=left)
    monkeypatch.setattr(load, "drop_unused", lambda *_: None)  # as on a server, where another process may be filling it
    load.load(own, CONFIG)
    with open_store(own, CONFIG) as store:
        assert left in store.names()
    rollback.rollback(own, CONFIG)
    assert served(own) == first


def test_a_load_under_other_aliases_is_gone_back_to_by_its_name_alone(own: LakeConfig) -> None:
    first = served(own)
    load.load(own, CONFIG.model_copy(update={"alias_prefix": "trial_"}))
    third = load_one_more_person(own)
    with open_store(own, CONFIG) as store:
        (trial,) = {parse_name(name).of(USERS) for name in store.names()} - {first[0].of(USERS), third.of(USERS)}  # type: ignore[union-attr]
    rollback.rollback(own, CONFIG)
    assert served(own) == first
    assert rollback.rollback(own, CONFIG, to=trial).of(USERS) == trial


def test_what_was_served_stays_from_the_load_on_that_took_its_place(lake: LakeConfig) -> None:
    """Weekly loads: the one before is seven days old when it is replaced, and may be gone back to all the same."""
    days = [21, 14, 0.5]
    loads = [load_name(lake_id(lake), "e" * 16, NOW - timedelta(days=each), "a" * 32) for each in days]

    class Server:
        """Names alone."""

        is_lite = False

        def __init__(self) -> None:
            self.left = [name for each in loads for name in (each.of(USERS), each.of(ITEMS))]

        def names(self) -> list[str]:
            return list(self.left)

        def aliases(self, name: str) -> list[str]:
            return []

        def drop(self, name: str) -> None:
            self.left.remove(name)

    server = Server()
    drop_unused(server, loads[-1], loads[-1], 24)  # type: ignore[arg-type]
    assert {parse_name(name) for name in server.left if name.startswith("users")} == set(loads[1:])
    drop_unused(server, loads[-1], loads[-1], 6)  # type: ignore[arg-type]
    assert {parse_name(name) for name in server.left if name.startswith("users")} == set(loads[2:])
