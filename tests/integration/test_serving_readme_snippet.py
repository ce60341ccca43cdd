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
    """The first Python block of README's section on apps."""
    section = README.read_text(encoding="utf-8").partition(HEADING)[2].split("\n## ")[0]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found, f"README has no Python block below {HEADING!r}"
    return found.group(1)


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
