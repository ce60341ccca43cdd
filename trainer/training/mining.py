"""Hard negatives of a step: answers of other steps that lie near its queries, and not so near that they would be answers of theirs.

Between the two passes of a step its queries have vectors; the nearest answers of the pool join the step as answers that are nobody's positive. A candidate is
a negative of a query only where its cosine is below a share of the cosine of the query's own best positive of the kind: what lies nearer is as likely an answer that the
data does not know of. What its person ever did is none whatever it scores.
Source: de Souza P. Moreira et al. 2024, https://arxiv.org/abs/2407.15831 (NV-Retriever, "TopK-PercPos", 0.95), there mined once by another model.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor

from lake.encoder import Encoder
from trainer.training.batches import TrainingBatch
from trainer.training.masks import KIND_PLACES, Numbers, Pairs, Relation, kinds_of, relation
from trainer.training.packing import is_packing
from trainer.training.pool import AnswerPool, answer_text
from trainer.training.step import MicroBatches, Share, joined, micro_batches, step_counts
from trainer.training.towers import token_counts


@dataclass(frozen=True)
class MiningSettings:
    """How many negatives of a kind are looked for a query, and the share of its best positive's cosine below which they must lie."""

    count: int
    threshold: float


@dataclass(frozen=True)
class Mined:
    """What some queries found: distinct places in the pool (M,), how many pairs of a query and one of its own these are, and how many of the nearest were looked at and lay too near."""

    places: Numbers
    pairs: int = 0
    looked_at: int = 0
    too_near: int = 0


@dataclass
class Miner:
    """Looks for the negatives of one step. `share` is what the step has come to; all processes call its methods together."""

    encoder: Encoder
    batch: TrainingBatch
    share: Share
    pool: AnswerPool
    settings: MiningSettings
    tokens_per_forward: int

    def extend(self, vectors: Tensor) -> Share:
        """The step with the answers of the pool that its queries found, behind its own answers; then the pool takes in the step's. `vectors` (B + A, D) are the step's."""
        queries, answers = vectors.split(self.share.relation.shape)
        found = self._found(queries, answers)
        words = self.pool.words
        numbers, holders = self.pool.numbers[found.places], self.pool.holders[found.places]
        self.pool.put(self.share.answers, self.share.encoders, answers, dict(zip(self.batch.answers.tolist(), self.batch.texts, strict=True)))
        self.share = self._with_answers(numbers, holders, {number: words[number] for number in numbers.tolist() if number in words}, found)
        return self.share

    def mask_too_near(self, vectors: Tensor, answers: int) -> Share:
        """The step without the pairs of a query and a mined answer (those behind the first `answers`) that by vectors as they are now (B + A + M, D) lie too near."""
        queries, all_answers = vectors.split(self.share.relation.shape)
        limits = score_limits(queries, all_answers, self.share.relation, self.share.kinds, self.settings.threshold)[:, self.share.kinds[answers:]]
        scores = queries @ all_answers[answers:].T
        is_near = scores >= torch.from_numpy(np.where(np.isfinite(limits), limits, np.inf)).to(scores)
        near = np.argwhere(is_near.cpu().numpy())
        self.share = replace(self.share, relation=_with_masked(self.share.relation, Pairs(near[:, 0], near[:, 1] + answers)))
        return self.share

    def _found(self, queries: Tensor, answers: Tensor) -> Mined:
        """What the queries of all processes found together; each looks for its own."""
        if not len(self.pool.numbers):
            return Mined(np.zeros(0, np.int64))
        limits = score_limits(queries, answers, self.share.relation, self.share.kinds, self.settings.threshold)
        own = sorted(row for row in self.share.own.texts if row < len(queries))
        known = relation(self.batch.positives, self.batch.done, self.pool.numbers)
        is_known = known.dense() != 0
        is_known[:, np.isin(self.pool.numbers, self.share.answers)] = True
        mine = nearest_below(queries[own] @ self.pool.vectors.T, limits[own], is_known, kinds_of(self.pool.numbers), self.settings.count)
        parts: list[Mined] = gather_object([mine])
        places = np.unique(np.concatenate([each.places for each in parts]))
        return Mined(places, sum(each.pairs for each in parts), sum(each.looked_at for each in parts), sum(each.too_near for each in parts))

    def _with_answers(self, numbers: Numbers, holders: Numbers, words: dict[int, str], found: Mined) -> Share:
        share, accelerator = self.share, self.pool.accelerator
        counts = {"mined_per_query": found.pairs / max(1, share.relation.shape[0]), "mined_too_near_share": found.too_near / max(1, found.looked_at)}
        if not len(numbers):
            return replace(share, counts=share.counts | counts)
        own = _own_micro_batches(self.encoder, share, numbers, holders == accelerator.process_index, words, self.tokens_per_forward)
        told = gather_object([(relation(self.batch.positives, self.batch.done, numbers), own.tokens, own.computed_tokens, len(own.rows))])
        relations, *totals = zip(*told, strict=True)
        further = joined(relations)
        shape = (share.relation.shape[0], share.relation.shape[1] + len(numbers))
        masked = Pairs(further.masked.queries, further.masked.answers + share.relation.shape[1])
        whole = _with_masked(replace(share.relation, shape=shape), masked)
        return replace(
            share, own=own, relation=whole, answers=np.concatenate([share.answers, numbers]), encoders=np.concatenate([share.encoders, holders]),
            counts=step_counts(*(sum(each) for each in totals)) | counts,
        )  # fmt: skip


def score_limits(queries: Tensor, answers: Tensor, of_step: Relation, kinds: Numbers, threshold: float) -> NDArray[np.float64]:
    """The cosine below which an answer of each kind is a negative of a query, shape (B, KIND_PLACES); -inf where it has no positive of the kind.

    That is `threshold` times the cosine of the query's best positive; below 0 it lies as much lower as it would lie above.
    """
    pairs, best = of_step.positive, np.full((len(queries), KIND_PLACES), -np.inf)
    rows, columns = (torch.from_numpy(places).to(queries.device) for places in (pairs.queries, pairs.answers))
    cosines = (queries[rows] * answers[columns]).sum(dim=1).double().cpu().numpy()
    np.maximum.at(best, (pairs.queries, kinds[pairs.answers]), cosines)
    return np.where(best > 0, best * threshold, best * (2 - threshold))


def nearest_below(scores: Tensor, limits: NDArray[np.float64], is_known: NDArray[np.bool_], kinds: Numbers, count: int) -> Mined:
    """Of P candidates the `count` of each kind that score highest for each query and below its limit.

    Shapes: scores (b, P), limits (b, KIND_PLACES), is_known (b, P) those that are never a negative of the query, kinds (P,).
    """
    hidden = scores.masked_fill(torch.from_numpy(is_known).to(scores.device), -torch.inf)
    found = [_of_kind(hidden, limits[:, kind], np.flatnonzero(kinds == kind), count) for kind in np.unique(kinds)]
    places = np.unique(np.concatenate([np.zeros(0, np.int64), *(each.places for each in found)]))
    return Mined(places, sum(each.pairs for each in found), sum(each.looked_at for each in found), sum(each.too_near for each in found))


def _of_kind(scores: Tensor, limits: NDArray[np.float64], places: Numbers, count: int) -> Mined:
    """What all queries (b,) that have a limit find among the candidates at these places; known ones score -inf."""
    asking, chosen = np.flatnonzero(np.isfinite(limits)), torch.from_numpy(places).to(scores.device)
    candidates = scores[torch.from_numpy(asking).to(scores.device)][:, chosen]
    below = torch.from_numpy(limits[asking, None]).to(candidates)
    nearest = candidates.topk(min(count, len(places)), dim=1).values
    found = candidates.masked_fill(candidates >= below, -torch.inf).topk(min(count, len(places)), dim=1)
    is_there = found.values.isfinite()
    return Mined(
        places[found.indices[is_there].cpu().numpy()], int(is_there.sum()), int(nearest.isfinite().sum()), int((nearest >= below).sum()),
    )  # fmt: skip


def _own_micro_batches(
    encoder: Encoder, share: Share, numbers: Numbers, is_own: NDArray[np.bool_], words: dict[int, str], tokens_per_forward: int
) -> MicroBatches:  # fmt: skip
    """What this process encodes of the step and of further answers (M,), whose rows are behind the step's."""
    first, own = sum(share.relation.shape), np.flatnonzero(is_own)
    texts = {first + place: answer_text(encoder, number, words[number]) for place, number in zip(own.tolist(), numbers[own].tolist(), strict=True)}
    tokens = dict(zip(texts, token_counts(encoder, list(texts.values())).tolist(), strict=True))
    more = micro_batches(texts, tokens, first, tokens_per_forward, is_packing(encoder.model))
    before = share.own
    return MicroBatches(before.texts | more.texts, before.rows + more.rows, before.tokens + more.tokens, before.computed_tokens + more.computed_tokens)


def _with_masked(of_step: Relation, pairs: Pairs) -> Relation:
    """The relation with these pairs masked too; none of them is a positive."""
    wide = of_step.shape[1]
    found = np.union1d(of_step.masked.queries * wide + of_step.masked.answers, pairs.queries * wide + pairs.answers).astype(np.int64)
    return Relation(of_step.shape, of_step.positive, Pairs(found // max(1, wide), found % max(1, wide)))
