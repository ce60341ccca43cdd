"""The cached gradient on a real model: it is the plain one, with dropout too."""

import pytest
import torch

from lake.encoder import Encoder
from tests.hand_streams import batch_of_rows
from tests.planted_people import planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training import gradient_cache
from trainer.training.batches import TrainingBatch
from trainer.training.gradient_cache import add_gradients
from trainer.training.loop import make_accelerator
from trainer.training.loss import loss_of_kinds
from trainer.training.masks import kinds_of, relation
from trainer.training.step import share_of_step

CONFIG = TrainingConfig(max_tokens=64, tokens_per_forward=100, precision="full")
CACHED, ONE_PASS = 0, 10_000


@pytest.fixture(scope="module")
def batch() -> TrainingBatch:
    return batch_of_rows(planted_examples(4, 0), TrainingConfig(answers_per_query=2))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return base_encoder(CONFIG, "cpu")


def found(encoder: Encoder, batch: TrainingBatch, tokens_in_one_pass: int, dropout: bool, seed: int = 5) -> tuple[float, dict[str, torch.Tensor], torch.Tensor]:
    """Loss, gradients, and the random states after it."""
    accelerator = make_accelerator(CONFIG)
    share = share_of_step(encoder, batch, CONFIG.tokens_per_forward, accelerator)
    assert len(share.own.rows) >= 3
    encoder.model.zero_grad()
    torch.manual_seed(seed)
    loss = add_gradients(encoder, share, tokens_in_one_pass, accelerator, 0.05, dropout)
    return loss, {name: each.grad.clone() for name, each in encoder.model.named_parameters() if each.grad is not None}, torch.get_rng_state()


def test_the_cached_gradient_is_that_of_one_pass_over_all_texts(encoder: Encoder, batch: TrainingBatch) -> None:
    cached_loss, cached, _ = found(encoder, batch, CACHED, dropout=False)
    model = encoder.model
    model.zero_grad()
    texts = [encoder.history_text(history)[0] for history in batch.histories] + batch.texts
    vectors = torch.nn.functional.normalize(model(model.preprocess(texts))["sentence_embedding"], dim=1)
    loss = loss_of_kinds(vectors[:4], vectors[4:], relation(batch.positives, batch.done, batch.answers), kinds_of(batch.answers), 0.05)
    loss.backward()
    assert cached_loss == pytest.approx(loss.item(), rel=1e-5)
    assert max(float(each.abs().max()) for each in cached.values()) > 1e-3
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(parameter.grad, cached[name], atol=1e-5), name


@pytest.mark.parametrize("dropout", [False, True])
def test_with_graphs_kept_the_gradient_is_the_cached_one_to_the_bit(encoder: Encoder, batch: TrainingBatch, dropout: bool) -> None:
    cached_loss, cached, after_cached = found(encoder, batch, CACHED, dropout)
    loss, kept, after = found(encoder, batch, ONE_PASS, dropout)
    assert cached_loss == loss
    assert all(torch.equal(cached[name], kept[name]) for name in cached)
    assert torch.equal(after_cached, after), "the second pass draws nothing that the next step would have drawn"
    other_loss, _, _ = found(encoder, batch, CACHED, dropout, seed=6)
    assert (other_loss != loss) == dropout


def test_few_texts_go_through_the_model_once_and_many_twice(encoder: Encoder, batch: TrainingBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    embed = gradient_cache.embed
    monkeypatch.setattr(gradient_cache, "embed", lambda model, texts, accelerator: calls.append(len(texts)) or embed(model, texts, accelerator))
    share = share_of_step(encoder, batch, CONFIG.tokens_per_forward, make_accelerator(CONFIG))
    for tokens, passes in ((share.own.computed_tokens - 1, 2), (share.own.computed_tokens, 1)):
        calls.clear()
        add_gradients(encoder, share, tokens, make_accelerator(CONFIG), 0.05, False)
        assert sum(calls) == passes * (len(batch.histories) + len(batch.answers))
