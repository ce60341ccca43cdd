"""Words of units -> signatures: which have one, what counts as a word, and how well equal bytes tell the similarity."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.units import signatures
from etl.units.signatures import min_hashes, signature_rows, word_hashes
from lake.schema import arrow_schema
from lake.units import UNIT_SIGNATURES
from tests.etl_rows import START, unit, units_table

TEXT = "the old bridge over the river was closed after the flood of last spring"


def signed(*units: dict[str, Any], min_words: int = 5) -> dict[str, bytes]:
    """Signatures by unit."""
    rows = signature_rows(units_table(units), min_words)
    assert rows.schema.equals(arrow_schema(UNIT_SIGNATURES))
    return {row["unit_id"]: row["signature"] for row in rows.to_pylist()}


def words(*texts: str) -> list[list[int]]:
    """Hashes of each text's words."""
    hashes, counts = word_hashes(pa.array(texts, pa.string()))
    return [part.tolist() for part in np.split(hashes, np.cumsum(counts)[:-1])]


def shared(one: bytes, other: bytes) -> float:
    """Share of equal bytes."""
    return float((np.frombuffer(one, np.uint8) == np.frombuffer(other, np.uint8)).mean())


def test_case_punctuation_white_space_and_the_title_s_border_count_nothing() -> None:
    found = signed(
        unit("plain", text="don t panic the bridge is closed says who"),
        unit("loud", text="  DON’T panic!! — the *bridge* is\n\nclosed… says “who”?"),
        unit("title", title="Don't panic", text="The bridge is closed, says who"),
    )
    assert found["plain"] == found["loud"] == found["title"]


def test_words_are_told_apart_by_letters_order_and_length() -> None:
    one, two, longer, much_longer, accent, digits = words("bridge", "bridgf", "bridges", "bridge" * 3, "brïdge", "br1dge")
    assert len({tuple(word) for word in (one, two, longer, much_longer, accent, digits)}) == 6
    assert words("abcdefgh x", "abcdefghi x", "abcdefghij x", "abcdefgi x")[0][1] == words("x")[0][0]
    assert len({text[0] for text in words("abcdefgh x", "abcdefghi x", "abcdefghij x", "abcdefgi x")}) == 4


def test_a_word_is_known_by_its_first_16_bytes_and_its_length() -> None:
    (short,), (other_end,), (longer,) = words("a" * 16 + "bc", "a" * 16 + "xy", "a" * 16 + "bcd")
    assert short == other_end != longer


@given(st.lists(st.text(alphabet="ab1é ’.\n", max_size=40), max_size=8))
def test_words_are_those_that_white_space_and_punctuation_part(texts: list[str]) -> None:
    parted = ["".join(" " if letter in "’.\n" else letter for letter in text).split() for text in texts]
    hashes, counts = word_hashes(pa.array(texts, pa.string()))
    assert counts.tolist() == [len(part) for part in parted]
    flat = [word for part in parted for word in part]
    assert len(dict(zip(hashes.tolist(), flat, strict=True))) == len(set(flat)) == len(set(hashes.tolist()))


def test_units_of_fewer_words_have_no_signature() -> None:
    found = signed(unit("four", text="one two three four"), unit("five", title="one two", text="three four five"), unit("none", text="... !"))
    assert found.keys() == {"five"}
    assert signed() == signed(unit("few", text="one")) == {}


def test_rows_carry_what_the_unit_is_known_by() -> None:
    (row,) = signature_rows(units_table([unit("a", text=TEXT, unit_hash="h", platform="p", thread_group="7")]), 5).to_pylist()
    assert len(row.pop("signature")) == 64
    assert row == {"unit_id": "a", "unit_hash": "h", "created_at": START, "platform": "p", "thread_group": "7"}


def test_signatures_do_not_depend_on_what_is_worked_on_together(monkeypatch: pytest.MonkeyPatch) -> None:
    units = [unit(f"u{number}", text=" ".join(TEXT.split()[: 3 + number % 9])) for number in range(40)]
    at_once = signed(*units)
    monkeypatch.setattr(signatures, "UNITS_AT_ONCE", 3)
    assert signed(*units) == at_once
    assert signed(units[7]) == {"u7": at_once["u7"]}


def test_signatures_are_those_of_earlier_runs() -> None:
    """A lake keeps signatures for years: whoever changes how they are made must have the units made again."""
    assert signed(unit("a", text=TEXT))["a"].hex() == (
        "70673a8ed73cf3ef5824849e5666b467c74505f503816b1975ed6220fe5727d81563c58bdad586e5e7846782a676efeaccca8336f358f096ca59a8cfefd689cb"
    )


@pytest.mark.parametrize(("replaced", "jaccard"), [(0, 1.0), (10, 190 / 210), (50, 150 / 250), (200, 0.0)])
def test_equal_bytes_tell_the_jaccard_similarity_of_the_sets(replaced: int, jaccard: float) -> None:
    generator = np.random.default_rng(5)
    sets = generator.integers(0, 2**32, (300, 2, 200), dtype=np.uint32)
    sets[:, 1, replaced:] = sets[:, 0, replaced:]
    made = min_hashes(sets.ravel(), np.arange(600) * 200)
    equal = (made[::2] == made[1::2]).mean()
    assert equal == pytest.approx(jaccard + (1 - jaccard) / 256, abs=0.01)


def test_similar_texts_share_most_bytes_and_others_hardly_any() -> None:
    many = [f"word{number}" for number in range(60)]
    assert shared(*signed(unit("a", text=" ".join(many)), unit("b", text=" ".join(many[:58]))).values()) > 0.85
    assert shared(*signed(unit("a", text=" ".join(many)), unit("b", text=" ".join(reversed(many)))).values()) < 0.1
