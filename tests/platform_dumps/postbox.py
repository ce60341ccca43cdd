"""Archives of mailing lists, for the platform that ADDING_A_PLATFORM.md adds."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.dump_rows import account, is_bad, words, write_lines

OPTIONS: dict[str, Any] = {}


def write_dump(folder: Path, records: int, bad: int = 0) -> None:
    """Two lists with half of the letters each; bad ones break off."""
    half = records // 2
    for name, numbers in {"gardening": range(half), "music": range(half, records)}.items():
        write_lines(folder / f"{name}.letters.jsonl", (_line(number, records, bad) for number in numbers))


def write_texts(folder: Path, texts: Sequence[str]) -> None:
    """A letter of each text."""
    letters = (json.dumps(_letter(number) | {"id": f"x{number}", "subject": text, "body": text}) for number, text in enumerate(texts))
    write_lines(folder / "texts.letters.jsonl", letters)


def _line(number: int, records: int, bad: int) -> str:
    line = json.dumps(_letter(number))
    return line[:-1] if is_bad(number, records, bad) else line


def _letter(number: int) -> dict[str, Any]:
    letter = {"id": f"m{number}", "from": account(number), "sent": 1_262_304_000 + number, "subject": words(number, 4), "body": words(number)}
    return letter if number % 10 == 0 else letter | {"thread": f"m{number - number % 10}", "answers": f"m{number - 1}"}
