"""The loss and its gradients against a slow and obvious version of the formula, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from conf.errors import ConfigError
from trainer.training import loss as loss_module
from trainer.training.loss import PLAIN, TEMPERATURES, LossSettings, best_temperature, loss_of_kinds
from trainer.training.masks import MASKED, NEGATIVE, POSITIVE, Numbers, Pairs, Relation

SPECIFIC, BROAD = 0, 1


def unit_vectors(*shape: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1)


def sparse(dense: Any) -> Relation:
    dense = np.array(dense)
    return Relation(dense.shape, Pairs(*np.nonzero(dense == POSITIVE)), Pairs(*np.nonzero(dense == MASKED)))


def one_kind(relation: Relation) -> Numbers:
    return np.zeros(relation.shape[1], np.int64)


def slow_loss(
    queries: torch.Tensor, answers: torch.Tensor, relation: Relation, kinds: Numbers, temperature: float, settings: LossSettings = PLAIN,
    weights: np.ndarray | None = None, log_chances: np.ndarray | None = None,
) -> torch.Tensor:  # fmt: skip
    """One query and one answer at a time."""
    dense, cosines = relation.dense(), queries @ answers.T
    times = np.log([max(1, sum(dense[:, answer] == POSITIVE)) for answer in range(relation.shape[1])])
    grades = np.zeros(relation.shape)
    grades[relation.positive.queries, relation.positive.answers] = 1 if weights is None else weights
    of_kinds = []
    for kind in sorted(set(kinds.tolist())):
        losses = []
        for query in range(relation.shape[0]):
            same_kind = [answer for answer in range(relation.shape[1]) if kinds[answer] == kind]
            own = [answer for answer in same_kind if dense[query, answer] == POSITIVE]
            if not own:
                continue
            below = []
            for answer in same_kind:
                score = cosines[query, answer] / temperature
                if dense[query, answer] == NEGATIVE:
                    if settings.margin is not None and cosines[query, answer] > max(cosines[query, each] for each in own) + settings.margin:
                        continue
                    if settings.near_duplicate is not None and any(answers[answer] @ answers[each] >= settings.near_duplicate for each in own):
                        continue
                    score = score if log_chances is None else score - log_chances[answer]
                score = score + times[answer] if settings.repeats else score
                if dense[query, answer] != MASKED:
                    below.append(score.exp())
            chances = [(cosines[query, each] / temperature + (times[each] if settings.repeats else 0)).exp() / sum(below) for each in own]
            graded = sum(grades[query, each] * -chance.log() for each, chance in zip(own, chances, strict=True))
            losses.append(graded / sum(grades[query, each] for each in own))
        if losses:
            of_kinds.append(sum(losses) / len(losses))
    return sum(of_kinds) / len(of_kinds)  # type: ignore[return-value]


RELATION = sparse(
    [
        [POSITIVE, NEGATIVE, MASKED, NEGATIVE, POSITIVE],
        [NEGATIVE, POSITIVE, NEGATIVE, NEGATIVE, MASKED],
        [MASKED, MASKED, NEGATIVE, NEGATIVE, NEGATIVE],
        [POSITIVE, POSITIVE, POSITIVE, POSITIVE, POSITIVE],
    ]
)
BY_VECTORS = {
    "plain": PLAIN,
    "margin": LossSettings(margin=0.1),
    "tight": LossSettings(margin=-0.2),
    "near": LossSettings(near_duplicate=0.5),
    "repeats": LossSettings(margin=0.1, repeats=True),
}


def random_step(seed: int, queries: int = 7, answers: int = 19, size: int = 6) -> dict[str, Any]:
    """Vectors in float64, with a relation of everything that may be there: queries without a positive, many or no masked pairs, two kinds."""
    generator = np.random.default_rng(seed)
    relation = sparse(generator.choice([POSITIVE, NEGATIVE, MASKED], (queries, answers), p=[0.15, 0.6, 0.25]))
    return {
        "queries": unit_vectors(queries, size, seed=seed).requires_grad_(),
        "answers": unit_vectors(answers, size, seed=seed + 1000).requires_grad_(),
        "relation": relation,
        "kinds": generator.choice([SPECIFIC, BROAD], answers, p=[0.7, 0.3]),
        "temperature": 0.07,
        "weights": generator.uniform(0.2, 3, len(relation.positive.queries)),
        "log_chances": np.log(generator.uniform(0.01, 1, answers)),
    }


def with_gradients(loss: torch.Tensor, step: dict[str, Any]) -> list[torch.Tensor]:
    return [loss.detach(), *torch.autograd.grad(loss, (step["queries"], step["answers"]))]


@pytest.mark.parametrize("settings", BY_VECTORS.values(), ids=BY_VECTORS)
@pytest.mark.parametrize("strip_scores", [1, 40, 2**24])
@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_loss_and_gradients_equal_the_slow_formula(monkeypatch: pytest.MonkeyPatch, settings: LossSettings, strip_scores: int, graded: bool, seed: int) -> None:
    """Strips of one query, of a few with a shorter one at the end, and of all."""
    monkeypatch.setattr(loss_module, "STRIP_SCORES", strip_scores)
    step = random_step(seed) if graded else random_step(seed) | {"weights": None, "log_chances": None}
    found, expected = (with_gradients(formula(**step, settings=settings), step) for formula in (loss_of_kinds, slow_loss))
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-10)
    plain = slow_loss(**step | {"weights": None, "log_chances": None})
    assert (float(plain.detach()) == pytest.approx(float(found[0]))) == (settings == PLAIN and not graded)


def test_gradients_are_those_of_finite_differences() -> None:
    queries, answers = unit_vectors(4, 3, seed=5).requires_grad_(), unit_vectors(5, 3, seed=6).requires_grad_()
    assert torch.autograd.gradcheck(lambda q, a: loss_of_kinds(q, a, RELATION, one_kind(RELATION), 0.5), (queries, answers))


def test_a_gradient_is_scaled_by_what_is_made_of_the_loss() -> None:
    step = random_step(3)
    plain, tripled = (with_gradients(factor * loss_of_kinds(**step), step) for factor in (1, 3))
    assert all(torch.allclose(3 * one, other) for one, other in zip(plain, tripled, strict=True))


@pytest.mark.parametrize("settings", BY_VECTORS.values(), ids=BY_VECTORS)
def test_float32_is_near_float64_at_a_sharp_temperature(settings: LossSettings) -> None:
    step = random_step(4, queries=60, answers=2000, size=64) | {"temperature": 0.02}
    exact = with_gradients(loss_of_kinds(**step, settings=settings), step)
    single = step | {name: step[name].detach().float().requires_grad_() for name in ("queries", "answers")}
    found = with_gradients(loss_of_kinds(**single, settings=settings), single)
    assert float(found[0]) == pytest.approx(float(exact[0]), rel=1e-5)
    for one, other in zip(found[1:], exact[1:], strict=True):
        assert one.dtype == torch.float32
        assert (one - other).abs().max() < 1e-4 * other.abs().max()


class LargestOutput(TorchDispatchMode):
    """How many numbers the largest tensor has that any operation gives."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for each in found if isinstance(found, (tuple, list)) else [found]:
            self.numbers = max(self.numbers, each.numel() if isinstance(each, torch.Tensor) else 0)
        return found


@pytest.mark.parametrize("settings", BY_VECTORS.values(), ids=BY_VECTORS)
def test_no_array_of_all_queries_by_all_answers_is_ever_made(monkeypatch: pytest.MonkeyPatch, settings: LossSettings) -> None:
    monkeypatch.setattr(loss_module, "STRIP_SCORES", 8000)
    step = random_step(5, queries=300, answers=400)
    monkeypatch.delattr(Relation, "dense")
    pairs = max(len(step["relation"].positive.queries), len(step["relation"].masked.queries))
    with LargestOutput() as largest:
        with_gradients(loss_of_kinds(**step, settings=settings), step)
    assert 4000 < largest.numbers <= 8000
    assert max(8000, pairs) < 300 * 400 / 3


def test_masked_answers_and_queries_without_positives_get_no_gradient() -> None:
    queries, answers = unit_vectors(2, 3, seed=7).requires_grad_(), unit_vectors(3, 3, seed=8).requires_grad_()
    relation = sparse([[POSITIVE, NEGATIVE, MASKED], [NEGATIVE, MASKED, NEGATIVE]])
    loss_of_kinds(queries, answers, relation, one_kind(relation), 0.1).backward()
    assert queries.grad is not None
    assert answers.grad is not None
    assert queries.grad[0].abs().sum() > 0
    assert queries.grad[1].abs().sum() == 0
    assert answers.grad[2].abs().sum() == 0


@pytest.mark.parametrize("of_all", [MASKED, NEGATIVE])
def test_a_batch_without_positives_has_loss_zero_and_a_zero_gradient(of_all: int) -> None:
    queries, answers = unit_vectors(2, 3, seed=9).requires_grad_(), unit_vectors(3, 3, seed=10).requires_grad_()
    relation = sparse(np.full((2, 3), of_all))
    loss = loss_of_kinds(queries, answers, relation, one_kind(relation), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert queries.grad is not None
    assert queries.grad.abs().sum() == 0


def test_an_answer_of_the_other_kind_never_counts_and_a_kind_without_positives_neither() -> None:
    queries, answers = unit_vectors(2, 3, seed=17), unit_vectors(3, 3, seed=18).requires_grad_()
    relation = sparse([[POSITIVE, NEGATIVE, NEGATIVE], [NEGATIVE, POSITIVE, NEGATIVE]])
    loss = loss_of_kinds(queries, answers, relation, np.array([SPECIFIC, SPECIFIC, BROAD]), 0.1)
    first_two = sparse(relation.dense()[:, :2])
    assert loss.item() == pytest.approx(slow_loss(queries, answers[:2], first_two, one_kind(first_two), 0.1).item())
    loss.backward()
    assert answers.grad is not None
    assert answers.grad[2].abs().sum() == 0


def test_one_positive_alone_in_its_row_costs_nothing() -> None:
    vectors, relation = unit_vectors(1, 3, seed=11), sparse([[POSITIVE]])
    assert loss_of_kinds(vectors, vectors, relation, one_kind(relation), 0.05).item() == pytest.approx(0)


def directions(*degrees: float) -> torch.Tensor:
    """Unit vectors of a plane."""
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_an_answer_better_than_the_best_positive_by_the_margin_is_no_negative() -> None:
    """Cosines 1 and 0.5 of negatives, 0.87 and 0 of positives: only the first is over 0.87 + 0.1, and none over 0.87 + 0.2."""
    relation = sparse([[NEGATIVE, NEGATIVE, POSITIVE, POSITIVE]])
    step = directions(0), directions(0, 60, 30, 90), relation, one_kind(relation), 1.0
    masked = (*step[:2], sparse([[MASKED, NEGATIVE, POSITIVE, POSITIVE]]), *step[3:])
    assert loss_of_kinds(*step, LossSettings(margin=0.1)) == loss_of_kinds(*masked)
    assert loss_of_kinds(*step, LossSettings(margin=0.2)) == loss_of_kinds(*step)


def test_other_peoples_words_for_a_positive_are_no_negatives_however_far_from_the_query() -> None:
    """The second answer lies 10 degrees from the positive (cosine 0.985), the third 40 (0.77)."""
    relation = sparse([[POSITIVE, NEGATIVE, NEGATIVE]])
    step = directions(0), directions(90, 100, 50), relation, one_kind(relation), 1.0
    masked = (*step[:2], sparse([[POSITIVE, MASKED, NEGATIVE]]), *step[3:])
    assert loss_of_kinds(*step, LossSettings(near_duplicate=0.9)) == loss_of_kinds(*masked)
    assert loss_of_kinds(*step, LossSettings(near_duplicate=0.99)) == loss_of_kinds(*step)


def test_a_positive_near_a_better_one_stays_a_positive() -> None:
    relation = sparse([[POSITIVE, POSITIVE, NEGATIVE]])
    step = directions(0), directions(0, 10, 120), relation, one_kind(relation), 1.0
    assert loss_of_kinds(*step, LossSettings(margin=-0.5, near_duplicate=0.9)) == loss_of_kinds(*step)


def test_a_negative_of_half_the_chance_counts_twice_and_a_positive_once() -> None:
    relation = sparse([[POSITIVE, NEGATIVE]])
    step = directions(0), directions(0, 90), relation, one_kind(relation), 1.0
    found = loss_of_kinds(*step, log_chances=np.log([0.25, 0.5]))
    assert float(found) == pytest.approx(np.log((np.e + 2) / np.e))


def test_a_positive_of_the_triple_grade_counts_three_times() -> None:
    relation = sparse([[POSITIVE, POSITIVE]])
    step = directions(0), directions(0, 90), relation, one_kind(relation), 1.0
    total = np.log(np.e + 1)
    assert float(loss_of_kinds(*step, weights=np.array([0.3, 0.1]))) == pytest.approx(0.75 * (total - 1) + 0.25 * total)


def test_an_answer_that_nobody_owns_is_a_negative_of_everybody_who_has_not_masked_it() -> None:
    relation = sparse([[POSITIVE, NEGATIVE, NEGATIVE], [NEGATIVE, POSITIVE, MASKED]])
    queries, answers = unit_vectors(2, 4, seed=19), unit_vectors(3, 4, seed=20)
    scores = (queries @ answers.T).exp()
    expected = -(scores[0, 0] / scores[0].sum()).log() / 2 - (scores[1, 1] / scores[1, :2].sum()).log() / 2
    assert float(loss_of_kinds(queries, answers, relation, one_kind(relation), 1.0)) == pytest.approx(float(expected))


def test_prefixes_are_brought_to_unit_length_and_weigh_the_same_as_the_whole() -> None:
    step = random_step(6)
    cut = [{name: torch.nn.functional.normalize(step[name][:, :size], dim=1) for name in ("queries", "answers")} for size in (2, 4)]
    expected = with_gradients(torch.stack([slow_loss(**step | prefix) for prefix in [*cut, {}]]).mean(), step)
    for sizes in ((2, 4), (4, 2, 6)):
        found = with_gradients(loss_of_kinds(**step, settings=LossSettings(sizes=sizes)), step)
        assert all(torch.allclose(one, other, rtol=0, atol=1e-10) for one, other in zip(found, expected, strict=True))


def test_a_size_that_the_vectors_do_not_have_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.matryoshka: 8 is more than the 6"):
        loss_of_kinds(**random_step(7), settings=LossSettings(sizes=(2, 8)))


def noisy_pairs(noise: float) -> tuple[torch.Tensor, torch.Tensor, Relation, Numbers]:
    """Eight queries, each with one answer that lies about it, the further the more noise."""
    queries = unit_vectors(8, 16, seed=12)
    answers = torch.nn.functional.normalize(queries + noise * unit_vectors(8, 16, seed=13), dim=-1)
    return queries, answers, sparse(np.eye(8, dtype=np.int64) * POSITIVE), np.zeros(8, np.int64)


@pytest.mark.parametrize("settings", [PLAIN, LossSettings(margin=0.2), LossSettings(sizes=(4,))])
def test_best_temperature_is_the_one_of_the_lowest_loss(settings: LossSettings) -> None:
    step = noisy_pairs(4.0)
    found = best_temperature(*step, settings)
    assert found == min(TEMPERATURES, key=lambda temperature: float(loss_of_kinds(*step, temperature, settings)))
    assert min(TEMPERATURES) < found < max(TEMPERATURES)
    assert (found == best_temperature(*step)) == (settings == PLAIN)


def test_best_temperature_counts_grades_and_chances() -> None:
    queries, answers, relation, kinds = noisy_pairs(2.0)
    with_far_ones = sparse(relation.dense() + np.roll(relation.dense(), 1, axis=1))
    step = queries, answers, with_far_ones, kinds
    graded = [np.where(with_far_ones.positive.queries == with_far_ones.positive.answers, near, 1) for near in (1.0, 5.0, 50.0)]
    softest_first = [best_temperature(*step, weights=weights) for weights in graded]
    assert softest_first == sorted({*softest_first}, reverse=True)
    assert softest_first[0] == best_temperature(*step)
    assert best_temperature(*step, weights=graded[2], log_chances=np.full(8, np.log(0.01))) != softest_first[2]


def test_scores_that_say_little_get_a_softer_temperature() -> None:
    found = [best_temperature(*noisy_pairs(noise)) for noise in (0.5, 2.0, 8.0)]
    assert found == sorted(set(found))


def test_without_a_positive_the_temperature_is_the_softest() -> None:
    vectors, relation = unit_vectors(2, 3, seed=14), sparse(np.full((2, 2), MASKED))
    assert best_temperature(vectors, vectors, relation, one_kind(relation)) == max(TEMPERATURES)


def learnt_scores(settings: LossSettings) -> np.ndarray:
    """Scores that the loss is lowest at, (2, 3), of two people: both did what everybody does three times in four, and each has a taste besides."""
    what = np.array([0] * 6 + [1] * 2 + [0] * 6 + [2] * 2)
    step = Relation((16, 3), Pairs(np.arange(16), what), Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64)))
    who = torch.eye(2, dtype=torch.float64).repeat_interleave(8, dim=0)
    items = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)  # a person's score is a coordinate
    optimizer = torch.optim.Adam([items], lr=0.05)
    for _ in range(800):
        optimizer.zero_grad()
        loss_of_kinds(who, items, step, one_kind(step), 1.0, settings).backward()
        optimizer.step()
    return items.detach().numpy().T


def test_with_repeats_scores_say_how_much_likelier_an_answer_is_for_this_person_than_for_anybody() -> None:
    each, taste = np.array([0, 1]), np.array([1, 2])
    once, repeated = learnt_scores(PLAIN), learnt_scores(LossSettings(repeats=True))
    assert once[each, 0] - once[each, taste] == pytest.approx(np.log([3, 3]), abs=0.02)  # what everybody does stands above what is one's own
    assert repeated[each, 0] - repeated[each, taste] == pytest.approx(np.log([0.5, 0.5]), abs=0.02)  # 6 of 12 against 2 of 2
