"""`kindred trainer merge`: encoders of a registry on SQLite and of folders, through the command line."""

import shutil
from pathlib import Path

import mlflow
import pytest
import torch

from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import Encoder, load_registered, registered_folder, save_encoder
from lake.examples import HeldOut
from lake.job_runs import JOB_RUNS
from pipeline import cli
from trainer import publishing
from trainer.config import TrainerConfig
from trainer.student import base_encoder, content_version

SHARES = HeldOut(validation_share=0.15, test_share=0.25)


def noisy(seed: int, held_out: HeldOut = SHARES, examples: int = 1) -> Encoder:
    """An encoder as if it were trained."""
    base = base_encoder(TrainerConfig(max_tokens=64), "cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in base.model.parameters():
            weights += 0.01 * torch.randn(weights.shape, generator=generator)
    card = base.card.model_copy(update={"trained_on": {"examples": examples, "items": 1}, "held_out": held_out})
    return Encoder(base.model, card, content_version(base.model, card))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two registered encoders, the second of them champion."""
    lake = LakeConfig(path=str(tmp_path_factory.mktemp("two") / "lake"))
    registry.connect(lake)
    with mlflow.start_run():
        for seed in (1, 2):
            version = publishing.register(lake, noisy(seed, examples=seed), {})
    registry.move_alias(lake, "champion", version)
    return Path(lake.path)


@pytest.fixture
def copy(two: Path, tmp_path: Path) -> LakeConfig:
    """A copy of that lake."""
    return LakeConfig(path=str(shutil.copytree(two, tmp_path / "lake")))


def merge(lake: LakeConfig, *arguments: str) -> int:
    return cli.main(["trainer", "merge", *arguments, "--lake", lake.path])


def alias(lake: LakeConfig, name: str) -> int:
    registry.connect(lake)
    return int(mlflow.MlflowClient().get_model_version_by_alias(lake.registered_model, name).version)


def versions(lake: LakeConfig) -> int:
    return len(mlflow.MlflowClient().search_model_versions(f"name = '{lake.registered_model}'"))


def trained_last(lake: LakeConfig) -> Encoder:
    return load_registered(lake.model_copy(update={"encoder_alias": publishing.TRAINED}), "cpu")


def test_a_merge_is_registered_once_and_is_no_champion(copy: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    assert merge(copy, "1", "champion", "--weights", "3", "1", "--with-base", "0.2") == 0
    assert (alias(copy, "trained"), alias(copy, "champion"), versions(copy)) == (3, 2, 3)
    assert "trained on different versions of the tables" in caplog.text
    merged, one, two = trained_last(copy), noisy(1), noisy(2, examples=2)
    base = base_encoder(TrainerConfig(max_tokens=64), "cpu")
    for name, tensor in merged.model.state_dict().items():
        by_hand = sum(share * encoder.model.state_dict()[name].double() for share, encoder in ((0.6, one), (0.2, two), (0.2, base)))
        assert torch.allclose(tensor.double(), by_hand, atol=1e-6), name
    assert merged.card == two.card
    assert merged.version == publishing.champion_version(copy.model_copy(update={"encoder_alias": "trained"}))

    text = (registered_folder(copy, "trained") / "README.md").read_text(encoding="utf-8")
    for fact in (
        "| version 1 |",
        "| 0.6 | `examples` 1, `items` 1 |",
        "| champion |",
        "| the base all-MiniLM-L6-v2 |",
        "say: apache-2.0",
        "`examples` 2, `items` 1.",
    ):
        assert fact in text, fact
    (run,) = mlflow.search_runs(experiment_names=[registry.EXPERIMENT], filter_string="tags.`kindred.job` = 'trainer merge'", output_format="list")
    assert run.info.run_name == "merge version 1 (60%), champion (20%), the base all-MiniLM-L6-v2 (20%)"
    assert 0 < run.data.metrics["distance_to_base"] < 0.5
    assert run.data.metrics["probe_mrr_base"] > 0.7
    (job,) = arrow_tables.read(copy, JOB_RUNS).to_pylist(maps_as_pydicts="strict")
    assert (job["job"], job["status"], job["rows"]) == ("trainer merge", "done", {"encoders": 3})

    registry.move_alias(copy, "trained", "1")
    assert merge(copy, "2", "1", "--weights", "0.5", "1.5", "--with-base", "0.2") == 0  # the same shares in another order
    assert (alias(copy, "trained"), versions(copy)) == (3, 3)
    assert arrow_tables.read(copy, JOB_RUNS).num_rows == 1
    assert merge(copy, "1", "2") == 0
    assert versions(copy) == 4


def test_the_merge_of_one_is_its_own_version(copy: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1").mkdir()
    monkeypatch.chdir(tmp_path)  # a number is a version, whatever lies about
    assert merge(copy, "1") == 0
    assert (alias(copy, "trained"), versions(copy)) == (1, 2)


def test_a_folder_is_merged_and_its_place_is_told_nobody(copy: LakeConfig, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / "checkpoint"
    encoder = noisy(3)
    save_encoder(encoder.model, encoder.card, folder / "model.sentence_transformer")
    assert merge(copy, "1", str(folder)) == 0
    text = (registered_folder(copy, "trained") / "README.md").read_text(encoding="utf-8")
    assert f"| checkpoint | `{encoder.version}` | 0.5 |" in text
    assert str(tmp_path) not in text


def test_folders_alone_are_merged_into_a_lake_without_a_registry(lake: LakeConfig, tmp_path: Path) -> None:
    for seed in (1, 2):
        encoder = noisy(seed)
        save_encoder(encoder.model, encoder.card, tmp_path / str(seed))
    assert merge(lake, str(tmp_path / "1"), str(tmp_path / "2")) == 0
    assert (alias(lake, "trained"), versions(lake)) == (1, 1)


def test_what_cannot_be_merged_is_one_line_and_registers_nothing(copy: LakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder = noisy(3, held_out=HeldOut(validation_share=0.15, test_share=0.3))
    save_encoder(encoder.model, encoder.card, tmp_path / "others")
    (tmp_path / "empty").mkdir()
    refused = {
        "version 1 and others cannot be merged: they held out different people": ["1", str(tmp_path / "others")],
        "models:/kindred-encoder/7: no such encoder": ["1", "7"],
        "models:/kindred-encoder@nobody: no such encoder": ["1", "nobody"],
        f"{tmp_path / 'empty'}: no kindred.json among its files": ["1", str(tmp_path / "empty")],
        "--weights 1.0 0.0: expected 2 numbers above 0": ["1", "2", "--weights", "1", "0"],
        "--with-base 1.0: expected a share from 0 to below 1": ["1", "--with-base", "1"],
    }
    for message, arguments in refused.items():
        assert merge(copy, *arguments) == 1
        assert f"kindred trainer merge: {message}" in capsys.readouterr().err
    registry.connect(copy)
    assert versions(copy) == 2
