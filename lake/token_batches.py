"""Texts of alike lengths go through a model together: how many at once, told by their tokens."""

from collections.abc import Mapping, Sequence


def token_batches(lengths: Mapping[int, int], tokens_per_forward: int, packed: bool = False) -> list[list[int]]:
    """Keys of texts by their tokens, longest text first, in groups of at most `tokens_per_forward` computed tokens; a longer text stands alone.

    Packed texts count their own tokens, padded ones those of the longest in their group.
    """
    groups: list[list[int]] = []
    room = 0
    for row in sorted(lengths, key=lambda row: (-lengths[row], row)):
        cost = lengths[row] if packed or not groups else lengths[groups[-1][0]]
        if not groups or cost > room:
            groups.append([])
            room, cost = tokens_per_forward, lengths[row]
        groups[-1].append(row)
        room -= cost
    return groups


def computed_tokens(lengths: Sequence[int], packed: bool = False) -> int:
    """Tokens that go through the model for a group of texts with these tokens each: of padded texts the padding too."""
    return sum(lengths) if packed else len(lengths) * max(lengths, default=0)
