"""Two processes (gloo) take the step that one would take; the cached gradient is the plain one."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lake.examples import EXAMPLES
from lake.labels import ITEMS
from lake.schema import rows_table
from tests.integration.train_two_processes import loss_and_gradients
from tests.planted_people import all_items, planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.batches import make_batch, training_set
from trainer.training.loop import add_gradients, fitting_temperature, make_accelerator, train
from trainer.training.loss import LossSettings, best_temperature, loss_of_kinds
from trainer.training.masks import kinds_of, relation

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("train_two_processes.py")


def on_two_processes(path: Path) -> dict[str, np.ndarray]:
    """On CPUs it is torchrun that starts several processes: accelerate launch does so on GPUs alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_addr", "127.0.0.1", "--master_port", port]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *launch, str(SCRIPT), str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(path))


def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path: Path) -> None:
    one, two = loss_and_gradients(), on_two_processes(tmp_path / "two.npz")
    assert (int(one.pop("processes")), int(two.pop("processes"))) == (1, 2)
    assert float(one.pop("loss")) == pytest.approx(float(two.pop("loss")), rel=1e-5)
    assert one.keys() == two.keys()
    assert max(np.abs(gradient).max() for gradient in one.values()) > 1e-3
    for name in one:
        assert np.abs(one[name] - two[name]).max() < 1e-5, name


def test_the_cached_gradient_is_that_of_one_pass_over_all_texts() -> None:
    config = TrainingConfig(max_tokens=64, tokens_per_forward=100, margin=-0.05, near_duplicate=0.1, matryoshka=[96])
    training = training_set(rows_table(EXAMPLES, planted_examples(4, 0)), rows_table(ITEMS, all_items()), "past", 1)
    batch = make_batch(training, np.arange(4), 2, np.random.default_rng(1))
    encoder = base_encoder(config, "cpu")
    model = encoder.model.eval()
    cached_loss = add_gradients(encoder, batch, config, make_accelerator(config), 0.05)
    cached = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad()
    texts = [encoder.history_text(history)[0] for history in batch.histories] + batch.texts
    vectors = torch.nn.functional.normalize(model(model.preprocess(texts))["sentence_embedding"], dim=1)
    step = vectors[:4], vectors[4:], relation(batch.positives, batch.done, batch.answers), kinds_of(batch.answers)
    settings = LossSettings(margin=-0.05, near_duplicate=0.1, sizes=(96,))
    loss = loss_of_kinds(*step, 0.05, settings)
    loss.backward()
    assert cached_loss == pytest.approx(loss.item(), rel=1e-5)
    for without in ({"margin": None}, {"near_duplicate": None}, {"sizes": ()}):
        assert cached_loss != pytest.approx(loss_of_kinds(*step, 0.05, replace(settings, **without)).item(), rel=0.001), without
    temperature = fitting_temperature(encoder, batch, config, make_accelerator(config))
    assert temperature == best_temperature(*step, settings) != best_temperature(*step)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(parameter.grad, cached[name], atol=1e-5), name


def test_chances_of_negatives_count_from_the_second_step_on() -> None:
    rows = rows_table(EXAMPLES, planted_examples(4, 0))
    losses = {}
    for log_frequency in (False, True):
        config = TrainingConfig(max_tokens=64, people_per_batch=2, epochs=1, temperature=0.1, log_frequency=log_frequency)
        training = training_set(rows, rows_table(ITEMS, all_items()), "past", 1)
        losses[log_frequency] = [step.loss for step in train(base_encoder(config, "cpu"), training, config, make_accelerator(config))]
    assert losses[False][0] == pytest.approx(losses[True][0])
    assert losses[True][1] > losses[False][1] + 0.1


def test_a_step_is_trained_and_a_history_embedded_at_8192_tokens() -> None:
    config = TrainingConfig(max_tokens=8192, people_per_batch=2, answers_per_query=2, epochs=1)
    rows = planted_examples(2, 0)
    long_history = [rows[0]["history"][0] | {"unit_id": f"long-{number}", "text": "tomato bed " * 40} for number in range(120)]
    rows[0] |= {"history": long_history, "cuts": [rows[0]["cuts"][0] | {"history_length": len(long_history)}]}
    training = training_set(rows_table(EXAMPLES, rows), rows_table(ITEMS, all_items()), "past", 1)
    encoder = base_encoder(config, "cpu")
    text, units = encoder.history_text(long_history)
    assert encoder.token_count(text) > 8000
    assert units < len(long_history)
    beyond = encoder.model[0].auto_model.embeddings.position_embeddings.weight[8000].clone()
    (step,) = train(encoder, training, config, make_accelerator(config))
    assert np.isfinite(step.loss)
    assert step.gradient_norm > 0
    assert not torch.equal(beyond, encoder.model[0].auto_model.embeddings.position_embeddings.weight[8000])
    assert np.linalg.norm(encoder.encode_histories([long_history])[0]) == pytest.approx(1, abs=1e-5)
