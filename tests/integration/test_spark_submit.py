"""The ETL through real `spark-submit --py-files`: the code comes out of the zip, on driver and executors alike."""

import json
import sys
from pathlib import Path

import pytest
import yaml
import zstandard

from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.units import SEQUENCES, UNITS
from tests.spark_submit import SubmittedJob, build_code_zip, imports_of_etl


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A month of four comments of one thread and its submission."""
    folder = tmp_path / "dump"
    folder.mkdir()
    comment = {"author": "Alice", "link_id": "t3_z", "subreddit": "tea", "created_utc": 1136073600, "score": 1, "retrieved_on": 1136073700}
    parents = {"a": "t3_z", "b": "t1_a", "c": "t1_b", "d": "t1_gone"}
    comments = [comment | {"id": name, "parent_id": parent, "body": f"words of {name}"} for name, parent in parents.items()]
    submission = {
        "id": "z",
        "author": "Bob",
        "title": "Which tea?",
        "selftext": "Asking u/alice",
        "subreddit": "tea",
        "created_utc": 1136073500,
        "url": "",
        "is_self": True,
    }
    for name, rows in {"RC_2006-01.zst": comments, "RS_2006-01.zst": [submission]}.items():
        (folder / name).write_bytes(zstandard.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return folder


def test_the_etl_runs_from_a_zip(lake: LakeConfig, dump: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    quick = {"spark.databricks.delta.snapshotPartitions": "2", "spark.ui.enabled": "false"}
    section = {"path": lake.path, "pseudonym_key_file": lake.pseudonym_key_file, "shuffle_partitions": 2, "spark_settings": quick}
    config.write_text(yaml.safe_dump({"lake": section, "etl": {"min_units_per_person": 2}}))

    code_zip, imports = build_code_zip(tmp_path), {}
    jobs = {"ingest": ["--dump", str(dump)], "units": [], "sequences": [], "report": ["--out", str(tmp_path / "report.html")]}
    for job, arguments in jobs.items():
        submitted = SubmittedJob(job, code_zip, tmp_path, sys.executable, ["--master", "local[2]"], ["--config", str(config), *arguments])
        imports[job] = [module for module, _ in imports_of_etl(submitted.finish())]

    assert all("kindred.zip" in module for modules in imports.values() for module in modules)
    assert len(imports["report"]) == 1, "the driver alone makes the page"
    assert all(len(imports[job]) > 1 for job in ("ingest", "units", "sequences")), "driver and executors were not both seen to import"
    assert arrow_tables.read(lake, ACTS).num_rows == 5
    units = {row["unit_id"]: row for row in arrow_tables.read(lake, UNITS).to_pylist()}
    assert [entry["text"] for entry in units["reddit:t1_c"]["context"]] == ["Which tea?\n\nAsking u/[name]", "words of a", "words of b"]
    assert (units["reddit:t1_d"]["root_state"], units["reddit:t1_d"]["chain_state"]) == ("present", "missing")
    assert "read 5 acts" in (tmp_path / "report.html").read_text(encoding="utf-8")
    (chunk,) = arrow_tables.read(lake, SEQUENCES).to_pylist()
    assert [unit["unit_id"] for unit in chunk["units"]] == ["reddit:t1_a", "reddit:t1_b", "reddit:t1_c", "reddit:t1_d"]
