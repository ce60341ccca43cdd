"""Who is it: does the first half of a history find its own second half among everybody's, by the encoder and by its base?"""

from lake.encoder import Encoder
from trainer.config import EvaluationConfig
from trainer.evaluation import halves, metrics
from trainer.evaluation.comparison import DIFFERENCE, Score


def half_scores(tuned: Encoder, base: Encoder, asked: halves.Halves, config: EvaluationConfig) -> list[Score]:
    """User-user retrieval by split halves; no score where nobody has two halves."""
    if not asked.firsts:
        return []
    ranks = {"tuned": halves.half_ranks(tuned, asked)}
    ranks["base"] = ranks["tuned"] if base.version == tuned.version else halves.half_ranks(base, asked)
    scores = []
    for metric, best in (("recall_at_1", 1), ("recall_at_8", 8), ("recall_at_10", 10), ("mrr", None)):
        values = {name: 1 / found if best is None else (found <= best).astype(float) for name, found in ranks.items()}
        values[DIFFERENCE] = values["tuned"] - values["base"]
        for name, found in values.items():
            mean = metrics.bootstrap_mean(found, config.bootstrap_samples, config.interval, config.seed)
            place = {"cuts": "all cuts", "level": None, "futures": None, "metric": metric, "scorer": name}
            scores.append(Score(**place, mean=mean.mean, low=mean.low, high=mean.high, people=mean.people))
    return scores
