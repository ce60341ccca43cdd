"""A lake that was moved or copied: its encoder, its index and its jobs are found where the lake is now, by real MLflow and Milvus Lite."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest
from pyspark.sql import SparkSession
from serving_lake import embedded_and_loaded

from conf.errors import ConfigError, EncoderError
from etl.jobs import ingest, sequences, units
from lake import arrow_tables, registry
from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.config import LakeConfig
from lake.encoder import encoder_version, load_registered, registered_folder
from lake.units import SEQUENCES, UNITS
from lake.vectors import USER_VECTORS
from serving.config import ServingConfig
from serving.jobs.embed import embed
from serving.jobs.load import load
from serving.milvus import open_store
from trainer import publishing

DUMP = Path(__file__).parents[1] / "data" / "stackexchange"
NAMES = ["plain", "mit Leerzeichen und Ümläuten", "a#b", "100% sure", "is it?"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    """A served lake that nobody moves and no test changes."""
    folder = tmp_path_factory.mktemp("original")
    lake = LakeConfig(path=str(folder / "lake"))
    embedded_and_loaded(lake, folder / "encoder")
    return lake


@pytest.fixture
def copy_to(original: LakeConfig) -> Callable[[Path], LakeConfig]:
    def copied(folder: Path) -> LakeConfig:
        shutil.copytree(original.path, folder)
        return original.model_copy(update={"path": str(folder)})

    return copied


def contents(folder: str) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).rglob("*") if path.is_file()}


def new_run(lake: LakeConfig) -> str:
    """A run with a file, in the lake's registry; the file's URI."""
    registry.connect(lake)
    with mlflow.start_run() as run:
        mlflow.log_dict({"of": "a later run"}, "later.json")
    return f"{run.info.artifact_uri}/later.json"


@pytest.mark.parametrize("name", NAMES)
def test_a_copied_lake_has_its_own_encoder_and_leaves_the_original_alone(
    original: LakeConfig, copy_to: Callable[[Path], LakeConfig], tmp_path: Path, name: str
) -> None:  # fmt: skip
    before = contents(original.path)
    copy = copy_to(tmp_path / name)
    folder = registered_folder(copy)
    assert folder.is_relative_to(tmp_path / name)
    assert encoder_version(folder) == encoder_version(registered_folder(original))
    assert mlflow.artifacts.load_dict(new_run(copy)) == {"of": "a later run"}
    assert len(list((tmp_path / name).rglob("later.json"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert contents(original.path) == before
    assert registered_folder(original).is_relative_to(original.path)


def test_a_moved_lake_is_trained_further_where_it_is_now(copy_to: Callable[[Path], LakeConfig], tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    earlier = copy_to(tmp_path / "old" / "lake")
    old_run = new_run(earlier)
    (tmp_path / "old" / "lake").rename(tmp_path / "lake")
    lake = earlier.model_copy(update={"path": str(tmp_path / "lake")})
    encoder = load_registered(lake, "cpu")
    registry.move_alias(lake, lake.encoder_alias, publishing.register(lake, encoder, {}))
    assert registered_folder(lake).is_relative_to(tmp_path / "lake")
    assert encoder_version(registered_folder(lake)) == encoder.version
    assert mlflow.artifacts.load_dict(mlflow.get_run(old_run.split("/")[-3]).info.artifact_uri + "/later.json") == {"of": "a later run"}
    assert not list((tmp_path / "old").iterdir())


def test_a_moved_lake_is_found_by_a_relative_path(copy_to: Callable[[Path], LakeConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_to(tmp_path / "here" / "lake")
    monkeypatch.chdir(tmp_path / "here")
    assert registered_folder(LakeConfig(path="lake")).is_relative_to(tmp_path / "here" / "lake")
    monkeypatch.chdir(tmp_path)
    assert registered_folder(LakeConfig(path="here/../here/lake")).is_relative_to(tmp_path / "here" / "lake")


@pytest.mark.parametrize("name", NAMES)
def test_in_a_moved_lake_vectors_and_index_stand_as_they_are(
    copy_to: Callable[[Path], LakeConfig], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    lake = copy_to(tmp_path / name)
    version = arrow_tables.table_version(lake, USER_VECTORS)
    with open_store(lake, ServingConfig()) as store:
        collections = store.names()
    monkeypatch.setattr("serving.runners.load_encoder", lambda *_: pytest.fail("vectors are made again"))
    embed(lake, ServingConfig())
    load(lake, ServingConfig())
    with open_store(lake, ServingConfig()) as store:
        assert store.names() == collections != []
    assert arrow_tables.table_version(lake, USER_VECTORS) == version


@pytest.mark.parametrize("is_given_relatively", [False, True])
def test_in_a_moved_lake_the_etl_has_nothing_to_do(
    lake: LakeConfig, key_file: str, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_given_relatively: bool
) -> None:  # fmt: skip
    def run_etl(path: str) -> dict[str, int | None]:
        shared = ["--lake", path, "--set", f"lake.pseudonym_key_file={key_file}"]
        ingest.main(["--dump", str(DUMP), "--platform", "stackexchange", *shared])
        units.main(shared)
        sequences.main([*shared, "--set", "etl.min_units_per_person=1"])
        return {spec.name: arrow_tables.table_version(LakeConfig(path=path), spec) for spec in (ACTS, REJECTS, INGESTED_FILES, UNITS, SEQUENCES)}

    before = run_etl(lake.path)
    assert arrow_tables.count_rows(lake, SEQUENCES) > 0
    (tmp_path / "elsewhere 100%").mkdir()
    Path(lake.path).rename(tmp_path / "elsewhere 100%" / "Lager")
    monkeypatch.chdir(tmp_path / "elsewhere 100%")
    assert run_etl("Lager" if is_given_relatively else str(tmp_path / "elsewhere 100%" / "Lager")) == before
    assert not Path(lake.path).exists()


def test_several_processes_may_meet_a_moved_lake_at_once(copy_to: Callable[[Path], LakeConfig], tmp_path: Path) -> None:
    lake = copy_to(tmp_path / "lake")
    database, artifacts = tmp_path / "lake" / "_local" / "mlflow.db", (tmp_path / "lake" / "_local" / "mlartifacts").as_uri()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: registry._bring_home(database, artifacts), range(40)))
    assert registered_folder(lake).is_relative_to(tmp_path / "lake")


def test_a_registry_that_cannot_be_corrected_says_so(copy_to: Callable[[Path], LakeConfig], tmp_path: Path) -> None:
    lake = copy_to(tmp_path / "lake")
    database = tmp_path / "lake" / "_local" / "mlflow.db"
    with sqlite3.connect(database) as other:
        other.execute("CREATE TRIGGER no_change BEFORE UPDATE ON experiments BEGIN SELECT RAISE(ABORT, 'nobody may write'); END")
    before = contents(lake.path)
    with pytest.raises(EncoderError, match=r"mlflow.db: cannot be corrected to where the lake is now, .*nobody may write.*make it so"):
        registered_folder(lake)
    assert contents(lake.path) == before
    database.write_bytes(b"no database at all" * 100)
    with pytest.raises(EncoderError, match="file is not a database"):
        registered_folder(lake)


def test_to_look_for_an_encoder_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"mlflow\.db: no registry, and so no encoder; it is written by 'kindred trainer train'"):
        registered_folder(LakeConfig(path=str(tmp_path / "typo")))
    assert not list(tmp_path.iterdir())


def test_a_lake_in_an_object_store_needs_a_tracking_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"lake.mlflow_uri: the lake s3a://bucket/lake is no local folder"):
        registered_folder(LakeConfig(path="s3a://bucket/lake"))
    assert not list(tmp_path.iterdir())
