"""Everything that stands beside the encoders in a table, by name."""

from collections.abc import Iterator, Sequence

import numpy as np

from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation.baselines import decayed_labels, label_counts, most_popular, newest_labels, own_repeats
from trainer.evaluation.factors import folded_in
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import Scorer
from trainer.evaluation.transitions import next_label, transition_graph
from trainer.evaluation.words import word_rows


def baseline_rows(
    questions: Questions, level: Kind, vectors: np.ndarray, words: Sequence[str], training: Sequence[np.ndarray] | None, config: EvaluationConfig
) -> Iterator[tuple[str, Scorer]]:  # fmt: skip
    """Name and scores of each baseline, one after the other, so that what one holds is gone before the next.

    `vectors` (A, D) are the base's of the items, `words` the texts of the histories as the encoder reads them. `training` are labels (or an app's items) of training people, in
    time; where it is None (titles: what is entered is new to whoever enters it), there are the rows that compare words alone.
    """
    answers = questions.levels[level]
    yield from word_rows(words, answers.texts)
    if training is None:
        return
    counts = label_counts(training, len(answers.texts))
    yield "popular", most_popular(counts)
    if level != "catalogue":  # what was acted on before is no candidate there
        yield "own repeats, then popular", own_repeats(answers.pasts, counts)
    what = "item" if level == "catalogue" else "label"
    for newest in config.mean_label_counts:
        yield mean_name(newest, what), newest_labels(answers.pasts, vectors, newest)
    yield f"time-decayed mean of {what}s", decayed_labels(answers.pasts, answers.past_times, vectors, config.mean_half_life_days)
    yield "transition graph", next_label(transition_graph(training, counts), answers.pasts)
    yield "ALS", folded_in(training, answers.pasts, len(answers.texts), config.seed)


def mean_name(newest: int | None, what: str = "label") -> str:
    """What the mean of so many newest labels, or items, is called, None: of all."""
    if newest == 1:
        return f"last {what}"
    return f"mean of all {what}s" if newest is None else f"mean of last {newest} {what}s"
