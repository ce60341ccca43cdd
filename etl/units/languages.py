"""The language of the words of acts, told by CLD2 (edge): a table inside the library, no model to load.

Source: https://github.com/CLD2Owners/cld2; what it was chosen over stands in benchmarks/RESULTS.md.
"""

import pyarrow as pa
import pyarrow.compute as pc

from conf.errors import ConfigError
from etl.config import LANGUAGES

# Links and names of accounts and communities are in no language.
_NO_WORDS = r"(?i)https?://\S+|\b[ru]/\S+"
_CHARS_LOOKED_AT = 1000
# Bytes of letters and spaces in UTF-8: some 20 Latin letters, 7 Chinese characters. Below, Reddit's slang is told for anything.
_MIN_BYTES = 20
_RENAMED = {"iw": "he", "jw": "jv"}


def with_languages(acts: pa.RecordBatch) -> pa.RecordBatch:
    """Acts with `language` filled in where it was null and can be told from title and text."""
    words = pc.binary_join_element_wise(acts["title"].fill_null(""), acts["text"].fill_null(""), "\n")
    unknown = pc.if_else(acts["language"].is_null(), words, pa.scalar(None, pa.string()))
    languages = pc.coalesce(acts["language"], identify_languages(unknown))
    return acts.set_column(acts.schema.get_field_index("language"), acts.schema.field("language"), languages)


def identify_languages(texts: pa.Array) -> pa.Array:
    """ISO 639-1 code (one of LANGUAGES) of each text; null where it is too short, too mixed, or of another language. Shape: (N,) -> (N,).

    Raises ConfigError where the identifier is not installed.
    """
    words = pc.utf8_slice_codeunits(pc.replace_substring_regex(texts, _NO_WORDS, " "), 0, _CHARS_LOOKED_AT)
    distinct = words.dictionary_encode()
    return pa.array(_languages(distinct.dictionary.to_pylist()), pa.string()).take(distinct.indices)


def _languages(texts: list[str]) -> list[str | None]:
    try:
        import pycld2
    except ImportError:
        raise ConfigError("etl.identify_languages, etl.filters.languages: pycld2 is not installed; it comes with '.[etl]' up to Python 3.13") from None
    languages: list[str | None] = []
    for text in texts:
        try:
            is_reliable, letter_bytes, ((_, code, _, _), *_) = pycld2.detect(text)
        except pycld2.error:  # characters that no text interchange allows
            is_reliable, letter_bytes, code = False, 0, ""
        code = _RENAMED.get(code, code.partition("-")[0])
        languages.append(code if is_reliable and letter_bytes >= _MIN_BYTES and code in LANGUAGES else None)
    return languages
