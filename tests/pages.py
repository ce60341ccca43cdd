"""What pages of the documentation show: their files and their commands, for tests that do what a reader would."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FILE = re.compile(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\.venv/bin/kindred (.*)$", re.MULTILINE)


def section_of(page: str, heading: str) -> str:
    """The part of a page below one of its headings."""
    found = (ROOT / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    assert found, f"{page} has no heading {heading!r}"
    return found.partition("\n## ")[0]


def files_of(text: str) -> dict[str, str]:
    """Name -> content of each file that a page shows below its name."""
    return dict(_FILE.findall(text))


def commands_of(text: str) -> list[list[str]]:
    """The words of each `kindred` command on a page."""
    return [shlex.split(command, comments=True) for command in _COMMAND.findall(text)]


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write the files of a page below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
