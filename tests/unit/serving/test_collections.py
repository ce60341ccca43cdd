"""Names of loads, fingerprints, and rows as the collections hold them."""

from datetime import UTC, datetime

import numpy as np
import pytest

from lake.labels import LEVELS
from serving.collections import COLLECTIONS, ITEMS, USERS, PopularityWeights, as_entity, cut_bytes, likely_query, likely_vector, load_name, parse_name

NOW = datetime(2024, 2, 29, 12, 0, 0, 5, tzinfo=UTC)


def test_a_name_can_be_taken_apart_again() -> None:
    load = load_name("one lake", "0123456789abcdef", NOW, "a" * 32)
    for collection in COLLECTIONS:
        name = parse_name(load.of(collection))
        assert name is not None
        assert (name.alias, name.lake, name.encoder_version, name.started_at) == (collection.alias, load.lake, "0123456789abcdef", NOW)
        assert name.is_made_from("a" * 32)
        assert not name.is_made_from("b" * 32)
        assert {name.of(each) for each in COLLECTIONS} == {load.of(each) for each in COLLECTIONS}
    assert load_name("another lake", "0123456789abcdef", NOW, "a" * 32).lake != load.lake


def test_a_name_of_an_older_program_says_of_no_lake() -> None:
    name = parse_name("users_0123456789abcdef_20240229120000000005x0123456789ab")
    assert name is not None
    assert (name.lake, name.encoder_version, name.started_at, name.of(ITEMS)) == (
        None,
        "0123456789abcdef",
        NOW,
        "items_0123456789abcdef_20240229120000000005x0123456789ab",
    )


@pytest.mark.parametrize(
    "name",
    [
        "users",
        "items",
        "users_abc",
        "somebody_elses",
        "users_0123456789abcdef_20240229120000000005x0123456789ab_copy",
        f"users_{'f' * 16}_{'9' * 20}x{'0' * 12}",
    ],
)
def test_other_peoples_collections_are_not_ours(name: str) -> None:
    assert parse_name(name) is None


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
    assert as_entity(ITEMS, row, {"specific": 0.1}) == row | {"level": "", "label_count": 0, "likely": [*row["vector"], 0.0]}


def test_cut_never_halves_a_character() -> None:
    assert cut_bytes("a😀b", 4) == "a"
    assert cut_bytes("a😀b", 5) == "a😀"


def test_every_field_is_a_column_of_the_table() -> None:
    for collection in COLLECTIONS:
        assert {field.name for field in collection.fields} <= set(collection.table.columns)
        assert collection.key == collection.table.key[0]


def test_an_items_likely_vector_adds_the_logarithm_of_its_count_by_its_weight() -> None:
    assert np.dot(likely_vector([0.6, 0.8], 9, 0.1), likely_query([0.8, 0.6])) == pytest.approx(0.96 + 0.1 * np.log(10))


@pytest.mark.parametrize(
    ("weights", "expected"), [({"specific": 0.1, "broad": 0.3}, {"specific": 0.1, "broad": 0.3}), ({"broad": 0.3}, {"specific": 0.0, "broad": 0.3})]
)
def test_each_level_has_a_weight_of_its_own(weights: PopularityWeights, expected: PopularityWeights) -> None:
    row = {"item_id": "i", "encoder_version": "e", "vector": [1.0], "source": "labels", "text": "x", "label_count": 9}
    found = {level: as_entity(ITEMS, row | {"level": level}, weights)["likely"][-1] for level in LEVELS}
    assert found == pytest.approx({level: weight * np.log(10) for level, weight in expected.items()})
