"""One step of N processes: each holds a part of it, and learns here what it encodes, in which micro-batches, and what is what to whom.

Words and histories never travel. What does: the numbers of answers, the tokens of texts, and the pairs of queries and answers that are no negatives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object

from lake.encoder import Encoder, history_text
from lake.examples import KINDS
from lake.token_batches import computed_tokens, token_batches
from trainer.training.batches import TrainingBatch
from trainer.training.masks import Numbers, Pairs, Relation, kinds_of, relation
from trainer.training.packing import is_packing
from trainer.training.shares import Floats, Part, encoders_of_answers
from trainer.training.towers import token_counts


@dataclass(frozen=True)
class MicroBatches:
    """Texts that one process encodes, by their rows in the step's vectors, and the rows that go through the model together; histories and answers apart."""

    texts: dict[int, str]
    rows: list[list[int]]
    tokens: int
    computed_tokens: int


@dataclass(frozen=True)
class Share:
    """What this process encodes of a step, and what all know of it.

    The step's vectors are those of the B queries in the order of processes, then those of its A distinct `answers`, ascending, then those of hard negatives that joined
    it (`trainer.training.mining`). `encoders` (A,) are the processes that encode the answers; `communities` and `times` (B,) are those of the queries' cuts;
    `counts` are over all processes; `weights` (P,) those of the pairs of `relation.positive`, None where all weigh alike.
    """

    own: MicroBatches
    relation: Relation
    answers: Numbers
    encoders: Numbers
    communities: Numbers
    times: Numbers
    counts: dict[str, float]
    weights: Floats | None = None

    @property
    def kinds(self) -> Numbers:
        """Of the answers, (A,)."""
        return kinds_of(self.answers)


def share_of_step(encoder: Encoder, batch: TrainingBatch, tokens_per_forward: int, accelerator: Accelerator) -> Share:
    """The share of a process that holds `batch`; all processes ask at once.

    Where two of them spell the same answer otherwise (case, white space), the spelling of the one that encodes it counts.
    """
    queries, answers = query_texts(encoder, batch), answer_texts(encoder, batch)
    part = Part(token_counts(encoder, queries), batch.answers, token_counts(encoder, answers))
    parts: list[Part] = gather_object([part])
    step_answers, encoders = encoders_of_answers(parts)
    first = sum(len(each.query_tokens) for each in parts[: accelerator.process_index])
    first_answer = sum(len(each.query_tokens) for each in parts)
    encoded = np.flatnonzero(encoders == accelerator.process_index)
    places = np.searchsorted(batch.answers, step_answers[encoded])
    rows = [*range(first, first + len(queries)), *(first_answer + encoded).tolist()]
    texts = dict(zip(rows, [*queries, *(answers[place] for place in places)], strict=True))
    tokens = dict(zip(rows, [*part.query_tokens.tolist(), *part.answer_tokens[places].tolist()], strict=True))
    own = micro_batches(texts, tokens, first_answer, tokens_per_forward, is_packing(encoder.model))
    of_own = relation(batch.positives, batch.done, step_answers)
    found = gather_object([(of_own, batch.communities, batch.times, batch.grades, own.tokens, own.computed_tokens, len(own.rows))])
    relations, communities, times, grades, *counts = zip(*found, strict=True)
    return Share(
        own, joined(relations), step_answers, encoders, np.concatenate(communities), np.concatenate(times), step_counts(*(sum(each) for each in counts)),
        weights_of_pairs(grades),
    )  # fmt: skip


def weights_of_pairs(grades: Sequence[list[Floats] | None]) -> Floats | None:
    """Of the positives of all queries, in the order of processes; pairs stand by query and answer, as grades do. None where all weigh alike."""
    if all(each is None for each in grades):
        return None
    return np.concatenate([np.zeros(0), *(of_query for of_process in grades for of_query in of_process or ())])


def query_texts(encoder: Encoder, batch: TrainingBatch) -> list[str]:
    """The histories as they are encoded, up to the tokens of the batch."""
    card = encoder.card if batch.max_tokens is None else encoder.card.model_copy(update={"max_tokens": batch.max_tokens})
    texts = [card.prompt("query") + history_text(history, card, encoder.token_starts)[0] for history in batch.histories]
    return texts if batch.max_tokens is None else [_beginning(text, batch.max_tokens, encoder) for text in texts]


def _beginning(text: str, max_tokens: int, encoder: Encoder) -> str:
    """As much of a text as has so many tokens: a history has one unit at least, and the model itself cuts at the most that the encoder reads."""
    while len(starts := encoder.token_starts(text)) > max_tokens:
        of_words = starts[starts >= 0]
        text = text[: of_words[max_tokens - (len(starts) - len(of_words))]]
    return text


def answer_texts(encoder: Encoder, batch: TrainingBatch) -> list[str]:
    """The answers as they are encoded."""
    return [encoder.card.prompt(KINDS[kind]) + text for kind, text in zip(kinds_of(batch.answers), batch.texts, strict=True)]


def micro_batches(texts: dict[int, str], tokens: Mapping[int, int], first_answer: int, tokens_per_forward: int, packed: bool = False) -> MicroBatches:
    """Texts with their tokens by row, histories before answers -> what goes through the model together."""
    towers = [{row: tokens[row] for row in texts if (row >= first_answer) == is_answer} for is_answer in (False, True)]
    rows = [group for tower in towers for group in token_batches(tower, tokens_per_forward, packed)]
    return MicroBatches(texts, rows, sum(tokens.values()), sum(computed_tokens([tokens[row] for row in group], packed) for group in rows))


def joined(relations: tuple[Relation, ...]) -> Relation:
    """The relation of all queries, in the order of processes, to the same answers."""
    firsts = np.cumsum([0, *(each.shape[0] for each in relations)])
    positive, masked = (_shifted(pairs, firsts) for pairs in ([each.positive for each in relations], [each.masked for each in relations]))
    return Relation((int(firsts[-1]), relations[0].shape[1]), positive, masked)


def _shifted(pairs: list[Pairs], firsts: Numbers) -> Pairs:
    """All pairs, the queries of each process counted from its first among all."""
    queries = [each.queries + first for each, first in zip(pairs, firsts, strict=False)]
    return Pairs(np.concatenate(queries), np.concatenate([each.answers for each in pairs]))


def step_counts(tokens: int, padded: int, groups: int) -> dict[str, float]:
    """Of texts with so many tokens, padded to so many, in so many micro-batches."""
    return {"tokens": tokens, "padding_share": 1 - tokens / max(1, padded), "micro_batches": groups}
