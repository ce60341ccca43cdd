"""What the teacher wrote -> two labels, or the reason why they are none. Pure; labels made elsewhere pass the same rules.

A label is item-like: a topic, an entity, an action, an opinion. It names no account, speaks in nobody's first person, states nothing that a
person *is*, and repeats neither the prompt's examples, nor its words, nor a long text; of a text that gives orders it is about the rest. A change of these rules is a new ANSWERS_VERSION.
"""

import codecs
import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from lake.labels import LEVELS, Level, normalised
from lake.rendering import plain
from teacher.orders import folded, without_orders

ANSWERS_VERSION = "answers-2"
WORD_LIMITS: dict[Level, tuple[int, int]] = {"specific": (2, 12), "broad": (1, 5)}
CHARACTER_LIMITS: dict[Level, int] = {"specific": 120, "broad": 60}
COPIED_WORDS = 8
"""A label with as many words in a row out of the text is a quotation, not a label."""
LEAKED_WORDS, LEAKED_LETTERS = 4, 16
"""A label with as many words in a row out of the prompt and not out of the text gives the prompt away; so does one that stands in it whole, of as many letters."""

_NUMBERING = re.compile(r"^(?:\d{1,2}[.)]\s+|[-*•–—#>]+\s+)")
_CUE = re.compile(r"^(?:the\s+)?(?:specific|broad|topic|category|label|about|answer)\s*(?:label|topic|category)?\s*[:=]\s*", re.IGNORECASE)
_QUOTES = "\"'`“”‘’„«»*_ "
_ENDING = " .,;:!…-–—"
_SMALL_WORDS = frozenset(["a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "of", "on", "or", "the", "to", "vs", "with"])

_MARKUP = re.compile(
    r"<[|/]?\w+[|]?>|[{}\[\]|\\]|```|\b(?:post|thread|text|topic|category|specific|broad)\s*:|\b(?:system|assistant)\s*prompt\b", re.IGNORECASE
)
_ORDER = re.compile(r"\b(?:ignore|disregard|forget)\b.{0,20}\b(?:above|previous|prior|instructions?)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"https?:|www\.|\b[\w-]+\.(?:com|org|net|io|gov|edu|co|me)\b|\S+@\S+\.\S+", re.IGNORECASE)
_ACCOUNT = re.compile(r"(?:^|\W)/?u/[\w\[-]|(?:^|\s)@\w|\bother-\d|\bspeaker\b|\b(?:user|account) ?name\b.*\d", re.IGNORECASE)
_FIRST_PERSON = re.compile(
    r"(?<![\w'’.-])(?:I(?=['’](?:m|ve|d|ll)\b)|I(?=\s+[a-z])|i['’]m|i(?=\s+(?:am|was|have|do|can|will)\b)|me|my|myself|we|our|us)(?![\w.-])"
)
_FIRST_PERSON_START = re.compile(r"^(?:My|We|Our|Me|Us)(?=['’\s][^A-Z]|$)")
_ORDINAL_I = re.compile(
    r"\b(?:war|part|phase|type|class|division|level|volume|chapter|book|calculus|calc|physics|title|tier|stage|act|schedule)\s+I\b", re.IGNORECASE
)
_PERSON = r"(?:user|author|poster|speaker|writer|commenter|redditor|narrator|op)"
_STATE = re.compile(
    rf"^(?:is|are|am|was|were|has been|identifies as|being an?)\b|^(?:he|she|they)(?:['’]s|['’]re|\s+(?:is|are|was|has|likes?|loves?|works?))\b"
    rf"|^(?:the|this|a)\s+{_PERSON}\b(?!['’]s)|\b{_PERSON}\s+(?:is|was|has|seems|appears|likes|loves|wants|feels|thinks|lives|works|identifies)\b",
    re.IGNORECASE,
)  # fmt: skip
_REFUSAL = re.compile(r"\bas an ai\b|\b(?:cannot|can['’]t|unable to) (?:assist|help|label|answer|determine|provide)\b|^(?:i['’]m )?sorry\b", re.IGNORECASE)
_MIXED_SCRIPTS = re.compile("[a-z][\u0400-\u04ff]|[\u0400-\u04ff][a-z]", re.IGNORECASE)
_CODE = re.compile(r"(?=[a-fA-F]*\d)[0-9a-fA-F]{16,}|(?=\S*\d)(?=\S*[a-z])(?=\S*[A-Z])[A-Za-z0-9+/_-]{14,}|[A-Za-z0-9+/]{12,}=")
_NO_CATEGORY = frozenset({"none", "other", "others", "unknown", "uncategorized", "uncategorised", "misc", "miscellaneous", "n a", "na", "general", "null"})


class LabelTexts(NamedTuple):
    """Two labels that passed every rule."""

    specific: str
    broad: str


class Refused(NamedTuple):
    """Why a completion is no label: short and countable, '<level>: <what>'."""

    reason: str


def judge(
    specific: str, broad: str, *, source: str = "", examples: Collection[str] = (), prompt_texts: tuple[str, ...] = ()
) -> LabelTexts | Refused:  # fmt: skip
    """The cleaned labels, or the first rule that they break.

    `source` is the text that they are about, `examples` are the prompt's own specific labels and `prompt_texts` what else it says; without them nothing is taken for a copy.
    """
    cleaned: dict[Level, str] = {"specific": clean("specific", specific), "broad": clean("broad", broad)}
    for level in LEVELS:
        fault = _fault(level, cleaned[level])
        if fault:
            return Refused(f"{level}: {fault}")
    if _is_quotation(cleaned["specific"], source):
        return Refused("specific: quotation of the text")
    if _echoes(cleaned["specific"], examples, source):
        return Refused("specific: example of the prompt")
    for level in LEVELS:
        if _leaks(cleaned[level], prompt_texts, source):
            return Refused(f"{level}: words of the prompt")
    if dictated := _dictated(cleaned, source):
        return Refused(f"{dictated}: dictated by the text")
    return LabelTexts(**cleaned)


def clean(level: Level, text: str) -> str:
    """The first line without numbering, quotes, cue and closing punctuation; a category's words and a label's first one capitalised."""
    line = next((part for part in text.splitlines() if part.strip()), "")
    line = plain(unicodedata.normalize("NFC", line), 2 * CHARACTER_LIMITS["specific"])
    line = _CUE.sub("", _NUMBERING.sub("", line))
    line = _unquoted(line).rstrip(_ENDING).strip()
    if line.count('"') == 1:
        line = line.replace('"', "")
    return _title(line) if level == "broad" else _capitalised(line)


def _unquoted(line: str) -> str:
    """The line without marks that stand around all of it."""
    while len(line) > 1 and line[0] in _QUOTES and (line[-1] in _QUOTES or (line[-2:-1] in _QUOTES and line[-1] in _ENDING)):
        line = line.strip(_QUOTES) if line[-1] in _QUOTES else line[:-1].strip(_QUOTES)
    return line


def _capitalised(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.islower() else text


def _title(text: str) -> str:
    words = [word if word in _SMALL_WORDS and place else _capitalised(word) for place, word in enumerate(text.split())]
    return " ".join(words)


def _fault(level: Level, text: str) -> str | None:
    """The first rule that a cleaned label breaks by itself."""
    words, (least, most) = text.split(), WORD_LIMITS[level]
    if not words:
        return "empty"
    if sum(character.isalpha() for character in text) < 3 or not text.isprintable():
        return "no words"
    for pattern, fault in ((_MARKUP, "markup"), (_ADDRESS, "address"), (_ACCOUNT, "account name"), (_ORDER, "order"), (_REFUSAL, "refusal")):
        if pattern.search(text):
            return fault
    if _STATE.search(text):
        return "what a person is"
    if _CODE.search(text) or _MIXED_SCRIPTS.search(text):
        return "code"
    if _FIRST_PERSON.search(_ORDINAL_I.sub("", text)) or _FIRST_PERSON_START.search(text):
        return "first person"
    if level == "broad" and normalised(text) in _NO_CATEGORY:
        return "no category"
    if len(words) < least:
        return "too few words"
    if len(words) > most or len(text) > CHARACTER_LIMITS[level]:
        return "too long"
    if text.endswith("?"):
        return "question"
    return "repetition" if _repeats(text) else None


def _repeats(text: str) -> bool:
    """Whether a few words come again and again, as small models do."""
    words = [word for word in normalised(text).split() if word not in _SMALL_WORDS]
    return len(words) > 1 and len(set(words)) <= len(words) * 0.6


def _is_quotation(label: str, source: str) -> bool:
    words = normalised(label).split()
    return len(words) >= COPIED_WORDS and f" {' '.join(words)} " in f" {normalised(source)} "


def _echoes(label: str, examples: Collection[str], source: str) -> bool:
    """Whether at least half of a label's telling words come from an example of the prompt and not from the text."""
    of_label, of_source = _stems(label), _stems(source)
    return any(2 * len((of_label & _stems(example)) - of_source) >= max(1, len(of_label)) for example in examples)


def _leaks(label: str, prompt_texts: tuple[str, ...], source: str) -> bool:
    """Whether a label, as it stands, in rot13 or backwards, says what the prompt says and the text does not."""
    runs, letters = _runs_and_letters(prompt_texts)
    of_source, source_letters = f" {normalised(source)} ", _letters(source)
    for reading in (label, codecs.encode(label, "rot13"), label[::-1], " ".join(reversed(label.split()))):
        if any(run in runs and f" {run} " not in of_source for run in _word_runs(reading)):
            return True
        said = _letters(reading)
        if len(said) >= LEAKED_LETTERS and any(said in each for each in letters) and said not in source_letters:
            return True
    return False


@lru_cache(maxsize=8)
def _runs_and_letters(texts: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    return frozenset(run for text in texts for run in _word_runs(text)), tuple(_letters(text) for text in texts)


def _word_runs(text: str) -> set[str]:
    words = normalised(text).split()
    return {" ".join(words[place : place + LEAKED_WORDS]) for place in range(len(words) - LEAKED_WORDS + 1)}


def _letters(text: str) -> str:
    return normalised(text).replace(" ", "")


def _dictated(labels: dict[Level, str], source: str) -> Level | None:
    """The level whose label a text orders, rather than being about it: of a text with orders a specific label has half of its telling words from the rest, and none of both is said near an order alone."""
    found = without_orders(source)
    if found is None:
        return None
    rest, near, far = (f" {normalised(folded(text))} " for text in found)
    for level, label in labels.items():
        words = f" {normalised(folded(label))} "
        if words in near and words not in far:
            return level
    specific, broad, of_rest = _stems(folded(labels["specific"])), _stems(folded(labels["broad"])), _stems(rest)
    if 2 * len(specific & of_rest) < max(1, len(specific)):
        return "specific"
    return "broad" if (broad & _stems(near)) - of_rest else None


def _stems(text: str) -> set[str]:
    """Beginnings of the longer words, so that 'brakes' and 'braking' meet."""
    return {word[:4] for word in normalised(text).split() if len(word) > 3}
