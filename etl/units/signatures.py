"""Own words of units -> signatures by which near duplicates are found: a MinHash of the pairs of neighbouring words.

The share of equal bytes of two signatures tells the Jaccard similarity of the two sets of pairs. Sources: Broder 1997, "On the resemblance and
containment of documents"; Li and König 2010, "b-bit minwise hashing" (here 8 bits). Why no library does it stands in benchmarks/RESULTS.md.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.schema import arrow_schema
from lake.units import SIGNATURE_BYTES, UNIT_SIGNATURES

UNITS_AT_ONCE = 2048
"""So many units' words are worked on at once: they stay in the processor's cache."""

# Bytes of lower-case UTF-8 that make words: digits, letters, and all that is not ASCII.
_OF_WORDS = np.zeros(256, dtype=bool)
_OF_WORDS[[*b"0123456789abcdefghijklmnopqrstuvwxyz", *range(128, 256)]] = True
_GENERAL_PUNCTUATION = (0xE2, 0x80)  # how curly quotes, dashes and dots begin, in three bytes of UTF-8

# NumPy promises the same numbers of this generator for good: signatures that were made years apart can be compared.
_FACTORS = np.random.RandomState(1).randint(0, 2**32, SIGNATURE_BYTES, dtype=np.uint32) | np.uint32(1)
_LAST_FACTOR, _FACTOR, _SPREAD = np.uint32(0x85EBCA6B), np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_LOWEST_BYTES = np.array([2 ** (8 * count) - 1 for count in range(9)], dtype=np.uint64)


def signature_rows(units: pa.Table, min_words: int) -> pa.Table:
    """Rows of `unit_signatures` for those units whose title and text have so many words together (at least 2)."""
    nothing = arrow_schema(UNIT_SIGNATURES).empty_table()
    return pa.concat_tables([nothing, *(_rows(batch, min_words) for batch in units.to_batches(max_chunksize=UNITS_AT_ONCE))])


def _rows(units: pa.RecordBatch, min_words: int) -> pa.Table:
    words, counts = word_hashes(pc.binary_join_element_wise(units["title"].fill_null(""), units["text"].fill_null(""), "\n"))
    has_enough = counts >= min_words
    signatures = min_hashes(*pairs_of_words(words[np.repeat(has_enough, counts)], counts[has_enough]))
    made = pa.Array.from_buffers(pa.binary(SIGNATURE_BYTES), len(signatures), [None, pa.py_buffer(signatures)]).cast(pa.binary())
    schema = arrow_schema(UNIT_SIGNATURES)
    columns = [made if name == "signature" else units[name].filter(pa.array(has_enough)) for name in schema.names]
    return pa.table(columns, schema=schema)


def word_hashes(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all words (W,), one text after the other, and how many each text has (N,). Case and punctuation count nothing.

    A word is a run of ASCII letters, digits, and what is not ASCII, save general punctuation. It is known by its first 16 bytes and its length.
    """
    ended = pc.binary_join_element_wise(pc.utf8_lower(texts), "", " ")
    borders = np.frombuffer(ended.buffers()[1], np.int32)[ended.offset : ended.offset + len(ended) + 1]
    text = np.frombuffer(ended.buffers()[2], np.uint8)[borders[0] : borders[-1]]
    edges = np.flatnonzero(np.diff(_is_of_word(text), prepend=False))  # where a word starts, where it ends, ...: every text ends with a space
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    eight_bytes_from = np.lib.stride_tricks.sliding_window_view(np.append(text, np.zeros(16, np.uint8)), 8).view("<u8")[:, 0]
    first = eight_bytes_from[starts] & _LOWEST_BYTES[np.minimum(lengths, 8)]
    second = eight_bytes_from[starts + 8] & _LOWEST_BYTES[np.clip(lengths - 8, 0, 8)]
    hashes = _mixed(_mixed(first) * _FACTOR + second + lengths.astype(np.uint64))
    return hashes, np.diff(np.searchsorted(starts, borders - borders[0]))


def pairs_of_words(words: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A 32-bit hash of each pair of neighbouring words of a text, and where each text's pairs begin (N,); words as `word_hashes` gives them, at least 2 a text."""
    is_last = np.zeros(len(words), dtype=bool)
    is_last[np.cumsum(counts) - 1] = True
    pairs = _mixed(words[:-1] * _FACTOR + words[1:])[~is_last[:-1]]
    return (pairs >> np.uint64(32)).astype(np.uint32), np.cumsum(counts - 1) - (counts - 1)


def min_hashes(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Signatures (N, SIGNATURE_BYTES) of N sets of 32-bit values (V,), which begin at `starts` (N,); none is empty."""
    signatures = np.empty((len(starts), SIGNATURE_BYTES), dtype=np.uint8)
    for place, factor in enumerate(_FACTORS):
        lowest = np.minimum.reduceat(values * factor, starts)
        signatures[:, place] = (lowest * _LAST_FACTOR) >> np.uint32(24)
    return signatures


def _is_of_word(text: np.ndarray) -> np.ndarray:
    first, second = _GENERAL_PUNCTUATION
    is_of_word = _OF_WORDS[text]
    punctuation = np.flatnonzero((text[:-2] == first) & (text[1:-1] == second))
    is_of_word[(punctuation[:, None] + np.arange(3)).ravel()] = False
    return is_of_word


def _mixed(hashes: np.ndarray) -> np.ndarray:
    """Hashes each bit of which depends on all bits."""
    hashes = (hashes ^ (hashes >> np.uint64(32))) * _SPREAD
    return hashes ^ (hashes >> np.uint64(32))
