"""Checkpoints of one training run on disk (edge): what a killed run goes on from, to the bit.

<root>/<fingerprint of the run>/<N>-processes/step-<number>/
    weights.safetensors     the model's parameters and buffers
    optimizer.safetensors   the optimizer's tensors, '<place of the parameter>.<name>'; its settings are the run's own
    process-<n>.safetensors random states of each process
    sightings.safetensors   how often answers stood in a step, where `trainer.popularity` asks for it
    pool.safetensors        answers that hard negatives are mined from, and the words that each process holds, where `trainer.mined_negatives` asks for them
    progress.json           step, temperature, the position of each process in its stream; written last

A checkpoint is written under another name and renamed when it is whole, so that a kill in between leaves the one before. The main process writes; all read,
so several machines need a folder that all see. Tensors are whole, also where processes hold pieces of them (`sharding`). Nothing is pickled.
"""

import fcntl
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file as load_numpy
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from conf.errors import ConfigError, EncoderError
from lake.config import LakeConfig
from trainer.config import TrainerConfig
from trainer.training.frequency import Sightings
from trainer.training.pool import AnswerPool
from trainer.training.random_states import random_states, set_random_states
from trainer.training.sharding import all_tensors, gathered, piece

logger = logging.getLogger(__name__)

WEIGHTS, OPTIMIZER, SIGHTINGS, POOL = "weights.safetensors", "optimizer.safetensors", "sightings.safetensors", "pool.safetensors"
PROGRESS, LOCK = "progress.json", "lock"
Arrays = Mapping[str, NDArray[Any]]
_NAME = re.compile(r"step-\d{9}")


@dataclass(frozen=True)
class Progress:
    """How far a training is: steps taken, the temperature where it is known, and where this process stands in its stream ({} is the beginning)."""

    step: int = 0
    temperature: float | None = None
    position: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What stands in a checkpoint's progress.json."""

    fingerprint: str
    processes: int
    step: int
    temperature: float | None
    positions: list[dict[str, int]]


def checkpoints_of_run(lake: LakeConfig, config: TrainerConfig, fingerprint: str, accelerator: Accelerator) -> "Checkpoints | None":
    """Where a run keeps its checkpoints; None where neither the lake nor the settings have a folder. Raises ConfigError where the run is under way elsewhere."""
    if config.checkpoints is None and "://" in lake.path:
        if accelerator.is_main_process:
            logger.warning("the lake is no local folder and trainer.checkpoints names none: no checkpoints, and a killed run begins again")
        return None
    root = Path(config.checkpoints).expanduser().resolve() if config.checkpoints else lake.local_dir() / "checkpoints"
    return Checkpoints(root / fingerprint, config, accelerator)


class Checkpoints:
    """The checkpoints of one run, in a folder of its own, called by its fingerprint. All processes hold it and call its methods together."""

    def __init__(self, folder: Path, config: TrainerConfig, accelerator: Accelerator) -> None:
        self.run_folder, self.folder = folder, folder / f"{accelerator.num_processes}-processes"
        self.config, self.accelerator = config, accelerator
        self._written_at = time.monotonic()
        self._lock = _locked(folder) if accelerator.is_main_process else None

    def resume(self, model: nn.Module, optimizer: Optimizer, sightings: Sightings | None = None, pool: AnswerPool | None = None) -> Progress:
        """Set model, optimizer, sightings, pool and random states to the newest whole checkpoint's, and say where it is; the beginning, and nothing set, where there is none."""
        found: list[Path | None] = [self._newest() if self.accelerator.is_main_process else None]
        broadcast_object_list(found)
        (folder,) = found
        if folder is None:
            return Progress(temperature=self.config.temperature)
        self._check_seen_by_all(folder)
        record = _read_record(folder)
        _load_weights(model, folder)
        _load_optimizer(optimizer, folder)
        if sightings is not None:
            sightings.set_state(load_numpy(folder / SIGHTINGS))
        process = self.accelerator.process_index
        if pool is not None:
            state = load_numpy(folder / POOL)
            pool.set_state(state, state[_words_of(process)])
        set_random_states(load_file(folder / _states_file(process)), self.accelerator.device)
        if self.accelerator.is_main_process:
            logger.info("going on after step %d, from %s", record.step, folder)
        return Progress(record.step, record.temperature, record.positions[process])

    def save_if_due(
        self, model: nn.Module, optimizer: Optimizer, progress: Progress, sightings: Sightings | None = None, pool: AnswerPool | None = None, *, is_last: bool
    ) -> None:  # fmt: skip
        """Keep a checkpoint every so many steps or minutes, as the settings say, and after the last step: what follows may be killed too."""
        if is_last or self._is_due(progress.step):
            self.save(model, optimizer, progress, sightings, pool)

    def save(self, model: nn.Module, optimizer: Optimizer, progress: Progress, sightings: Sightings | None = None, pool: AnswerPool | None = None) -> None:
        """Write a checkpoint, then remove all but the newest ones."""
        told = gather_object([(progress.position, random_states(self.accelerator.device), None if pool is None else pool.own_words())])
        is_main, writing = self.accelerator.is_main_process, self.folder / f"writing-{progress.step}"
        if is_main:
            shutil.rmtree(writing, ignore_errors=True)
            writing.mkdir(parents=True)
        for name, tensors in ((WEIGHTS, all_tensors(model)), (OPTIMIZER, _optimizer_tensors(optimizer))):
            _write_whole(writing / name, tensors, is_main)
        if is_main:
            record = Record(self.run_folder.name, len(told), progress.step, progress.temperature, [position for position, _, _ in told])
            words = {_words_of(process): own for process, (_, _, own) in enumerate(told)}
            learnt: dict[str, Arrays] = {} if sightings is None else {SIGHTINGS: sightings.state()}
            learnt |= {} if pool is None else {POOL: pool.state() | words}
            _write(writing, learnt, [states for _, states, _ in told], record)
            whole = self.folder / f"step-{progress.step:09}"
            _remove(whole)
            writing.rename(whole)
            for old in self._whole()[self.config.keep_checkpoints :]:
                _remove(old)
        self._written_at = time.monotonic()

    def remove(self) -> None:
        """Remove all checkpoints of the run: its encoder is registered."""
        if self.accelerator.is_main_process:
            shutil.rmtree(self.run_folder)

    def _is_due(self, step: int) -> bool:
        """Whether this many steps or minutes went by; of the minutes the main process's clock decides."""
        if self.config.checkpoint_steps and step % self.config.checkpoint_steps == 0:
            return True
        if self.config.checkpoint_minutes is None:
            return False
        is_late = [time.monotonic() - self._written_at >= 60 * self.config.checkpoint_minutes]
        broadcast_object_list(is_late)
        return is_late[0]

    def _newest(self) -> Path | None:
        """The newest checkpoint that can be read; what a kill left half done is cleared away."""
        for others in sorted(self.run_folder.glob("*-processes")):
            if others != self.folder and any(_NAME.fullmatch(each.name) for each in others.iterdir()):
                logger.warning("%s: checkpoints of %s are not gone on from by %d", others, others.name, self.accelerator.num_processes)
        for each in self.folder.iterdir() if self.folder.is_dir() else ():
            if not _NAME.fullmatch(each.name):
                shutil.rmtree(each)
        return next((each for each in self._whole() if self._can_be_read(each)), None)

    def _can_be_read(self, folder: Path) -> bool:
        try:
            record = _read_record(folder)
            asked_for = [name for name, is_asked in ((SIGHTINGS, self.config.popularity == "learned"), (POOL, self.config.mined_negatives)) if is_asked]
            for name in (WEIGHTS, OPTIMIZER, *asked_for, *map(_states_file, range(record.processes))):
                with safe_open(folder / name, framework="pt"):
                    pass
        except (OSError, ValueError, TypeError, SafetensorError) as error:
            logger.warning("%s: passed over, it cannot be read (%s)", folder, error)
            return False
        if (record.fingerprint, record.processes) != (self.run_folder.name, self.accelerator.num_processes):
            logger.warning("%s: passed over, it is of run %s on %d processes", folder, record.fingerprint, record.processes)
            return False
        return True

    def _whole(self) -> list[Path]:
        """Folders of checkpoints, newest first."""
        return sorted((each for each in self.folder.iterdir() if _NAME.fullmatch(each.name)), reverse=True) if self.folder.is_dir() else []

    def _check_seen_by_all(self, folder: Path) -> None:
        if not all(gather_object([folder.is_dir()])):
            raise ConfigError(f"trainer.checkpoints: {folder} is not seen by every process; expected a folder that all machines share")


def _locked(folder: Path) -> IO[str]:
    """A file that one process alone holds, until it ends. Raises ConfigError where another does: both would write the same checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / LOCK).open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(f"{folder}: another process is training with these settings on these tables; wait for it, or stop it") from None
    except OSError as error:
        logger.warning("%s: cannot be locked (%s); do not train the same twice at once", folder, error)
    return file


def _write_whole(path: Path, tensors: dict[str, Tensor], is_main: bool) -> None:
    """A file of tensors that processes may hold pieces of: all gather them, the main one writes."""
    found = gathered(tensors, keep=is_main)
    if is_main:
        save_file(found, path)


def _write(folder: Path, learnt: Mapping[str, Arrays], states: list[dict[str, Tensor]], record: Record) -> None:
    """The other files of a checkpoint; all are on disk when this returns. `learnt`: what a run learns on the way beside its weights, by the file it stands in."""
    for name, arrays in learnt.items():
        save_numpy(dict(arrays), folder / name)
    for process, of_process in enumerate(states):
        save_file(of_process, folder / _states_file(process))
    (folder / PROGRESS).write_text(json.dumps(asdict(record)), encoding="utf-8")
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _remove(folder: Path) -> None:
    """Remove a checkpoint, if it is there; a kill in between leaves nothing that looks like one."""
    if folder.is_dir():
        shutil.rmtree(folder.rename(folder.with_name(f"removed-{folder.name}")))


def _read_record(folder: Path) -> Record:
    return Record(**json.loads((folder / PROGRESS).read_text(encoding="utf-8")))


def _words_of(process: int) -> str:
    return f"words-{process}"


def _states_file(process: int) -> str:
    return f"process-{process}.safetensors"


def _load_weights(model: nn.Module, folder: Path) -> None:
    tensors, saved = all_tensors(model), load_file(folder / WEIGHTS)
    if {name: each.shape for name, each in tensors.items()} != {name: each.shape for name, each in saved.items()}:
        raise EncoderError(f"{folder}: holds other weights than this base model has, so another program wrote it; remove {folder.parents[1]} to begin again")
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(piece(saved[name], tensor))


def _optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{place}.{name}": tensor for place, of_parameter in state.items() for name, tensor in of_parameter.items()}


def _load_optimizer(optimizer: Optimizer, folder: Path) -> None:
    """The tensors; its settings are those of the run, and its rate a function of the step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in load_file(folder / OPTIMIZER).items():
        place, name = key.split(".", 1)
        of_parameter = parameters[int(place)]
        state.setdefault(int(place), {})[name] = piece(tensor, of_parameter) if tensor.shape == of_parameter.shape else tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
