"""How vectors lie in their space: pure functions of arrays, a block of rows at a time, so that memory grows with the vectors and not with their pairs.

Shape letters: N, M vectors, P people, D vector size, K neighbours.
"""

import math
from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 1024
ITEMS_AT_ONCE = 65_536
LARGEST_CODE = 127


def squared_distances(some: np.ndarray, others: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Squared distance (T,) of each pair: `pairs` are indexes (T,) into `some` (N, D) and into `others` (M, D). Its mean over true pairs is *alignment*: the less, the nearer.

    Source: Wang and Isola 2020, eq. 2, alpha 2. From 0 to 4 for vectors of unit length, 2 for unrelated ones.
    """
    left, right = pairs
    found = np.zeros(len(left))
    for block in (slice(start, start + BLOCK_ROWS) for start in range(0, len(left), BLOCK_ROWS)):
        found[block] = ((some[left[block]] - others[right[block]]) ** 2).sum(axis=1)
    return found


def potentials(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """exp(-2 * squared distance) of all pairs (N, M) of vectors (N, D) and (M, D) of unit length. Source: Wang and Isola 2020, eq. 3, t 2."""
    return np.exp(4 * np.minimum(some @ others.T, 1) - 4)


def uniformity(vectors: np.ndarray) -> float:
    """Log of the mean potential of pairs of different vectors (N, D) of unit length: the less, the more evenly they fill the sphere.

    0 where all are one, about -4 where all are unrelated. NaN below two vectors.
    """
    if len(vectors) < 2:
        return math.nan
    total = 0.0
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = potentials(vectors[start : start + BLOCK_ROWS], vectors)
        block[np.arange(len(block)), np.arange(start, start + len(block))] = 0  # with itself
        total += float(block.sum(dtype=np.float64))
    return math.log(total / (len(vectors) * (len(vectors) - 1)))


def nearest_others(vectors: np.ndarray, neighbours: int) -> np.ndarray:
    """Indexes (N, K) of the nearest other vectors of each of N, in no order; K is `neighbours`, or all others where there are fewer."""
    nearest = min(neighbours, len(vectors) - 1)
    if nearest < 1:
        return np.zeros((len(vectors), 0), np.int64)
    found = []
    for start in range(0, len(vectors), BLOCK_ROWS):
        scores = vectors[start : start + BLOCK_ROWS] @ vectors.T
        scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -np.inf
        found.append(np.argpartition(scores, len(vectors) - nearest)[:, len(vectors) - nearest :])
    return np.concatenate(found)


def occurrence_skew(neighbours: np.ndarray, candidates: int) -> float:
    """*Hubness*: skewness of the K-occurrence, how often each of so many candidates is among the neighbours (any shape; -1 is none) of all that ask.

    0 where it is spread evenly about its mean; large where a few hubs are near everybody. NaN where all occur equally often. Source: Radovanović et al. 2010, eq. 1.
    """
    counts = np.bincount(neighbours[neighbours >= 0].ravel(), minlength=candidates).astype(float)
    spread = counts.std() if candidates else 0.0
    return float((((counts - counts.mean()) / spread) ** 3).mean()) if spread > 0 else math.nan


def overlap_of_best(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of the best items of each query in `others` (B, K) the share (B,) that is in `some` (B, K), too; -1 is none, NaN where all of `others` are."""
    kept = ((others[:, :, None] == some[:, None, :]) & (others[:, :, None] >= 0)).any(axis=2).sum(axis=1)
    there = (others >= 0).sum(axis=1)
    return np.divide(kept, there, out=np.full(len(others), np.nan), where=there > 0)


def cut(vectors: np.ndarray, numbers: int) -> np.ndarray:
    """The first so many numbers of vectors (N, D), at unit length again; all 0 stays all 0."""
    return vectors[:, :numbers] * _inverse_lengths(vectors, numbers)[:, None]


def _inverse_lengths(vectors: np.ndarray, numbers: int) -> np.ndarray:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors[:, :numbers], vectors[:, :numbers]))
    return np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)


@dataclass(frozen=True)
class CutVectors:
    """Vectors (N, D) of which the first `numbers` count. Nothing is copied."""

    vectors: np.ndarray
    numbers: int
    inverse_lengths: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, numbers: int) -> "CutVectors":
        """All of the vectors, cut."""
        return cls(vectors, numbers, _inverse_lengths(vectors, numbers))

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """Cosines (B, N) with whole queries (B, D), which are cut alike."""
        found = cut(queries, self.numbers) @ self.vectors[:, : self.numbers].T
        found *= self.inverse_lengths
        return found


@dataclass(frozen=True)
class ByteVectors:
    """Vectors cut to D numbers and written as int8: `codes` (N, D) times `scale` (D,), where 127 stands for the largest absolute value of a dimension."""

    codes: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, numbers: int, queries: np.ndarray) -> "ByteVectors":
        """All of the vectors (N, D), on the scale that fits them and the queries (B, D): one space has one scale."""
        largest = np.abs(cut(queries, numbers)).max(axis=0, initial=0)
        blocks = [slice(start, start + ITEMS_AT_ONCE) for start in range(0, len(vectors), ITEMS_AT_ONCE)]
        for block in blocks:
            largest = np.maximum(largest, np.abs(cut(vectors[block], numbers)).max(axis=0, initial=0))
        scale = (np.where(largest > 0, largest, 1) / LARGEST_CODE).astype(np.float32)
        codes = np.empty((len(vectors), scale.size), np.int8)
        for block in blocks:
            codes[block] = _codes(cut(vectors[block], numbers), scale)
        return cls(codes, scale)

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """Dot products (B, N) of what the codes stand for with what the codes of whole queries (B, D) do."""
        weighed = _codes(cut(queries, self.scale.size), self.scale) * self.scale**2
        found = np.empty((len(queries), len(self.codes)), np.float32)
        for block in (slice(start, start + ITEMS_AT_ONCE) for start in range(0, len(self.codes), ITEMS_AT_ONCE)):
            found[:, block] = weighed @ self.codes[block].astype(np.float32).T
        return found


def _codes(vectors: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(vectors / scale), -LARGEST_CODE, LARGEST_CODE).astype(np.int8)
