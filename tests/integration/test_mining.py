"""Hard negatives of a step on a real model."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lake.encoder import Encoder
from tests.hand_streams import HandStream, batch_of_rows
from tests.planted_people import planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training import mining
from trainer.training.gradient_cache import add_gradients
from trainer.training.loop import Step, make_accelerator, train
from trainer.training.loss import loss_of_kinds
from trainer.training.masks import keys_of
from trainer.training.mining import Miner, MiningSettings
from trainer.training.pool import AnswerPool
from trainer.training.step import Share, share_of_step

CONFIG = TrainingConfig(max_tokens=64, tokens_per_forward=100, precision="full", answers_per_query=2, people_per_batch=4, learning_rate=1e-3, temperature=0.1)
CACHED, ONE_PASS = 0, 10_000
PEOPLE = 12
"""Of four topics in turn, so that of two steps one has answers that people of the other did, too."""


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return base_encoder(CONFIG, "cpu")


def mined_step(encoder: Encoder, tokens_in_one_pass: int = CACHED, count: int = 3, threshold: float = 0.95) -> tuple[float, Miner, dict[str, torch.Tensor]]:
    """The loss of a second step, what it mined of the first one's answers, and its gradients."""
    accelerator, rows = make_accelerator(CONFIG), planted_examples(PEOPLE, 0)
    pool = AnswerPool(100, encoder.dimension, accelerator)
    for people in (rows[4:], rows[:4]):
        batch = batch_of_rows(people, CONFIG)
        share = share_of_step(encoder, batch, CONFIG.tokens_per_forward, accelerator)
        miner = Miner(encoder, batch, share, pool, MiningSettings(count, threshold), CONFIG.tokens_per_forward)
        encoder.model.zero_grad()
        loss = add_gradients(encoder, share, tokens_in_one_pass, accelerator, 0.05, miner=miner)
    return loss, miner, {name: each.grad.clone() for name, each in encoder.model.named_parameters() if each.grad is not None}


@pytest.fixture(scope="module")
def mined(encoder: Encoder) -> tuple[float, Miner, dict[str, torch.Tensor]]:
    """As it is by default, made once."""
    return mined_step(encoder)


def vectors_of(encoder: Encoder, share: Share) -> torch.Tensor:
    """Of all texts of a step on one process, by rows."""
    return torch.from_numpy(encoder.encode_texts([share.own.texts[row] for row in range(len(share.own.texts))], "query"))


def test_a_mined_negative_is_nothing_that_the_person_ever_did_nor_too_near(encoder: Encoder, mined: tuple[float, Miner, dict[str, torch.Tensor]]) -> None:
    _, miner, _ = mined
    share, batch = miner.share, miner.batch
    found = np.arange(len(batch.answers), len(share.answers))
    assert len(found)
    assert not set(share.answers[found]) & set(batch.answers)
    assert not set(found) & set(share.relation.positive.answers)
    negative = share.relation.dense()[:, found] == 0
    did = np.array([np.isin(keys_of(share.answers[found]), done) for done in batch.done])
    assert did.any(), "somebody did what another's query found"
    assert not (negative & did).any()
    vectors = vectors_of(encoder, share)
    queries, answers = vectors.split(share.relation.shape)
    cosines, near = (queries @ answers.T).numpy(), 0
    for query, place in np.argwhere(negative):
        own = [column for row, column in zip(share.relation.positive.queries, share.relation.positive.answers, strict=True) if row == query]
        best = max((cosines[query, each] for each in own if share.kinds[each] == share.kinds[found[place]]), default=None)
        if best is not None:
            near += 1
            assert cosines[query, found[place]] < best - 0.05 * abs(best) + 1e-5
    assert near
    assert share.counts["mined_per_query"] > 0


def test_the_loss_is_that_of_the_step_with_the_mined_answers_in_it(encoder: Encoder, mined: tuple[float, Miner, dict[str, torch.Tensor]]) -> None:
    loss, miner, _ = mined
    share = miner.share
    queries, answers = vectors_of(encoder, share).split(share.relation.shape)
    assert loss == pytest.approx(float(loss_of_kinds(queries, answers, share.relation, share.kinds, 0.05)), rel=1e-5)
    without = share_of_step(encoder, miner.batch, CONFIG.tokens_per_forward, make_accelerator(CONFIG))
    assert loss > add_gradients(encoder, without, CACHED, make_accelerator(CONFIG), 0.05) + 1e-3, "hard negatives make it harder"


def test_with_graphs_kept_the_gradient_is_the_cached_one(encoder: Encoder, mined: tuple[float, Miner, dict[str, torch.Tensor]]) -> None:
    cached_loss, _, cached = mined
    loss, _, kept = mined_step(encoder, ONE_PASS)
    assert cached_loss == loss
    assert max(float(each.abs().max()) for each in cached.values()) > 1e-3
    assert all(torch.equal(cached[name], kept[name]) for name in cached)


def test_a_low_threshold_lets_less_in_and_says_how_much_lay_too_near(encoder: Encoder, mined: tuple[float, Miner, dict[str, torch.Tensor]]) -> None:
    usual, (_, miner, _) = mined[1].share.counts, mined_step(encoder, threshold=0.01)
    assert miner.share.counts["mined_too_near_share"] > usual["mined_too_near_share"] > 0
    assert miner.share.counts["mined_per_query"] < usual["mined_per_query"]


def steps_of(config: TrainingConfig) -> list[Step]:
    return list(train(base_encoder(config, "cpu"), HandStream(planted_examples(PEOPLE, 0), config, 2), config, make_accelerator(config)))


def test_training_mines_from_the_second_step_on_and_counts_it() -> None:
    plain, mining_on = steps_of(CONFIG), steps_of(CONFIG.model_copy(update={"mined_negatives": 2}))
    assert plain[0].loss == mining_on[0].loss
    assert mining_on[0].counts["mined_per_query"] == 0
    assert all(step.counts["mined_per_query"] > 0 for step in mining_on[1:])
    assert all(step.counts["negatives_unowned"] > 0 for step in mining_on[1:])
    assert "mined_per_query" not in plain[0].counts


def test_the_pool_is_made_anew_by_the_encoder_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed: list[tuple[int, float]] = []
    refresh: Callable[[AnswerPool, Encoder, int], None] = AnswerPool.refresh

    def noted(self: AnswerPool, encoder: Encoder, tokens_per_forward: int) -> None:
        before = self.vectors.clone()
        refresh(self, encoder, tokens_per_forward)
        kinds = {0: "specific", 1: "broad"}
        by_encoder = [encoder.encode_texts([self.words[number]], kinds[number % 4])[0] for number in self.numbers.tolist()]  # type: ignore[arg-type]
        assert np.allclose(self.vectors.numpy(), by_encoder, atol=1e-5)
        refreshed.append((len(self.numbers), float((self.vectors - before).abs().max())))

    monkeypatch.setattr(AnswerPool, "refresh", noted)
    steps_of(CONFIG.model_copy(update={"mined_negatives": 1, "mining_steps": 2}))
    assert len(refreshed) == 2, "before steps 3 and 5"
    assert all(change > 1e-3 for _, change in refreshed)


def test_who_did_it_never_looks_for_it(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[bool] = []
    nearest = mining.nearest_below
    monkeypatch.setattr(
        mining,
        "nearest_below",
        lambda scores, limits, is_known, kinds, count: known.append(bool(is_known.any())) or nearest(scores, limits, is_known, kinds, count),
    )
    _, miner, _ = mined_step(encoder, count=100, threshold=1)
    assert known == [True]
    assert len(miner.share.answers) > len(miner.batch.answers)
