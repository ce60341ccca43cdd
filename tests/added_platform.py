"""The package that ADDING_A_PLATFORM.md writes, built and unpacked as an installer would, without a network."""

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.pages import ROOT, commands_of, files_of, write_files

PAGE = ROOT / "ADDING_A_PLATFORM.md"


@dataclass(frozen=True)
class AddedPlatform:
    """Where the page's files are, its wheel under the name of a zip, and the folder that holds what the wheel installs."""

    files: Path
    zip: Path
    site: Path


def page_commands() -> list[list[str]]:
    """The words of each `kindred` command on the page."""
    return commands_of(PAGE.read_text(encoding="utf-8"))


def add_platform(folder: Path) -> AddedPlatform:
    """Write the page's files below a folder, and build and unpack its package there."""
    write_files(folder, files_of(PAGE.read_text(encoding="utf-8")))
    (project,) = folder.glob("*/pyproject.toml")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, project.parent]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    added = AddedPlatform(folder, wheel.with_suffix(".zip"), folder / "site")
    with zipfile.ZipFile(wheel.rename(added.zip)) as package:
        package.extractall(added.site)
    return added
