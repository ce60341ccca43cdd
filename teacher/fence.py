"""User text -> words that stand in a prompt as data. Pure.

User text is hostile: it may close quotations, start fields of a prompt, hold tokens of chat templates, written out, in look-alikes or with invisible signs between, or say what nobody sees.
"""

import re
import unicodedata

_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef]")
"""Signs that show nothing and that Unicode counts among letters and marks all the same."""
_JOINERS = "\u200c\u200d"
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_MOST_MARKS = 4
"""Marks on one letter that writing needs at most; more of them are tokens that say nothing."""
_MARKS = re.compile("\0+")
_TEMPLATE_TOKEN = re.compile(r"<\s*([|/]?[^\s<>]{0,40}?[|]?)\s*>|\[(/?[A-Z_]{3,20}|gMASK|\|\w{1,40}\|)\]")
_CUE = re.compile(
    r"\b(post|thread|topic|category|specific|broad|self|parent|earlier|about|label|system|assistant|user|human|instructions?|response|answer)(\s*):",
    re.IGNORECASE,
)


def harmless(text: str) -> str:
    """Text that closes no quotation, starts no field of a prompt, holds no token of a chat template, and nothing that cannot be seen."""
    text = _TEMPLATE_TOKEN.sub(lambda match: f"({match[1] or match[2] or ''})", visible(text).replace('"', "'"))
    return _CUE.sub(r"\1\2 -", text.replace("<|", "(|").replace("|>", "|)").replace("[|", "(|"))


def visible(text: str) -> str:
    """What a reader sees of a text: no invisible signs, no more than a few marks on a letter, and look-alikes of letters and brackets as what they look like where they are one sign of plain text."""
    if text.isascii():
        return text
    shown = "".join(_plain_sign(sign) for place, sign in enumerate(text) if _is_seen(text, place))
    marks = "".join("\0" if unicodedata.category(sign)[0] == "M" else "x" for sign in shown)
    surplus = {place for run in _MARKS.finditer(marks) for place in range(run.start() + _MOST_MARKS, run.end())}
    return "".join(sign for place, sign in enumerate(shown) if place not in surplus) if surplus else shown


def _is_seen(text: str, place: int) -> bool:
    """Joiners belong to the writing of Persian, of Hindi and of pictures, and stay between two signs of such."""
    sign = text[place]
    if sign in _JOINERS:
        return 0 < place < len(text) - 1 and not text[place - 1].isascii() and not text[place + 1].isascii()
    return unicodedata.category(sign) not in _HIDDEN and not _INVISIBLE.match(sign)


def _plain_sign(sign: str) -> str:
    plain = unicodedata.normalize("NFKC", sign)
    return plain if len(plain) == 1 else sign
