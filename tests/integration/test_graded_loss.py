"""The loss of a step whose positives a teacher graded, on a real model."""

import numpy as np
import pytest

from tests.hand_streams import batch_of_rows
from tests.integration.train_two_processes import with_grades
from tests.planted_people import planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.gradient_cache import add_gradients, all_vectors, first_passes
from trainer.training.loop import make_accelerator
from trainer.training.masks import MASKED, POSITIVE
from trainer.training.step import share_of_step

CONFIG = TrainingConfig(max_tokens=64, tokens_per_forward=100, precision="full", weigh_by_grade=True)
TEMPERATURE = 0.05


def test_the_loss_weighs_each_positive_by_its_grade_as_the_formula_in_float64_does() -> None:
    encoder, accelerator = base_encoder(CONFIG, "cpu"), make_accelerator(CONFIG)
    batch = batch_of_rows([with_grades(row) for row in planted_examples(5, 0)], CONFIG)
    share = share_of_step(encoder, batch, CONFIG.tokens_per_forward, accelerator)
    encoder.model.eval()
    vectors = all_vectors(first_passes(encoder, share, False, accelerator), share, encoder.dimension, accelerator).double()
    queries, answers = vectors.split(share.relation.shape)
    scores, dense = (queries @ answers.T / TEMPERATURE).numpy(), share.relation.dense()
    assert batch.grades is not None
    of_kinds = []
    for kind in sorted(set(share.kinds.tolist())):
        losses = []
        for query, (own, grades) in enumerate(zip(batch.positives, batch.grades, strict=True)):
            columns = [column for column in np.searchsorted(batch.answers, own).tolist() if share.kinds[column] == kind]
            weights = [grade for number, grade in zip(own.tolist(), grades.tolist(), strict=True) if number % 4 == kind]
            assert all(dense[query, column] == POSITIVE for column in columns)
            if columns:
                below = sum(
                    np.exp(scores[query, column]) for column in range(len(share.answers)) if share.kinds[column] == kind and dense[query, column] != MASKED
                )
                terms = [weight * -np.log(np.exp(scores[query, column]) / below) for weight, column in zip(weights, columns, strict=True)]
                losses.append(sum(terms) / sum(weights))
        of_kinds.append(np.mean(losses))
    loss = add_gradients(encoder, share, 10_000, accelerator, TEMPERATURE)
    assert loss == pytest.approx(float(np.mean(of_kinds)), rel=1e-5)
    plain = share_of_step(
        encoder, batch_of_rows(planted_examples(5, 0), CONFIG.model_copy(update={"weigh_by_grade": False})), CONFIG.tokens_per_forward, accelerator
    )
    assert plain.weights is None
    assert abs(add_gradients(encoder, plain, 10_000, accelerator, TEMPERATURE) - loss) > 1e-3
