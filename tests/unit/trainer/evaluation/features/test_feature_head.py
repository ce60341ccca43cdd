"""The head: that it learns what is there, knows nothing where nothing is, and never heard of whom it is asked about."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from trainer.evaluation.features.auroc import area, area_estimate
from trainer.evaluation.features.head import Head, logistic_scores, network_scores, out_of_fold_scores, stratified_folds

HEADS = (network_scores, lambda inputs, target, trained, seed: logistic_scores(csr_matrix(inputs), target, trained, seed))
WORLDS = 400


def planted(people: int, size: int, signal: float, random: np.random.Generator, ones: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of which one direction tells the class, and classes of that share, as many in every world."""
    target = random.permutation((np.arange(people) < ones * people).astype(np.int64))
    direction = np.ones(size) / size**0.5
    return (random.normal(size=(people, size)) + signal * target[:, None] * direction).astype(np.float32), target


def found_by(head: Head, inputs: np.ndarray, target: np.ndarray) -> float:
    """The area of class 1."""
    scores, fold = out_of_fold_scores(head, inputs, target, 5, 0)
    return area(scores[:, :, 1], target == 1, fold).value


def test_folds_have_as_many_of_each_class_as_can_be_and_are_the_seed_s() -> None:
    target = np.repeat([0, 1, 2], [50, 13, 4])
    fold = stratified_folds(target, 5, 1)
    for kind, least in ((0, 10), (1, 2), (2, 0)):
        counts = np.bincount(fold[target == kind], minlength=5)
        assert counts.min() >= least
        assert counts.max() <= counts.min() + 1
    assert (stratified_folds(target, 5, 1) == fold).all()
    assert (stratified_folds(target, 5, 2) != fold).any()


@pytest.mark.parametrize("head", HEADS)
def test_what_is_planted_is_found_and_noise_is_not(head: Head) -> None:
    random = np.random.default_rng(0)
    for signal, expected in ((4.0, 0.9), (0.0, None)):
        inputs, target = planted(300, 40, signal, random)
        scores, fold = out_of_fold_scores(head, inputs, target, 5, 0)
        assert np.exp(scores).sum(axis=2) == pytest.approx(1, abs=1e-5)
        found = area_estimate(area(scores[:, :, 1], target == 1, fold), 300, 0.99)
        if expected:
            assert found.low > expected
        else:
            assert found.low < 0.5 < found.high


def test_what_no_line_tells_is_found_too() -> None:
    random = np.random.default_rng(1)
    inputs = random.normal(size=(400, 2)).astype(np.float32)
    target = (inputs[:, 0] * inputs[:, 1] > 0).astype(np.int64)
    assert found_by(network_scores, inputs, target) > 0.75


@pytest.mark.parametrize("head", HEADS)
def test_a_vector_that_is_nothing_but_who_it_is_tells_nothing(head: Head) -> None:
    """A head that had seen the people it is asked about would know them all."""
    target = np.random.default_rng(2).integers(0, 2, 100)
    assert found_by(head, np.eye(100, dtype=np.float32), target) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("head", HEADS)
def test_what_somebody_is_decides_nothing_about_their_own_scores(head: Head) -> None:
    inputs, target = planted(80, 10, 1.0, np.random.default_rng(3))
    before, fold = out_of_fold_scores(head, inputs, target, 4, 0)
    trained = [np.flatnonzero(fold != number) for number in range(4)]
    target[fold == 2] = 1 - target[fold == 2]
    after = head(inputs, target, trained, 0)[fold, np.arange(80)]
    assert after[fold == 2] == pytest.approx(before[0, fold == 2], abs=1e-5)
    assert not np.allclose(after[fold != 2], before[0, fold != 2], atol=1e-2)


@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_trained_on_whom_it_is_told_and_on_nobody_else(head: Head) -> None:
    """Neither what others are nor how many heads are trained beside it moves its scores; and who is trained on in both halves is nobody."""
    inputs, target = planted(60, 6, 2.0, np.random.default_rng(4))
    some, more = np.arange(0, 40), np.arange(5, 60)
    alone, beside = head(inputs, target, [some], 0)[0], head(inputs, target, [some, more], 0)
    assert beside[0] == pytest.approx(alone, abs=1e-4)
    assert not np.allclose(beside[1], alone, atol=1e-2)
    asked: list[list[int]] = []

    def noting(inputs: np.ndarray, target: np.ndarray, trained: list[np.ndarray], seed: int) -> np.ndarray:
        asked.extend(people.tolist() for people in trained)
        return network_scores(inputs, target, trained, seed)

    _, fold = out_of_fold_scores(noting, inputs, target, 5, 0)
    for number in range(5):
        whole, *halves = (set(asked[start + number]) for start in (0, 5, 10))
        assert whole == set(np.flatnonzero(fold != number))
        assert halves[0] | halves[1] == whole
        assert not halves[0] & halves[1]
        assert abs(len(halves[0]) - len(halves[1])) <= 2


def test_the_seed_decides_all_and_a_number_that_is_the_same_for_all_does_no_harm() -> None:
    inputs, target = planted(60, 6, 2.0, np.random.default_rng(4))
    first, again = (out_of_fold_scores(network_scores, inputs, target, 5, 7) for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    constant = np.hstack([inputs, np.full((60, 2), 1e6, np.float32)])
    assert np.isfinite(out_of_fold_scores(network_scores, constant, target, 5, 7)[0]).all()
    assert found_by(network_scores, constant, target) > 0.8


def test_a_class_that_a_head_never_met_is_no_guess_of_it() -> None:
    inputs, target = csr_matrix(np.random.default_rng(5).random((20, 4))), np.array([2] + [0, 1] * 9 + [0])
    scores = logistic_scores(inputs, target, [np.arange(1, 20), np.array([0])], 0)
    assert (scores[0, :, 2] == -np.inf).all()
    assert scores[1, :, 2].tolist() == [0] * 20


def test_vectors_that_are_no_numbers_are_an_error_and_nothing_that_gives_nothing_away() -> None:
    inputs, target = planted(20, 4, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="no numbers"):
        network_scores(np.full_like(inputs, np.nan), target, [np.arange(10)], 0)


def means_apart(inputs: np.ndarray, target: np.ndarray, trained: list[np.ndarray], seed: int) -> np.ndarray:
    """A head that is quick: the line between the means of two classes."""
    scores = np.zeros((len(trained), len(target), 2))
    for of_head, people in zip(scores, trained, strict=True):
        learnt, kind = inputs[people], target[people]
        of_head[:, 1] = inputs @ (learnt[kind == 1].mean(axis=0) - learnt[kind == 0].mean(axis=0))
    return scores


@pytest.mark.parametrize(("people", "size", "ones"), [(100, 8, 0.4), (300, 30, 0.1)])
@pytest.mark.parametrize("signal", [0.0, 0.5, 1.5])
def test_intervals_hold_the_truth_though_heads_are_trained_on_these_people(people: int, size: int, ones: float, signal: float) -> None:
    """The truth is the mean of all worlds, in which heads are trained anew; of a row, and of its difference to one that sees the same less clearly."""
    random, found = np.random.default_rng(20), []
    for _ in range(WORLDS):
        inputs, target = planted(people, size, signal, random, ones)
        of_rows = []
        for seen in (inputs, inputs + random.normal(size=inputs.shape)):
            scores, fold = out_of_fold_scores(means_apart, seen, target, 5, 0)
            of_rows.append(area(scores[:, :, 1], target == 1, fold))
        found.append([area_estimate(each, people, 0.9, least=-1) for each in (of_rows[0], of_rows[0].minus(of_rows[1]))])
    for number, estimates in enumerate(zip(*found, strict=True)):
        truth = np.mean([estimate.mean for estimate in estimates])
        assert number or signal or truth == pytest.approx(0.5, abs=0.01)
        assert 0.85 <= np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]) <= 0.95
