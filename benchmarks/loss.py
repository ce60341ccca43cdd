"""What the loss and its gradients cost, in strips and by the dense formula.

    python -m benchmarks.loss

Random unit vectors of 384 numbers in float32, 4 positives and 20 masked answers a query, one thread, each row in a process of its own. CPU seconds are those of
the quickest of some runs, one for large steps. Memory is by how much the peak of the process grows over what is there before (the vectors, the relation), without the gradient
of the vectors that the caller gets.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainer.training.loss import LossSettings, loss_of_kinds
from trainer.training.masks import MASKED, POSITIVE, Numbers, Pairs, Relation
from trainer.training.negatives import negatives_by_nearness

SIZE = 384
POSITIVES, MASKED_EACH = 4, 20
TEMPERATURE = 0.05
STEPS = {"24 x 96": (24, 96, 2), "256 x 1,000": (256, 1_000, 2), "8,192 x 8,192": (8_192, 8_192, 1), "65,536 x 65,536": (65_536, 65_536, 1)}
"""Queries, answers, kinds."""
DENSE_UP_TO = 10_000
"""Queries: more do not fit."""
SECONDS_OF_RUNS = 3.0

Loss = Callable[[Tensor, Tensor, Relation, Numbers], Tensor]


def dense(queries: Tensor, answers: Tensor, relation: Relation, kinds: Numbers) -> Tensor:
    """The formula in arrays of all queries by all answers, with PyTorch's own gradients."""
    related = torch.from_numpy(relation.dense())
    of_kinds = [torch.from_numpy(kinds == kind) for kind in np.unique(kinds)]
    return torch.stack([_dense_of_one(queries, answers[chosen], related[:, chosen]) for chosen in of_kinds]).mean()


def _dense_of_one(queries: Tensor, answers: Tensor, relation: Tensor) -> Tensor:
    positive = relation == POSITIVE
    scores = (queries @ answers.T / TEMPERATURE).masked_fill_(relation == MASKED, -torch.inf)
    counted = positive.any(dim=1)
    scores, positive = scores[counted], positive[counted]
    log_chances = scores - scores.logsumexp(dim=1, keepdim=True)
    return (-log_chances.masked_fill(~positive, 0.0).sum(dim=1) / positive.sum(dim=1)).mean()


def strips(margin: float | None = None, near_duplicate: float | None = None) -> Loss:
    """`loss_of_kinds` with some settings."""
    return partial(loss_of_kinds, temperature=TEMPERATURE, settings=LossSettings(margin, near_duplicate))


WAYS: dict[str, Loss] = {"dense": dense, "strips": strips(), "strips, margin 0.1": strips(margin=0.1), "strips, near_duplicate 0.9": strips(near_duplicate=0.9)}


def main() -> None:
    """Print what each way costs at each size, or, given one of both, a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", nargs="*", metavar="STEP WAY")
    one = parser.parse_args().one
    if one:
        print(json.dumps(_cost(STEPS[one[0]], WAYS[one[1]])))
        return
    for step in STEPS:
        seconds: dict[str, float] = {}
        for way in WAYS:
            if way != "dense" or STEPS[step][0] <= DENSE_UP_TO:
                found = subprocess.run([sys.executable, "-m", "benchmarks.loss", step, way], check=True, capture_output=True, text=True)
                seconds[way], peak_bytes, loss = json.loads(found.stdout)
                ratio = f"{seconds[way] / seconds['dense']:>6.2f}" if "dense" in seconds else "     -"
                print(f"{step:<18}{way:<28}{seconds[way]:>12.5f} CPU s{ratio} of dense{peak_bytes / 1e6:>9,.0f} MB  loss {loss:.5f}", flush=True)
    vectors, relation, kinds = _random_step(*STEPS["65,536 x 65,536"])
    generator = np.random.default_rng(2)
    before = time.process_time()
    negatives_by_nearness(relation, kinds, generator.integers(0, 1_000, len(vectors) // 2), generator.integers(0, 10**14, len(vectors) // 2), days=45)
    print(f"negatives_by_nearness, 65,536 queries: {time.process_time() - before:.2f} CPU s")


def _random_step(queries: int, answers: int, kinds: int) -> tuple[Tensor, Relation, Numbers]:
    """Vectors of queries, then answers; their relation; the answers' kinds."""
    generator = np.random.default_rng(1)

    def cells(each: int) -> Numbers:
        return np.unique(np.repeat(np.arange(queries), each) * answers + generator.integers(0, answers, queries * each))

    positive = cells(POSITIVES)
    masked = np.setdiff1d(cells(MASKED_EACH), positive)
    relation = Relation((queries, answers), *(Pairs(each // answers, each % answers) for each in (positive, masked)))
    vectors = torch.randn(queries + answers, SIZE, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.normalize(vectors, dim=1), relation, generator.integers(0, kinds, answers)


def _cost(size: tuple[int, int, int], loss: Loss) -> tuple[float, int, float]:
    """CPU seconds, bytes and the loss itself."""
    torch.set_num_threads(1)
    _run(_random_step(64, 64, 1), 64, loss)
    step = _random_step(*size)
    before = _bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    seconds: list[float] = []
    while not seconds or sum(seconds) < SECONDS_OF_RUNS:
        began = time.process_time()
        found = _run(step, size[0], loss)
        seconds.append(time.process_time() - began)
    return min(seconds), _bytes("VmHWM") - before - step[0].nbytes, found


def _run(step: tuple[Tensor, Relation, Numbers], queries: int, loss: Loss) -> float:
    """The loss, once its gradient was made."""
    vectors = step[0].detach().requires_grad_()
    found = loss(vectors[:queries], vectors[queries:], *step[1:])
    torch.autograd.grad(found, vectors)
    return float(found.detach())


def _bytes(name: str) -> int:
    """What the kernel says of this process."""
    return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
