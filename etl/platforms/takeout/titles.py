"""What the title of an entry says was done, in whatever language."""

from collections.abc import Iterator
from typing import NamedTuple

from etl.platforms.takeout.words import LEFT_OUT, PHRASES, Phrase


class Reading(NamedTuple):
    """One way to read a title: in a language, as an action and its words."""

    language: str
    action: str
    words: str


_KNOWN = [(language, action, phrase) for language, actions in PHRASES.items() for action, phrases in actions.items() for phrase in phrases]
_BY_BEGINNING = {first: [known for known in _KNOWN if known[2].before[:1] == first] for first in {known[2].before[:1] for known in _KNOWN}}
_ENDINGS = tuple(phrase.after for _, _, phrase in _BY_BEGINNING[""])
_LEFT_OUT = [(kind, phrase) for kind, phrases in LEFT_OUT.items() for phrase in phrases]


class TitleReader:
    """Reads the titles of one history, which are all in one language.

    What was watched or sought may read like a phrase of another language: 'Watched X angesehen'. The language of the last title that can be read in one
    alone decides, or where there was none, the longer phrase.
    """

    def __init__(self) -> None:
        self._language: str | None = None

    def read(self, title: str) -> tuple[str, str] | None:
        """(action, words) of a title whose white space is in order; None where it has no known phrase."""
        readings = sorted(_readings(title), key=lambda reading: (reading.language != self._language, len(reading.words)))
        if not readings:
            return None
        if all(reading.language == readings[0].language for reading in readings):
            self._language = readings[0].language
        return readings[0].action, readings[0].words


def left_out_kind(title: str) -> str | None:
    """What an entry is that makes no act, told by its title; None where it is none of these."""
    plain = title.replace("’", "'")
    return next((kind for kind, phrase in _LEFT_OUT if _words(plain, phrase) is not None), None)


def _readings(title: str) -> Iterator[Reading]:
    known = _BY_BEGINNING.get(title[:1], [])
    for language, action, phrase in [*known, *_BY_BEGINNING[""]] if title.endswith(_ENDINGS) else known:
        if words := _words(title, phrase):
            yield Reading(language, action, words)


def _words(title: str, phrase: Phrase) -> str | None:
    """What stands between the parts of a phrase; None where the title has not both."""
    length = len(title) - len(phrase.before) - len(phrase.after)
    if length < 0 or not title.startswith(phrase.before) or not title.endswith(phrase.after):
        return None
    return title[len(phrase.before) : len(phrase.before) + length].strip()
