"""Checkpoints of one distillation on disk (edge): what a killed run goes on from, to the bit.

<folder>/step-<number>/weights.safetensors, optimizer.safetensors ('<place of the parameter>.<name>'), progress.json

The newest is kept, and the one of the lowest held-out loss. A checkpoint is written under another name and renamed when it is whole, so that a kill in between leaves the one before. The folder
is called by all that decides the training, so that other settings or other labels never go on from it.
"""

import fcntl
import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from conf.errors import ConfigError

logger = logging.getLogger(__name__)

WEIGHTS, OPTIMIZER, PROGRESS, LOCK = "weights.safetensors", "optimizer.safetensors", "progress.json", "lock"


@dataclass(frozen=True)
class Progress:
    """How far a training is: steps taken, the held-out loss at the newest look, and where it was lowest."""

    step: int = 0
    newest_loss: float | None = None
    best_step: int | None = None
    best_loss: float | None = None
    looks_without_gain: int = 0

    def after_look(self, step: int, loss: float) -> "Progress":
        """The progress with one more look at the held-out loss."""
        if self.best_loss is None or loss < self.best_loss:
            return Progress(step, loss, step, loss, 0)
        return Progress(step, loss, self.best_step, self.best_loss, self.looks_without_gain + 1)


class Checkpoints:
    """The checkpoints of one run, which one process alone holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / LOCK).open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{folder}: another process distils the same labels with these settings; wait for it, or stop it") from None

    def progress(self) -> Progress:
        """How far the newest checkpoint is; the beginning where there is none."""
        whole = self._whole()
        return Progress(**json.loads((whole[-1] / PROGRESS).read_text(encoding="utf-8"))) if whole else Progress()

    def resume(self, model: torch.nn.Module, optimizer: Optimizer) -> Progress:
        """Set model and optimizer to the newest checkpoint's, and say where it is; nothing is set where there is none."""
        progress = self.progress()
        if progress.step:
            newest = self._of_step(progress.step)
            _load_weights(model, newest)
            _load_optimizer(optimizer, newest)
            logger.info("going on after step %d", progress.step)
        return progress

    def save(self, model: torch.nn.Module, optimizer: Optimizer, progress: Progress) -> None:
        """Write a checkpoint, then remove all but it and the best."""
        writing = self.folder / f"writing-{progress.step}"
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir()
        save_file(_weights(model), writing / WEIGHTS)
        save_file(_optimizer_tensors(optimizer), writing / OPTIMIZER)
        (writing / PROGRESS).write_text(json.dumps(asdict(progress)), encoding="utf-8")
        for path in writing.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        whole = self._of_step(progress.step)
        writing.rename(whole)
        for old in self._whole():
            if old not in (whole, self._of_step(progress.best_step)):
                shutil.rmtree(old.rename(old.with_name(f"removed-{old.name}")))

    def load_best(self, model: torch.nn.Module, progress: Progress) -> None:
        """Set the model to the weights of the lowest held-out loss."""
        if progress.best_step is not None:
            _load_weights(model, self._of_step(progress.best_step))

    def remove(self) -> None:
        """Remove all of the run: what it made is registered."""
        shutil.rmtree(self.folder)

    def _of_step(self, step: int | None) -> Path:
        return self.folder / f"step-{step or 0:09}"

    def _whole(self) -> list[Path]:
        """Folders of checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*"))


def _weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """The parameters, each once: a table of words that reads and writes is one."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _load_weights(model: torch.nn.Module, folder: Path) -> None:
    saved = load_file(folder / WEIGHTS)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(saved[name])


def _optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{place}.{name}": tensor for place, of_parameter in state.items() for name, tensor in of_parameter.items()}


def _load_optimizer(optimizer: Optimizer, folder: Path) -> None:
    """The tensors; its settings are those of the run, and its rate a function of the step."""
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in load_file(folder / OPTIMIZER).items():
        place, name = key.split(".", 1)
        state.setdefault(int(place), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
