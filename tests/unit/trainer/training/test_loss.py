"""The loss against a slow and obvious version of the formula, in float64."""

import math

import pytest
import torch

from trainer.training.loss import TEMPERATURES, best_temperature, contrastive_loss, loss_of_levels
from trainer.training.masks import MASKED, NEGATIVE, POSITIVE


def unit_vectors(*shape: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1)


def slow_loss(queries: torch.Tensor, answers: torch.Tensor, relation: list[list[int]], temperature: float) -> float:
    losses = []
    for query, kinds in zip(queries.tolist(), relation, strict=True):
        scores = [math.exp(sum(a * b for a, b in zip(query, answer, strict=True)) / temperature) for answer in answers.tolist()]
        below = sum(score for score, kind in zip(scores, kinds, strict=True) if kind != MASKED)
        own = [-math.log(score / below) for score, kind in zip(scores, kinds, strict=True) if kind == POSITIVE]
        if own:
            losses.append(sum(own) / len(own))
    return sum(losses) / len(losses)


RELATION = [
    [POSITIVE, NEGATIVE, MASKED, NEGATIVE, POSITIVE],
    [NEGATIVE, POSITIVE, NEGATIVE, NEGATIVE, MASKED],
    [MASKED, MASKED, NEGATIVE, NEGATIVE, NEGATIVE],
    [POSITIVE, POSITIVE, POSITIVE, POSITIVE, POSITIVE],
]


def test_loss_equals_the_slow_formula() -> None:
    queries, answers = unit_vectors(4, 6, seed=1), unit_vectors(5, 6, seed=2)
    found = contrastive_loss(queries, answers, torch.tensor(RELATION), 0.05)
    assert float(found) == pytest.approx(slow_loss(queries, answers, RELATION, 0.05), rel=1e-10)


def test_float32_is_near_the_slow_formula() -> None:
    queries, answers = unit_vectors(4, 6, seed=3), unit_vectors(5, 6, seed=4)
    found = contrastive_loss(queries.float(), answers.float(), torch.tensor(RELATION), 0.05)
    assert float(found) == pytest.approx(slow_loss(queries, answers, RELATION, 0.05), rel=1e-4)


def test_gradients_are_those_of_finite_differences() -> None:
    queries, answers = unit_vectors(4, 3, seed=5).requires_grad_(), unit_vectors(5, 3, seed=6).requires_grad_()
    assert torch.autograd.gradcheck(lambda q, a: contrastive_loss(q, a, torch.tensor(RELATION), 0.5), (queries, answers))


def test_masked_answers_and_queries_without_positives_get_no_gradient() -> None:
    queries, answers = unit_vectors(2, 3, seed=7).requires_grad_(), unit_vectors(3, 3, seed=8).requires_grad_()
    contrastive_loss(queries, answers, torch.tensor([[POSITIVE, NEGATIVE, MASKED], [NEGATIVE, MASKED, NEGATIVE]]), 0.1).backward()
    assert queries.grad is not None
    assert answers.grad is not None
    assert queries.grad[0].abs().sum() > 0
    assert queries.grad[1].abs().sum() == 0
    assert answers.grad[2].abs().sum() == 0


@pytest.mark.parametrize("kind", [MASKED, NEGATIVE])
def test_a_batch_without_positives_has_loss_zero_and_a_zero_gradient(kind: int) -> None:
    queries, answers = unit_vectors(2, 3, seed=9).requires_grad_(), unit_vectors(3, 3, seed=10).requires_grad_()
    loss = contrastive_loss(queries, answers, torch.full((2, 3), kind), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert queries.grad is not None
    assert queries.grad.abs().sum() == 0


def test_levels_are_contrasted_apart_and_weigh_the_same() -> None:
    queries, answers, levels = unit_vectors(4, 6, seed=15), unit_vectors(5, 6, seed=16), torch.tensor([0, 1, 0, 1, 1])
    parts = [[[row[column] for column in range(5) if levels[column] == level] for row in RELATION] for level in (0, 1)]
    by_hand = [slow_loss(queries, answers[levels == level], part, 0.05) for level, part in enumerate(parts)]
    assert float(loss_of_levels(queries, answers, torch.tensor(RELATION), levels, 0.05)) == pytest.approx(sum(by_hand) / 2, rel=1e-10)


def test_an_answer_of_the_other_level_never_counts_and_a_level_without_positives_neither() -> None:
    queries, answers = unit_vectors(2, 3, seed=17), unit_vectors(3, 3, seed=18).requires_grad_()
    relation = torch.tensor([[POSITIVE, NEGATIVE, NEGATIVE], [NEGATIVE, POSITIVE, NEGATIVE]])
    loss = loss_of_levels(queries, answers, relation, torch.tensor([0, 0, 1]), 0.1)
    assert loss.item() == pytest.approx(contrastive_loss(queries, answers[:2], relation[:, :2], 0.1).item())
    loss.backward()
    assert answers.grad is not None
    assert answers.grad[2].abs().sum() == 0


def test_one_positive_alone_in_its_row_costs_nothing() -> None:
    vectors = unit_vectors(1, 3, seed=11)
    assert contrastive_loss(vectors, vectors, torch.tensor([[POSITIVE]]), 0.05).item() == pytest.approx(0)


ONE_LEVEL = torch.zeros(8)


def noisy_pairs(noise: float) -> tuple[torch.Tensor, torch.Tensor, list[list[int]]]:
    """Eight queries, each with one answer that lies about it, the further the more noise."""
    queries = unit_vectors(8, 16, seed=12)
    answers = torch.nn.functional.normalize(queries + noise * unit_vectors(8, 16, seed=13), dim=-1)
    return queries, answers, [[POSITIVE if row == column else NEGATIVE for column in range(8)] for row in range(8)]


def test_best_temperature_is_the_one_of_the_lowest_slow_loss() -> None:
    queries, answers, relation = noisy_pairs(4.0)
    losses = {temperature: slow_loss(queries, answers, relation, temperature) for temperature in TEMPERATURES}
    found = best_temperature(queries, answers, torch.tensor(relation), ONE_LEVEL)
    assert found == min(losses, key=lambda temperature: losses[temperature])
    assert min(TEMPERATURES) < found < max(TEMPERATURES)


def test_scores_that_say_little_get_a_softer_temperature() -> None:
    found = [best_temperature(queries, answers, torch.tensor(relation), ONE_LEVEL) for queries, answers, relation in map(noisy_pairs, (0.5, 2.0, 8.0))]
    assert found == sorted(set(found))


def test_without_a_positive_the_temperature_is_the_softest() -> None:
    vectors = unit_vectors(2, 3, seed=14)
    assert best_temperature(vectors, vectors, torch.full((2, 2), MASKED), torch.zeros(2)) == max(TEMPERATURES)
