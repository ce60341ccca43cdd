"""Tables that settings describe, ingested: other settings give other rows of the same file, and wrong ones are told before Spark starts."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from conf.errors import ArchiveError
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


def test_a_file_that_lacks_a_column_costs_no_other_file(spark: SparkSession, lake: LakeConfig, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.mkdir()
    (dump / "reviews.csv").write_text(TABLE)
    (dump / "old.csv").write_text(TABLE.replace("words", "comment"))
    with pytest.raises(ArchiveError, match=r"1 of 2 files could not be taken \(all others are in\): old\.csv: has no column 'words'"):
        take_in(lake, dump, tmp_path)
    assert arrow_tables.read(lake, INGESTED_FILES)["source_file"].to_pylist() == ["reviews.csv"]


ERRORS_WITHOUT_SPARK = """
import sys
sys.modules["pyspark"] = None  # whoever imports it fails
from pipeline import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": {"user": "who", "time": "at", "text": "wods"}}, "1 of 1 files could not be taken: reviews.csv: has no column 'wods'"),
        ({"encoding": "latin-9000"}, "etl.platforms.generic.sources.0.encoding: no encoding"),
        ({"files": "*.tsv"}, "'*.tsv' is none of the 1 files"),
    ],
)
def test_mistakes_in_the_settings_are_told_without_spark(lake: LakeConfig, tmp_path: Path, change: dict[str, object], message: str) -> None:
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "reviews.csv").write_text(TABLE)
    usual = {"files": "*.csv", "action": "review", "columns": {"user": "who", "time": "at", "text": "words"}}
    settings = {"etl": {"platforms": {"generic": {"name": "shop", "sources": [usual | change]}}}, "lake": lake.model_dump(mode="json")}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    command = ["etl", "ingest", "--config", str(tmp_path / "config.yaml"), "--platform", "generic", "--dump", str(tmp_path / "dump")]
    told = subprocess.run([sys.executable, "-c", ERRORS_WITHOUT_SPARK, *command], capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 1
    assert message in told.stderr
    assert not (Path(lake.path) / ACTS.name).exists()
