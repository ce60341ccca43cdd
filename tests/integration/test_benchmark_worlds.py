"""What benchmarks make up is what the program takes: their rows are dictionaries, which mypy does not look into."""

import numpy as np
import pytest

from benchmarks import evaluate, gradient_cache, nearest, trainer_stream
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from trainer.config import EvaluationConfig, TrainingConfig
from trainer.evaluation.comparison import item_findings, read_queries
from trainer.student import base_encoder
from trainer.training.cuts_table import read_cuts
from trainer.training.loop import make_accelerator
from trainer.training.step import share_of_step
from trainer.training.stream import ExampleStream


def test_the_stream_benchmark_makes_people_that_training_streams(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_stream, "PEOPLE_IN_FILE", 20)
    trainer_stream.write_people(lake, 40)
    assert arrow_tables.count_rows(lake, EXAMPLES) == 40
    config = trainer_stream.CONFIG.model_copy(update={"people_per_batch": 10})
    stream = ExampleStream(lake, config, read_cuts(lake, arrow_tables.open_table(lake, EXAMPLES).version()))
    assert (len(stream.cuts.person), stream.steps) == (160, 4)
    batch, _ = next(stream._batches({}))
    assert len(batch.histories) == 10
    assert min(map(len, batch.positives)) > 0


def test_the_evaluation_benchmark_finds_chance_for_vectors_of_chance() -> None:
    training = {"specific": evaluate.invented_training(20, 500), "broad": evaluate.invented_training(20, evaluate.BROAD_ITEMS)}
    tuned, base, questions = evaluate.RandomVectors(1, 8), evaluate.RandomVectors(2, 8), evaluate.invented(80, 500)
    (read,) = read_queries(tuned, base, questions)
    scores = item_findings(tuned, base, questions, read, training, EvaluationConfig(shown_people=0)).scores
    found = [score.mean for score in scores if (score.scorer, score.metric) == ("tuned", "personal_auc")]
    assert found
    assert found[0] == pytest.approx(0.5, abs=0.05)


def test_the_benchmark_of_cached_gradients_makes_a_batch_that_a_step_takes() -> None:
    batch, config = gradient_cache.made_batch(np.random.default_rng(0)), TrainingConfig(max_tokens=32)
    share = share_of_step(base_encoder(config, "cpu"), batch, 2048, make_accelerator(config))
    assert share.relation.shape == (gradient_cache.HISTORIES, gradient_cache.HISTORIES * gradient_cache.ANSWERS_EACH)
    assert len(share.communities) == len(share.times) == gradient_cache.HISTORIES


def test_recall_of_an_index_counts_hits_as_near_as_the_exact_ones() -> None:
    queries, items = np.eye(3, dtype=np.float32)[:2], np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)
    exact = nearest.nearest_scores(queries, items, 2)
    assert exact == pytest.approx(np.array([[1, 0.8], [1, 0.8]]))
    assert nearest.recall(exact, [[1.0, 0.8], [1.0, 0.6]], nearest.SAME_SCORE) == 0.75
    assert nearest.recall(exact, [[0.8], []], nearest.SAME_SCORE) == 0.25
    assert nearest.recall(exact, [[1.0, 0.8, 0.8], [1.0, 0.8]], nearest.SAME_SCORE) == 1
