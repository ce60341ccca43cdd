"""Text that gives a labeller orders, and what is left of it without them. Pure.

The fence (`teacher/fence.py`) keeps text from leaving its quotation; a teacher may obey words inside it all the same. So of a text that has such words, a label must be about the rest. What is looked for
are the ways of giving orders that are known, in some languages, also encoded; a text may find another one. A change of what these functions return is a new ANSWERS_VERSION.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote

from teacher.fence import visible

_BEFORE = r"(?:above|previous|prior|preceding|earlier|instructions?|rules?|prompts?|guidelines|examples|everything|whatever you)"
_SAY = r"(?:answer|respond|reply|output|return|print|label|classify|categori[sz]e|tag|annotate|write|repeat|continue|say)"
_MODEL = r"(?:ai|llm|language model|model|assistant|labell?er|classifier|annotator|chat ?bot|bot|gpt|chatgpt|grader)"
_OURS = r"(?:prompt|instructions?|system message|rules|examples|words above|text above|everything above|guidelines)"
_ORDERS = (
    ("ignore disregard forget override bypass", rf"\b(?:ignore|disregard|forget|override|bypass)\b.{{0,40}}\b{_BEFORE}\b"),
    ("answer respond reply output return print label classify categori tag annotate write repeat continue say", rf"\b{_SAY}\b(?:.{{0,40}}\b(?:only|exactly|nothing (?:else|but)|verbatim|word for word|in every case)\b|\W*(?:this|it|the|every|all|any|me|my)?.{{0,30}}\b(?:with|as|by|under)\s*[:\"'“‘«*])"),
    ("only must shall should exactly", rf"\b(?:only|must|shall|should|exactly)\b.{{0,12}}\b{_SAY}\b.{{0,30}}(?:\b(?:with|as)\b|[:\"“«])"),
    ("label topic category answer output specific broad", r"\b(?:label|topic|category|answer|output|specific|broad)s?\b.{0,20}\b(?:must|should|shall|has to|have to|is to|are to|will) (?:be|say|read)\b"),
    ("label category topic classification", r"\b(?:correct|right|true|final|expected) (?:label|category|topic|classification)s?\b"),
    ("label", r"\blabel\b (?:this|it|that|every|all|each|any|me)\b.{0,30}\b(?:with|as|by|under)\b"),
    ("note message attention dear hey hi hello notice reminder memo", rf"\b(?:note|message|attention|dear|hey|hi|hello|notice|reminder|memo)\b.{{0,12}}\b(?:the |all )?{_MODEL}s?\b"),
    ("if since because as act behave pose pretend answer respond", rf"\b(?:if|since|because|as) you(?:'re| are) an? (?:\w+ )?{_MODEL}\b|\b(?:act|behave|pose|respond|answer|pretend)\b.{{0,20}}\bas (?:if|an?|the)\b.{{0,30}}\b(?:{_MODEL}|translator|terminal|parrot|dan)\b"),
    ("you", rf"\byou are (?:now|no longer|hereby)\b|\byou are an? (?:\w+ )?(?:{_MODEL}|translator|terminal|parrot)\b"),
    ("prompt instruction message rules examples words text everything guidelines", rf"\b(?:repeat|print|reveal|show|output|quote|recite|copy|translate|summari[sz]e|list|spell|write|tell|encode|leak|give|name|what (?:is|are|were|was)|begin with|start with)\b.{{0,30}}\b(?:your|system|hidden|initial|original|above|those|these|that)\b.{{0,24}}\b{_OURS}\b"),
    ("instruction order rule task prompt message note override mode", r"\b(?:new|updated|real|revised|secret|further|hidden) (?:instructions?|orders?|rules?|task)\b|\b(?:system|developer) (?:prompt|message|note|override)\b|\b(?:debug|developer|admin|maintenance|god) mode\b"),
    ("end begin start close", r"\b(?:end|begin(?:ning)?|start|close) of (?:the )?(?:text|post|input|quotation|data|prompt|user|context)\b"),
    ("specific broad label topic category", r"\b(?:specific|broad)\b[\"'“”’]?\s*[:=].{0,160}\b(?:specific|broad)\b|[{,]\s*[\"'“]?(?:specific|broad|label|topic|category)\b[\"'”]?\s*[:=]"),
    ("topic category label specific broad -> => → ⇒", r"(?:(?:\b(?:topic|category|label|specific|broad)|->|=>|→|⇒)\s*[:=\-–]?.{1,160}){2,}(?:\b(?:topic|category|label|specific|broad)|->|=>|→|⇒)\s*[:=\-–]?"),
    ("topic category label", r"\b(?:topic|category|label)\s*[:=].{1,160}\b(?:topic|category|label)\s*[:=]"),
    ("assistant developer ##", r"\b(?:assistant|developer|### ?(?:instructions?|response|input|system))\s*:|(?:^|\s)#{2,}\s*(?:instruction|response|system|new|answer)"),
    ("< [", r"<\s*[|/]?\s*(?:im_|start|end|system|assistant|user|eot|eos|bos|s>|think|tool|message|channel|return|header|begin)|\[/?(?:inst|system|available|tool)\w*\]|\[\|\w+\|\]|<<"),
    ("ignorier vergiss missachte antwort schreibe gib etikett nenne", r"(?:ignorier|vergiss|missachte)\w*.{0,40}(?:anweisung|oben|vorherig|bisherig|regel)|(?:antworte|schreibe|gib|etikettiere|nenne)\b.{0,30}\b(?:nur|ausschließlich|genau|stets|immer)\b"),
    ("ignore oublie répond écri", r"(?:ignore[rz]?|oublie[rz]?)\b.{0,40}(?:instructions|précédent|ci-dessus|consignes)|(?:répond\w*|écri\w+)\b.{0,30}(?:uniquement|seulement|exactement|toujours)"),
    ("ignora olvida omite respond contesta etiqueta", r"(?:ignora|olvida|omite)\w*\b.{0,40}(?:instrucciones|anterior|reglas)|(?:respond\w+|contesta|etiqueta)\b.{0,30}(?:s[oó]lo|solamente|únicamente|exactamente|siempre)"),
    ("ignor esqueça responda", r"(?:ignor\w+|esqueça)\b.{0,40}(?:instruções|anterior|regras)|responda\b.{0,30}(?:apenas|somente|só\b|sempre)"),
    ("ignora dimentica rispondi", r"(?:ignora|dimentica)\w*\b.{0,40}(?:istruzioni|precedent|regole)|rispondi\b.{0,30}(?:solo|soltanto|sempre|esattamente)"),
    ("zignoruj zapomnij odpowiedz", r"(?:zignoruj|zapomnij)\b.{0,40}(?:instrukcj|powyż|poprzedni)|odpowiedz\b.{0,30}(?:tylko|wyłącznie)"),
    ("yoksay unut görmezden yalnızca sadece", r"(?:yoksay|unut|görmezden)|(?:yalnızca|sadece)\b.{0,40}(?:cevap|yanıt|yaz)"),
    ("игнорируй забудь обращай ответь отвечай напиши выведи", r"(?:игнорируй|забудь|не обращай)\w*.{0,40}(?:инструкц|указан|предыдущ|выше|правил)|(?:ответь|отвечай|напиши|выведи)\w*.{0,30}(?:только|ровно|всегда)"),
    ("忽略 无视 無視 忘记 只 仅", r"(?:忽略|无视|無視|忘记).{0,20}(?:指令|指示|以上|上述|之前|前面|规则)|[只仅](?:需|能|要)?(?:回答|回复|输出|答)"),
    ("無視 忘れ だけ のみ 指示 命令", r"(?:無視|忘れ)(?:し|て)|(?:だけ|のみ).{0,8}(?:答え|回答|出力)|(?:指示|命令).{0,12}(?:従|無視)"),
    ("무시 잊어 만", r"(?:무시|잊어)|만\s*(?:대답|답|출력)"),
    ("تجاهل انس أجب اكتب رد", r"(?:تجاهل|انس).{0,40}(?:التعليمات|السابقة|أعلاه)|(?:أجب|اكتب|رد).{0,30}(?:فقط|فحسب)"),
    ("अनदेखा भूल केवल", r"(?:अनदेखा|भूल).{0,40}|केवल.{0,60}(?:उत्तर|जवाब|लिख)"),
)  # fmt: skip
"""Ways of giving orders: what a text has one of, where it has one, parted by spaces, and the pattern; of a text in lower case."""
_COMPILED = tuple((tuple(words.split()), re.compile(pattern)) for words, pattern in _ORDERS)
_IN_CODE = ("answer", "label", "ignore", "instruction", "prompt", "respond", "reply", "output", "disregard", "categor")
"""What other readings of a text than the one that it is written for must have, to be worth a look."""
_SPELLED = re.compile(r"(?:\b\w[ .\-_*|]){10,}\w\b")
_SENTENCE = re.compile(r"(?<=[.!?…;])\s+|(?<=[。！？])| — ")
_QUOTED = re.compile(r"[\"“„«‘「『`][^\"“”„«»’「」『』`]{1,200}[\"”“»’」』`]|(?<!\w)'[^']{1,200}'(?!\w)")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_BITS = re.compile(r"(?:[01]{8}\s*){6,}")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_READ_CHARS = 8000
"""Of a text, as much as is looked at: more than any prompt shows of a unit."""
_LATIN = str.maketrans("АВЕКМНОРСТУХаеорсухіјѕԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοινρ", "ABEKMHOPCTYXaeopcyxijsdqwABEZHIKMNOPTYXoivp")
_DIGITS = str.maketrans("013457@$", "oieastas")


class Remains(NamedTuple):
    """Of a text that gives orders: `rest` without them and without quotations; `near`, they and the sentence before and behind each, in all readings; `far`, what is not near."""

    rest: str
    near: str
    far: str


def without_orders(text: str) -> Remains | None:
    """What is left of a text, whose parts stand on lines, without its orders; None where it gives none."""
    parts = [[sentence for sentence in _SENTENCE.split(line) if sentence.strip()] for line in text[:_READ_CHARS].split("\n")]
    ordering = [[_gives_orders(sentence) for sentence in sentences] for sentences in parts]
    if not any(map(any, ordering)):
        if not _gives_orders(" ".join(sentence for sentences in parts for sentence in sentences)):
            return None
        ordering = [[True] * len(sentences) for sentences in parts]
    rest: list[str] = []
    near: list[str] = []
    far: list[str] = []
    for sentences, orders in zip(parts, ordering, strict=True):
        for place, sentence in enumerate(sentences):
            if not orders[place]:
                rest.append(sentence)
            (near if any(orders[max(0, place - 1) : place + 2]) else far).append(sentence)
    return Remains(_QUOTED.sub(" ", "\n".join(rest)), "\n".join(reading for sentence in near for reading in readings(sentence)), "\n".join(far))


@lru_cache(maxsize=512)
def _gives_orders(sentence: str) -> bool:
    seen, *others = (reading.lower() for reading in readings(sentence))
    hidden = (other for other in others if other != seen and any(word in other for word in _IN_CODE))
    return bool(_SPELLED.search(sentence)) or any(_orders(reading) for reading in (seen, *hidden))


def _orders(reading: str) -> bool:
    return any(pattern.search(reading) for words, pattern in _COMPILED if any(word in reading for word in words))


def readings(text: str) -> Iterator[str]:
    """A text as it stands, and as what it may be an encoding of: look-alike letters, digits for letters, rot13, backwards, entities, base64, hexadecimal and binary digits, tag signs."""
    seen = visible(text)
    yield seen
    yield seen.translate(_LATIN)
    yield seen.translate(_DIGITS)
    yield codecs.encode(seen, "rot13")
    yield seen[::-1]
    yield " ".join(reversed(seen.split()))
    if not seen.isascii():
        yield "".join(sign for sign in unicodedata.normalize("NFD", seen) if unicodedata.category(sign)[0] != "M")
    if "&" in text or "%" in text or "\\" in text:
        yield _unescaped(text)
    yield from (_plain_of_tags(found.group()) for found in _TAGS.finditer(text))
    yield from (decoded for found in _ENCODED.finditer(seen) for decoded in _decoded(found.group()))
    yield from ("".join(chr(int(byte, 2)) for byte in re.findall("[01]{8}", found.group())) for found in _BITS.finditer(seen))


def folded(text: str) -> str:
    """A text as a reader sees it, its look-alike letters as Latin ones."""
    return visible(text).translate(_LATIN)


def _unescaped(text: str) -> str:
    text = unquote(unescape(text))
    return re.sub(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})", lambda match: chr(int(match[1] or match[2], 16)), text)


def _plain_of_tags(tags: str) -> str:
    return "".join(chr(ord(sign) - 0xE0000) for sign in tags)


def _decoded(word: str) -> Iterator[str]:
    """What a word of letters and digits says in base64 or hexadecimal digits, where it is text."""
    padded = word.rstrip("=").replace("-", "+").replace("_", "/")
    for decode, encoded in ((base64.b64decode, padded + "=" * (-len(padded) % 4)), (binascii.unhexlify, word)):
        try:
            said = decode(encoded).decode()
        except ValueError:
            continue
        if said.isprintable():
            yield said
