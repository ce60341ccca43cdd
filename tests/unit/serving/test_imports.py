"""Files that a server imports: their columns, how it calls them, and what is left of killed loads."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lake.config import LakeConfig
from serving import imports
from serving.collections import ITEMS, USERS, as_entity
from serving.imports import import_files, remove_leftovers

NAME = f"users_{'a' * 8}_{'e' * 16}_{'20240101000000000000'}x{'0' * 12}"
ROW = {
    "person_id": "p", "encoder_version": "e", "user_ids": ["p", "q"], "unit_count": 3, "last_at": datetime(2024, 1, 1, tzinfo=UTC), "platforms": ["reddit"], "communities": [],
    "vector": [0.5, 0.25],
}  # fmt: skip


def test_rows_are_written_as_the_collection_holds_them_and_are_gone_when_they_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BYTES_OF_FILE", 8)
    entities = [as_entity(USERS, ROW | {"person_id": f"p{number}"}) for number in range(3)]
    with import_files(LakeConfig(), str(tmp_path / "in"), USERS, NAME) as files:
        for entity in entities:
            files.write([entity])
        files.close()
        assert files.names == [f"{tmp_path}/in/{NAME}-{number:04d}.parquet" for number in range(3)]
        written = [pq.read_table(path) for path in files.names]
        assert [row for table in written for row in table.to_pylist()] == entities
        assert [str(field.type) for field in written[0].schema] == [
            "string", "string", "list<element: string>", "int64", "int64", "list<element: string>", "list<element: string>", "list<element: float>",
        ]  # fmt: skip
    assert list((tmp_path / "in").iterdir()) == []


def test_an_item_has_its_second_vector_too() -> None:
    assert imports.import_schema(ITEMS).names == ["item_id", "encoder_version", "source", "level", "text", "label_count", "vector", "likely"]


@pytest.mark.parametrize(("folder", "name"), [("s3://milvus/imports/kindred/", "imports/kindred/"), ("s3://milvus", ""), ("/data", "/data/")])
def test_a_server_calls_files_by_their_path_below_its_bucket(folder: str, name: str) -> None:
    assert imports._path_for_server(folder) == name


def test_what_a_killed_load_left_to_import_is_removed_and_other_lakes_files_stay(tmp_path: Path) -> None:
    names = [f"{NAME.replace('a' * 8, lake)}-0000.parquet" for lake in ("a" * 8, "b" * 8)] + ["somebody.parquet"]
    for name in names:
        (tmp_path / name).touch()
    remove_leftovers(LakeConfig(), str(tmp_path), "a" * 8)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
