"""The language of a text: right on short texts of ten languages, silent where it cannot be told."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pycld2
import pytest

from etl.config import LANGUAGES
from etl.units.languages import identify_languages, with_languages
from tests.etl_rows import act, acts_batch

SENTENCES = Path(__file__).parents[3] / "data" / "languages.tsv"


def languages_of(*texts: str | None) -> list[str | None]:
    return identify_languages(pa.array(texts, pa.string())).to_pylist()


def test_short_texts_of_ten_languages_are_told_or_left_open_but_never_mistaken() -> None:
    expected, texts = zip(*(line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines()), strict=True)
    found = languages_of(*texts)
    assert Counter(expected) == dict.fromkeys(("en", "de", "fr", "es", "pt", "it", "nl", "pl", "ru", "ja"), 6)
    wrong = [(text, language) for text, language, right in zip(texts, found, expected, strict=True) if language not in (right, None)]
    assert wrong == []
    assert sum(language is None for language in found) <= 2


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "thanks!",
        "🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉",
        "https://example.com/eine/sehr/lange/adresse/mit/deutschen/woertern",
        "r/quityourbullshit u/schadenfreude",
        "\ufffe not \ufffe a text",
    ],
)
def test_what_has_no_words_enough_is_left_open(text: str | None) -> None:
    assert languages_of(text) == [None]


def test_links_and_names_say_nothing_of_the_language() -> None:
    assert languages_of("Weiß jemand, wann das öffnet? https://example.com/the/opening/hours/of/the/library/on/sundays u/the_librarian_of_this_town") == ["de"]


def test_codes_are_those_of_today() -> None:
    assert languages_of("שלום לכולם, אני רוצה לדעת אם הספרייה פתוחה", "你們今天都去什麼學校上課呢我也想知道") == ["he", "zh"]


def test_equal_texts_keep_their_places() -> None:
    german, english = "Weiß jemand, ob die Bibliothek geöffnet hat?", "Does anyone know if the library is open?"
    assert languages_of(german, None, english, german) == ["de", None, "en", "de"]


def test_languages_that_a_filter_may_name_are_those_that_can_be_told() -> None:
    codes = {code.partition("-")[0] for name, code in pycld2.LANGUAGES if name in pycld2.DETECTED_LANGUAGES}
    assert {code for code in codes if len(code) == 2} - {"xx", "iw", "jw"} | {"he", "jv"} == LANGUAGES


def test_a_language_that_the_platform_tells_stays_and_title_and_text_tell_the_others() -> None:
    acts = [
        act("1", title="Weiß jemand, ob die", text="Bibliothek geöffnet hat?", language="pt-BR"),
        act("2", title="Weiß jemand, ob die", text="Bibliothek geöffnet hat?"),
        act("3", title="Does anyone know if the library is open?", text=None),
        act("4", text=None),
    ]
    batch = acts_batch(acts)
    known = with_languages(batch)
    assert known["language"].to_pylist() == ["pt-BR", "de", "en", None]
    assert known.schema == batch.schema
    assert known.drop_columns(["language"]).equals(batch.drop_columns(["language"]))
