"""Names of loads, fingerprints, and rows as the collections hold them."""

from datetime import UTC, datetime, timedelta

import pytest

from serving.collections import COLLECTIONS, ITEMS, USERS, as_entity, collection_name, cut_bytes, load_id, parse_name

NOW = datetime(2024, 2, 29, 12, 0, 0, 5, tzinfo=UTC)


def test_a_name_can_be_taken_apart_again() -> None:
    name = parse_name(collection_name(USERS, "0123456789abcdef", load_id(NOW, "a" * 32)))
    assert name is not None
    assert (name.alias, name.encoder_version) == ("users", "0123456789abcdef")
    assert name.is_made_from("a" * 32)
    assert not name.is_made_from("b" * 32)


@pytest.mark.parametrize("name", ["users", "items", "users_abc", "somebody_elses", "users_0123456789abcdef_20240229120000000005x0123456789ab_copy"])
def test_other_peoples_collections_are_not_ours(name: str) -> None:
    assert parse_name(name) is None


def test_later_loads_sort_behind_earlier_ones() -> None:
    assert load_id(NOW, "f" * 12) < load_id(NOW + timedelta(microseconds=1), "0" * 12)


def test_user_is_held_with_epoch_seconds_and_cut_communities() -> None:
    row = {
        "person_id": "p", "encoder_version": "e", "vector": [1.0], "user_ids": ["a", "b"], "unit_count": 3, "last_at": NOW, "platforms": ["reddit"],
        "communities": ["ü" * 200],
    }  # fmt: skip
    entity = as_entity(USERS, row)
    assert entity["last_at"] == int(NOW.timestamp())
    assert entity["communities"] == ["ü" * 128]
    assert entity["user_ids"] == ["a", "b"]


def test_an_apps_own_item_has_an_empty_level_and_no_count() -> None:
    row = {"item_id": "i", "encoder_version": "e", "vector": [1.0], "source": "shop", "level": None, "text": "Lamp", "label_count": None}
    assert as_entity(ITEMS, row) == row | {"level": "", "label_count": 0}


def test_cut_never_halves_a_character() -> None:
    assert cut_bytes("a😀b", 4) == "a"
    assert cut_bytes("a😀b", 5) == "a😀"


def test_every_field_is_a_column_of_the_table() -> None:
    for collection in COLLECTIONS:
        assert {field.name for field in collection.fields} <= set(collection.table.columns)
        assert collection.key == collection.table.key[0]
