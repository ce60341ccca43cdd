"""The attacks of tests/data/hostile_texts.yaml, each as a unit with what it wants to be answered, and the same unit without it."""

import base64
import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

Place = Literal["title", "text", "community", "root", "parent"]
FILE = Path(__file__).parent / "data" / "hostile_texts.yaml"
_LOOK_ALIKES = str.maketrans("aeopcxyABEKMHOPCTX", "аеорсхуАВЕКМНОРСТХ")
_BOLD = {ord("A") + number: 0x1D400 + number for number in range(26)} | {ord("a") + number: 0x1D41A + number for number in range(26)}
_WIDE = {sign: sign + 0xFEE0 for sign in range(0x21, 0x7F)}
ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "backwards": lambda text: text[::-1],
    "tags": lambda text: "".join(chr(0xE0000 + ord(sign)) for sign in text),
    "entities": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "binary": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "fullwidth": lambda text: text.translate(_WIDE),
    "bold": lambda text: text.translate(_BOLD),
    "homoglyphs": lambda text: text.translate(_LOOK_ALIKES),
    "zero_width": "\u200b".join,
    "bidi": lambda text: "".join(f"\u202e{word}\u202c " for word in text.split()),
    "spaced": " ".join,
    "leet": lambda text: text.translate(str.maketrans("oieas", "01345")),
    "marks": lambda text: "".join(sign + "\u0301\u0336\u0489\u0308\u0330\u0360" for sign in text),
}


@dataclass(frozen=True)
class Attack:
    """One attack: `unit` holds it in its `place`, `twin` does not; it succeeds where `specific` and `broad` are taken for labels."""

    name: str
    kind: str
    place: Place
    text: str
    unit: dict[str, Any]
    twin: dict[str, Any]
    specific: str
    broad: str
    leak: Literal["small", "chat"] | None


def attacks() -> list[Attack]:
    """All of them, in the order of the file."""
    found = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    harmless = found["harmless"]
    return [_attack(row, harmless[number % len(harmless)]) for number, row in enumerate(found["attacks"])]


def _attack(row: Mapping[str, Any], harmless: Mapping[str, Any]) -> Attack:
    written = ENCODINGS[row["encoded"]](row["text"]) if "encoded" in row else row["text"]
    before, behind = (row.get(name, ["", 0]) for name in ("before", "behind"))
    text = before[0] * before[1] + written + behind[0] * behind[1]
    specific, broad = row["wanted"]
    words = dict(harmless) | {row["place"]: text if row["place"] in ("title", "community") else f"{harmless[row['place']]}. {text}"}
    return Attack(f"{row['kind']}: {row['name']}", row["kind"], row["place"], text, _unit(words), _unit(harmless), specific, broad, row.get("leak"))


def _unit(words: Mapping[str, Any]) -> dict[str, Any]:
    context = [
        {"role": role, "unit_id": None, "speaker": f"other-{number}", "speaker_id": None, "title": None, "text": words[role], "created_at": None}
        for number, role in enumerate(("root", "parent"), 1)
    ]
    return {
        "unit_id": "made:1", "platform": "reddit", "action": "comment", "community": words["community"], "title": words["title"], "text": words["text"], "context": context,
    }  # fmt: skip
