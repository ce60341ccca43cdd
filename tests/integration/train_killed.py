"""Training that is killed again and again, on one and on two processes, for test_checkpoints.py; on two that share the model for test_train_sharded.py.

Usage: train_killed.py FOLDER [sharded]. Libraries are imported once; each process of each launch is a fork that is told who it is by the environment, as torchrun does.
"""

import hashlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from lake.config import LakeConfig
from tests.encoder_folders import bert_folder
from tests.hand_streams import HandStream
from tests.planted_people import planted_examples
from trainer.config import TrainerConfig
from trainer.student import base_encoder
from trainer.training import checkpoints
from trainer.training.checkpoints import checkpoints_of_run
from trainer.training.loop import Step, make_accelerator, train
from trainer.training.sharding import all_tensors, gathered

CONFIG = TrainerConfig(
    max_tokens=32, tokens_per_forward=64, precision="full", dropout=True, learning_rate=1e-3, checkpoint_steps=2, keep_checkpoints=1,
    people_per_batch=3, answers_per_query=2, popularity="learned", mined_negatives=2, mining_steps=3,
)  # fmt: skip
"""Dropout, so that random states count, frequencies and a pool of answers, which are learnt on the way; six steps, with a checkpoint after every other one."""

SHARDED = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
"""What accelerate launch --use_fsdp --fsdp_version 2 tells the processes."""


def kill_at_step(number: int) -> Callable[[int, int], None]:
    """Kill the last process as soon as a step is taken: its checkpoint is not written yet."""

    def at(step: int, process: int) -> None:
        if step == number and process == int(os.environ["WORLD_SIZE"]) - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def kill_while_writing(number: int) -> Callable[[int, int], None]:
    """Kill the main process when half of the optimizer's file of a checkpoint is there."""
    whole = checkpoints.save_file

    def half(tensors: dict, path: Path) -> None:
        whole(tensors, path)
        if path.name == checkpoints.OPTIMIZER:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def at(step: int, process: int) -> None:
        if step == number:
            checkpoints.save_file = half

    return at


def undisturbed(step: int, process: int) -> None:
    """Nothing happens."""


LAUNCHES = {
    "undisturbed": ("a", undisturbed),
    "killed after step 1": ("b", kill_at_step(1)),
    "killed after a checkpoint": ("b", kill_at_step(3)),
    "killed while a checkpoint is written": ("b", kill_while_writing(4)),
    "finished": ("b", undisturbed),
    "once more": ("b", undisturbed),
}


def train_here(lake: LakeConfig, config: TrainerConfig, at_step: Callable[[int, int], None]) -> dict[str, object]:
    """Steps that this process took, and the weights and the temperature after them."""
    accelerator = make_accelerator(config)
    stream = HandStream(planted_examples(9, 0), config, 2, accelerator.process_index, accelerator.num_processes)
    encoder = base_encoder(config, "cpu")
    steps, temperature = [], None

    def taken() -> Iterator[Step]:
        nonlocal temperature
        temperature = yield from train(encoder, stream, config, accelerator, checkpoints_of_run(lake, config, "f" * 32, accelerator))

    for step in taken():
        steps.append((step.number, step.loss))
        at_step(step.number, accelerator.process_index)
    weights = gathered(all_tensors(encoder.model), keep=True)
    digest = hashlib.sha256(b"".join(each.numpy().tobytes() for each in weights.values())).hexdigest()
    return {"steps": steps, "weights": digest, "temperature": temperature, "left": sorted(path.name for path in Path(lake.path).rglob("*-processes/*"))}


def launch(folder: Path, processes: int, name: str, config: TrainerConfig) -> list[dict | None]:
    """What each process says; None of one that was killed. Where one dies, the others are killed, as torchrun does."""
    place, at_step = LAUNCHES[name]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = [folder / f"{processes}-{name}-{process}.json" for process in range(processes)]
    lake = LakeConfig(path=str(folder / f"{processes}-{place}"))
    children = [start(lake, config, at_step, process, processes, port, said[process]) for process in range(processes)]
    running = set(children)
    while running:
        child, status = os.wait()
        running.discard(child)
        if os.waitstatus_to_exitcode(status) != 0:
            for other in running:
                os.kill(other, signal.SIGKILL)
    return [json.loads(path.read_text()) if path.exists() else None for path in said]


def start(lake: LakeConfig, config: TrainerConfig, at_step: Callable[[int, int], None], process: int, processes: int, port: int, said: Path) -> int:
    """The id of a process that trains."""
    if child := os.fork():
        return child
    os.environ |= {"RANK": str(process), "LOCAL_RANK": str(process), "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    try:
        said.write_text(json.dumps(train_here(lake, config, at_step)))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    folder, config, counts = Path(sys.argv[1]), CONFIG, (1, 2)
    if "sharded" in sys.argv:
        os.environ |= SHARDED
        config, counts = CONFIG.model_copy(update={"base_model": str(bert_folder(folder / "bert"))}), (2,)
    results = {processes: {name: launch(folder, processes, name, config) for name in LAUNCHES} for processes in counts}
    print(json.dumps(results))
