"""Tables that settings describe, ingested: other settings give other rows of the same file."""

from pathlib import Path

import yaml
from pyspark.sql import SparkSession

from etl.jobs import ingest
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES
from lake.config import LakeConfig

TABLE = "who,at,words,stars\nAda,2023-05-01,Good tea.,5\nBo,2023-05-02,Bad tea.,1\n"


def take_in(lake: LakeConfig, dump: Path, folder: Path, **source: object) -> list[dict[str, str]]:
    """Ingest the dump as one source; the attributes of its acts."""
    usual = {"files": "*.csv", "action": "review", "columns": {"user": "who", "time": "at", "text": "words"}}
    options = {"name": "shop", "sources": [usual | source]}
    config = folder / "config.yaml"
    settings = {"lake": {"path": lake.path, "pseudonym_key_file": lake.pseudonym_key_file}, "etl": {"platforms": {"generic": options}}}
    config.write_text(yaml.safe_dump(settings))
    ingest.main(["--config", str(config), "--platform", "generic", "--dump", str(dump)])
    return [dict(attributes) for attributes in arrow_tables.read(lake, ACTS).sort_by("line")["attributes"].to_pylist()]


def test_a_file_whose_settings_changed_is_ingested_again_and_one_whose_settings_did_not_is_not(spark: SparkSession, lake: LakeConfig, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.mkdir()
    (dump / "reviews.csv").write_text(TABLE)
    assert take_in(lake, dump, tmp_path) == [{}, {}]
    assert take_in(lake, dump, tmp_path, attributes=["stars"]) == [{"stars": "5"}, {"stars": "1"}]
    version = arrow_tables.table_version(lake, INGESTED_FILES)
    assert take_in(lake, dump, tmp_path, attributes=["stars"]) == [{"stars": "5"}, {"stars": "1"}]
    assert arrow_tables.table_version(lake, INGESTED_FILES) == version
