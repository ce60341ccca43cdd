"""Training that goes on from its checkpoints, on one process and on two; and what is done with checkpoints on disk."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from conf.errors import ConfigError
from lake.config import LakeConfig
from tests.torchrun import on_processes
from trainer.config import TrainerConfig
from trainer.training.checkpoints import OPTIMIZER, PROGRESS, SIGHTINGS, WEIGHTS, Checkpoints, Progress, checkpoints_of_run
from trainer.training.frequency import Sightings

KILLED = Path(__file__).with_name("train_killed.py")


@pytest.fixture(scope="module")
def launches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each process of each launch said, by the number of processes."""
    done = on_processes(1, str(KILLED), str(tmp_path_factory.mktemp("killed")))
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("processes", [1, 2])
def test_killed_training_ends_with_the_weights_of_an_undisturbed_one(launches: dict[str, Any], processes: int) -> None:
    said = launches[str(processes)]
    whole = said["undisturbed"][0]
    assert [number for number, _ in whole["steps"]] == [1, 2, 3, 4, 5, 6]
    for killed in ("killed after step 1", "killed after a checkpoint", "killed while a checkpoint is written"):
        assert None in said[killed], killed
    for each in said["finished"]:
        assert each["steps"] == whole["steps"][2:], "the checkpoint after step 2 is gone on from, the half one is not"
        assert each["weights"] == whole["weights"]
    assert "step-000000006" in said["finished"][0]["left"]
    for each in said["once more"]:
        assert (each["steps"], each["weights"]) == ([], whole["weights"])
        assert each["temperature"] == whole["temperature"] > 0, "it is fitted on the first step, and asked for after the last"


class Run:
    """A small model with its optimizer, trained by what random numbers say."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        config = TrainerConfig(**{"checkpoint_steps": 1, "checkpoint_minutes": None} | settings)
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5))
        self.optimizer = torch.optim.AdamW(self.model.parameters())
        self.checkpoints = Checkpoints(folder, config, Accelerator(cpu=True))

    def resume(self) -> Progress:
        return self.checkpoints.resume(self.model, self.optimizer)

    def take_steps(self, first: int, last: int) -> None:
        for step in range(first, last + 1):
            self.model(torch.randn(4, 3)).square().sum().backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.checkpoints.save_if_due(self.model, self.optimizer, Progress(step, 0.1, {"row": 10 * step}), is_last=False)

    def end(self) -> None:
        """What the end of its process does."""
        self.checkpoints._lock.close()

    def weights(self) -> torch.Tensor:
        return torch.cat([each.detach().flatten() for each in self.model.parameters()])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "1-processes").iterdir())


def test_what_follows_a_checkpoint_is_what_followed_it(tmp_path: Path) -> None:
    whole = Run(tmp_path / "whole", checkpoint_steps=2)
    assert whole.resume() == Progress()
    whole.take_steps(1, 5)
    assert names(tmp_path / "whole") == ["step-000000002", "step-000000004"]
    whole.end()
    again = Run(tmp_path / "whole", checkpoint_steps=9)
    assert again.resume() == Progress(4, 0.1, {"row": 40})
    again.take_steps(5, 5)
    assert torch.equal(again.weights(), whole.weights())
    assert not [path for path in (tmp_path / "whole").rglob("*") if path.is_file() and path.suffix not in (".safetensors", ".json", "")]


def test_the_newest_are_kept_and_all_are_removed_at_the_end(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", keep_checkpoints=2)
    run.take_steps(1, 5)
    assert names(tmp_path / "run") == ["step-000000004", "step-000000005"]
    run.checkpoints.remove()
    assert not (tmp_path / "run").exists()


def test_minutes_count_where_they_are_set(tmp_path: Path) -> None:
    run = Run(tmp_path / "often", checkpoint_steps=None, checkpoint_minutes=0)
    run.take_steps(1, 2)
    assert names(tmp_path / "often") == ["step-000000001", "step-000000002"]
    Run(tmp_path / "seldom", checkpoint_steps=None, checkpoint_minutes=60).take_steps(1, 2)
    assert not (tmp_path / "seldom" / "1-processes").exists()


@pytest.mark.parametrize("name", [WEIGHTS, OPTIMIZER, PROGRESS, "process-0.safetensors"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_broken_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, name: str, is_there: bool, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(tmp_path)
    run.take_steps(1, 2)
    run.end()
    broken = tmp_path / "1-processes" / "step-000000002" / name
    if is_there:
        broken.write_bytes(broken.read_bytes()[:-5])
    else:
        broken.unlink()
    (tmp_path / "1-processes" / "writing-3").mkdir()
    assert Run(tmp_path).resume().step == 1
    assert "passed over" in caplog.text
    assert "writing-3" not in names(tmp_path)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_checkpoint_without_its_sightings_is_passed_over_too(tmp_path: Path, is_there: bool) -> None:
    run, sightings = Run(tmp_path, popularity="learned"), Sightings()
    for step in (1, 2):
        sightings.log_chances(np.array([4 * step]))
        run.checkpoints.save(run.model, run.optimizer, Progress(step), sightings)
    run.end()
    broken = tmp_path / "1-processes" / "step-000000002" / SIGHTINGS
    broken.write_bytes(b"half of it") if is_there else broken.unlink()
    again, found = Run(tmp_path, popularity="learned"), Sightings()
    assert again.checkpoints.resume(again.model, again.optimizer, found).step == 1
    assert found.steps == 1


def test_another_run_or_another_number_of_processes_is_not_gone_on_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(tmp_path / "one")
    run.take_steps(1, 1)
    run.end()
    (tmp_path / "one").rename(tmp_path / "other")
    assert Run(tmp_path / "other").resume() == Progress()
    assert "it is of run one on 1 processes" in caplog.text
    two = Run(tmp_path / "two")
    two.take_steps(1, 1)
    two.end()
    (tmp_path / "two" / "1-processes").rename(tmp_path / "two" / "2-processes")
    assert Run(tmp_path / "two").resume() == Progress()
    assert "checkpoints of 2-processes are not gone on from by 1" in caplog.text
    assert (tmp_path / "two" / "2-processes" / "step-000000001").is_dir()


def test_a_run_that_is_under_way_is_not_begun_a_second_time(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(ConfigError, match="another process is training with these settings"):
        Run(tmp_path)
    run.end()
    Run(tmp_path)


def test_checkpoints_lie_in_the_lake_or_where_the_settings_say(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder, accelerator, bucket = LakeConfig(path=str(tmp_path / "lake")), Accelerator(cpu=True), LakeConfig(path="s3://bucket/lake")

    def place(lake: LakeConfig, **settings: Any) -> Path | None:
        found = checkpoints_of_run(lake, TrainerConfig(**settings), "abc", accelerator)
        return found and found.run_folder

    assert place(folder) == tmp_path / "lake" / "_local" / "checkpoints" / "abc"
    assert not caplog.records
    assert place(bucket) is None
    assert "no checkpoints" in caplog.text
    assert place(bucket, checkpoints=str(tmp_path / "shared")) == tmp_path / "shared" / "abc"
