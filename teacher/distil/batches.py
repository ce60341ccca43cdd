"""Lessons -> batches of about as many tokens, of lessons of about the same length. Pure.

Shape letters: B lessons of a batch, L tokens of the longest.
"""

import random
from collections.abc import Sequence

from teacher.distil.lessons import Lesson

LENGTH_NOISE = 0.1
"""Lengths are blurred by such a share before lessons are sorted by them, so that each epoch puts others side by side."""


def epoch_batches(lessons: Sequence[Lesson], max_tokens: int, seed: int, epoch: int) -> list[list[Lesson]]:
    """All lessons once, cut into batches of no more than `max_tokens` tokens, padding included, but one lesson at least; in an order that seed and epoch decide."""
    chance = random.Random(f"{seed} {epoch}")
    ordered = sorted(lessons, key=lambda lesson: lesson.length * chance.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE))
    batches: list[list[Lesson]] = []
    longest = 0
    for lesson in ordered:
        longest = max(longest, lesson.length)
        if not batches or (len(batches[-1]) + 1) * longest > max_tokens:
            batches.append([])
            longest = lesson.length
        batches[-1].append(lesson)
    chance.shuffle(batches)
    return batches


def all_batches(lessons: Sequence[Lesson], max_tokens: int, seed: int, epochs: int) -> list[list[Lesson]]:
    """The steps of a whole training, one after the other."""
    return [batch for epoch in range(epochs) for batch in epoch_batches(lessons, max_tokens, seed, epoch)]
