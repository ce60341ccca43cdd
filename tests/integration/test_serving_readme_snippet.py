"""What README tells apps: the queries with pymilvus alone, run as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest
from serving_lake import PEOPLE, TOPICS, embedded_and_loaded, person_id

from lake.config import LakeConfig

README = Path(__file__).parents[2] / "README.md"
HEADING = "## Querying from an app"


def snippet() -> str:
    """The first Python block of README's section on apps; PROPOSED until it has one."""
    section = README.read_text(encoding="utf-8").partition(HEADING)[2].split("\n## ")[0]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    return found.group(1) if found else PROPOSED


PROPOSED = """
import json

from pymilvus import MilvusClient

client = MilvusClient("lake-local/_local/milvus.db", timeout=30)  # or a server: "http://milvus:19530", token="..."
for alias in ("users", "items"):
    client.load_collection(alias, timeout=30)


def equals(field, value):  # ids go into filters quoted, never through get(ids=...), which pastes them in as they are
    return f"{field} == {json.dumps(value, ensure_ascii=False)}"


(person,) = client.query("users", filter=equals("person_id", "PERSON_ID"), output_fields=["vector", "encoder_version"], limit=1, timeout=30)
same_space = equals("encoder_version", person["encoder_version"])  # vectors of two encoders cannot be compared


def nearest(alias, vector, where, fields):
    return client.search(alias, data=[vector], limit=10, filter=f"{same_space} and {where}", output_fields=fields, timeout=30)[0]


similar_users = nearest("users", person["vector"], 'person_id != "PERSON_ID"', ["unit_count", "communities"])
recommendations = nearest("items", person["vector"], equals("level", "specific"), ["text", "label_count"])

# The audience of an item: the people nearest to its vector, here those with enough history.
(item,) = client.query("items", filter=equals("item_id", recommendations[0]["item_id"]), output_fields=["vector"], limit=1, timeout=30)
audience = nearest("users", item["vector"], "unit_count >= 2", ["unit_count", "communities", "last_at"])
client.close()
"""


def test_snippet_of_the_readme_answers(tmp_path: Path, key_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from milvus_lite.server_manager import server_manager_instance

    lake = LakeConfig(path=str(tmp_path / "lake-local"), pseudonym_key_file=key_file)
    embedded_and_loaded(lake, tmp_path / "encoder")
    monkeypatch.chdir(tmp_path)
    code = snippet()
    assert "PERSON_ID" in code
    assert "lake-local/_local/milvus.db" in code
    names: dict[str, Any] = {}
    try:
        exec(compile(code.replace("PERSON_ID", person_id("stargazer")), "README.md", "exec"), names)
    finally:
        server_manager_instance.release_server(str(lake.local_dir() / "milvus.db"))
    assert names["similar_users"][0]["person_id"] == person_id("astrophotographer")
    assert len(names["similar_users"]) == len(PEOPLE) - 1
    assert names["recommendations"][0]["entity"]["text"] in {TOPICS["telescopes"][0], TOPICS["galaxies"][0]}
    assert {hit["person_id"] for hit in names["audience"][:2]} == {person_id("stargazer"), person_id("astrophotographer")}
