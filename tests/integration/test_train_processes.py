"""Two processes (gloo) that hold uneven parts of a step take the step that one would take of all of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.hand_streams import HandStream
from tests.integration.train_two_processes import CASES, MINED, PEOPLE, loss_and_gradients
from tests.planted_people import planted_examples
from tests.torchrun import on_processes
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.loop import make_accelerator, train

SCRIPT = Path(__file__).with_name("train_two_processes.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes found in each case."""
    path = tmp_path_factory.mktemp("found")
    done = on_processes(2, str(SCRIPT), str(path))
    assert done.returncode == 0, done.stderr[-3000:]
    return path


@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_loss_and_the_gradients_of_one(case: str, folder: Path) -> None:
    one, two = loss_and_gradients(case), dict(np.load(folder / f"{case}.npz"))
    assert (int(one.pop("processes")), int(two.pop("processes"))) == (1, 2)
    assert int(one["queries"]) == PEOPLE
    assert [one[name] for name in ("queries", "answers", "tokens")] == [two[name] for name in ("queries", "answers", "tokens")], "each text is encoded once"
    mined = int(one.pop("mined"))
    assert mined == int(two.pop("mined"))
    assert (mined > 0) == (case == MINED)
    assert float(one.pop("loss")) == pytest.approx(float(two.pop("loss")), rel=1e-5)
    assert one.keys() == two.keys()
    assert max(np.abs(gradient).max() for gradient in one.values()) > 1e-3
    for name in one:
        assert np.abs(one[name] - two[name]).max() < 1e-5, name


def test_a_step_is_trained_and_a_history_embedded_at_8192_tokens() -> None:
    config = TrainingConfig(max_tokens=8192, people_per_batch=2, answers_per_query=2)
    rows = planted_examples(2, 0)
    long_history = [rows[0]["history"][0] | {"unit_id": f"long-{number}", "text": "tomato bed " * 40} for number in range(120)]
    rows[0] |= {"history": long_history, "cuts": [rows[0]["cuts"][0] | {"history_length": len(long_history)}]}
    encoder = base_encoder(config, "cpu")
    text, units = encoder.history_text(long_history)
    assert encoder.token_count(text) > 8000
    assert units < len(long_history)
    beyond = encoder.model[0].auto_model.embeddings.position_embeddings.weight[8000].clone()
    (step,) = train(encoder, HandStream(rows, config), config, make_accelerator(config))
    assert np.isfinite(step.loss)
    assert step.gradient_norm > 0
    assert not torch.equal(beyond, encoder.model[0].auto_model.embeddings.position_embeddings.weight[8000])
    assert np.linalg.norm(encoder.encode_histories([long_history])[0]) == pytest.approx(1, abs=1e-5)
