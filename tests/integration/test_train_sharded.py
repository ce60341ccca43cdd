"""Two processes (gloo) that share the weights (FSDP2) take the steps that one process takes; each holds half of them, and what is written is whole."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sentence_transformers import SentenceTransformer

from lake.config import LakeConfig
from lake.encoder import load_registered, registered_folder
from tests.encoder_folders import bert_folder
from tests.integration.train_sharded import CASES, TRAINED, Found, loss_and_gradients, trained, write_encoders
from tests.planted_people import write_planted
from tests.torchrun import on_processes, on_sharing_processes
from trainer import publishing
from trainer.config import TrainerConfig
from trainer.student import base_encoder, student_encoder
from trainer.training.sharding import all_tensors, gathered

SCRIPT, KILLED = (Path(__file__).with_name(name) for name in ("train_sharded.py", "train_killed.py"))
FACTS = ("loss", "losses", "norms", "held", "processes", "groups", "tokens")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoders, and what two processes found with each."""
    path = tmp_path_factory.mktemp("sharded")
    write_encoders(path)
    done = on_sharing_processes(str(SCRIPT), str(path))
    assert done.returncode == 0, done.stderr[-3000:]
    return path


def found_by_two(folder: Path, name: str) -> list[Found]:
    return [dict(np.load(folder / f"{name}-{process}.npz")) for process in range(2)]


def tensors(found: Found) -> Found:
    return {name: each for name, each in found.items() if name not in FACTS}


@pytest.mark.parametrize("case", CASES)
def test_a_step_in_pieces_has_the_loss_and_the_gradients_of_one_process(case: str, folder: Path) -> None:
    one, two = loss_and_gradients(CASES[case], folder), found_by_two(folder, case)
    assert [int(each["processes"]) for each in (one, *two)] == [1, 2, 2]
    assert two[0]["groups"] != two[1]["groups"], "processes have different numbers of micro-batches"
    assert max(np.abs(gradient).max() for gradient in tensors(one).values()) > 0.1
    for each in two:
        assert float(each["loss"]) == pytest.approx(float(one["loss"]), rel=1e-5)
        assert tensors(each).keys() == tensors(one).keys()
        for name, gradient in tensors(one).items():
            assert np.abs(gradient - each[name]).max() < 1e-5, name


def test_processes_of_which_one_alone_could_keep_its_graphs_were_among_the_cases(folder: Path) -> None:
    case = "BERT, few enough for one pass on one process alone"
    tokens = [int(each["tokens"]) for each in found_by_two(folder, case)]
    assert min(tokens) <= CASES[case].tokens_in_one_pass < max(tokens)


@pytest.mark.parametrize("case", TRAINED)
def test_a_training_in_pieces_ends_with_the_weights_of_one_process(case: str, folder: Path) -> None:
    one, two = trained(CASES[case], folder), found_by_two(folder, f"{case} trained")
    before = gathered(all_tensors(student_encoder(CASES[case].config(folder), "cpu").model), keep=True)
    moved = distance(one, {name: each.numpy() for name, each in before.items()})
    assert one["losses"][-1] < 0.8 * one["losses"][0]
    for each in two:
        assert np.allclose(each["losses"], one["losses"], rtol=1e-4)
        assert np.allclose(each["norms"], one["norms"], rtol=1e-4), "the norm that gradients are clipped to is that of all pieces"
        assert distance(each, one) < 1e-3 * moved


def distance(one: Found, two: Found) -> float:
    """Between weights, but for what keys add to all scores of a query alike: its gradient is rounding alone, of which Adam makes whole steps, one way or the other."""
    names = [name for name in tensors(one) if not name.endswith("key.bias")]
    return float(np.sqrt(sum(((one[name] - two[name]) ** 2).sum() for name in names)))


@pytest.mark.parametrize("case", TRAINED)
def test_each_process_holds_half_of_the_weights_and_of_the_optimizer_s_state(case: str, folder: Path) -> None:
    for each in found_by_two(folder, f"{case} trained"):
        assert each["held"] == pytest.approx([0.5, 0.5], abs=0.02)


def test_an_optimizer_of_two_groups_comes_back_from_a_checkpoint(folder: Path) -> None:
    for each in found_by_two(folder, "groups"):
        assert each["same"].all()
        assert len(each["same"]) > 50
        assert each["decay"].tolist() == [0.1, 0.0]


def test_killed_training_in_pieces_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    done = on_processes(1, str(KILLED), str(tmp_path), "sharded")
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["2"]
    whole = said["undisturbed"][0]
    assert [number for number, _ in whole["steps"]] == [1, 2, 3, 4, 5, 6]
    for killed in ("killed after step 1", "killed after a checkpoint", "killed while a checkpoint is written"):
        assert None in said[killed], killed
    for each in said["finished"]:
        assert (each["steps"], each["weights"]) == (whole["steps"][2:], whole["weights"])
    for each in said["once more"]:
        assert (each["steps"], each["weights"]) == ([], whole["weights"])


def test_what_two_processes_of_an_accelerate_configuration_share_is_registered_whole(tmp_path: Path) -> None:
    lake, base = LakeConfig(path=str(tmp_path / "lake"), encoder_alias=publishing.TRAINED), bert_folder(tmp_path)
    write_planted(lake, train=16, validation=2)
    settings = {"base_model": base, "max_tokens": 48, "people_per_batch": 8, "phases": "[{epochs: {labels: 2}}]", "learning_rate": 1e-3, "temperature": 0.05}
    words = [word for name, value in settings.items() for word in ("--set", f"trainer.{name}={value}")]
    fsdp = {"fsdp_version": 2, "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "fsdp_reshard_after_forward": True, "fsdp_cpu_ram_efficient_loading": True}
    configuration = tmp_path / "accelerate.yaml"
    configuration.write_text(
        yaml.safe_dump({"compute_environment": "LOCAL_MACHINE", "distributed_type": "FSDP", "num_machines": 1, "num_processes": 2, "fsdp_config": fsdp})
    )
    done = on_sharing_processes("--config_file", str(configuration), "--module", "trainer.jobs.train", "--lake", lake.path, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    texts = ["roses in the garden", "rook endgames", "a country loaf"]
    alone = SentenceTransformer(str(registered_folder(lake)), device="cpu").encode(texts, normalize_embeddings=True)
    assert np.abs(alone - load_registered(lake, "cpu").encode_texts(texts, "specific")).max() < 1e-5
    untouched = base_encoder(TrainerConfig(base_model=str(base), max_tokens=48), "cpu")
    assert np.abs(alone - untouched.encode_texts(texts, "specific")).max() > 0.01
    assert not list((lake.local_dir() / "checkpoints").iterdir())
