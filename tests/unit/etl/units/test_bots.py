"""The list of bots that ships with us."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from etl.units.bots import listed_bots, listed_names
from lake.pseudonyms import pseudonym

ROOT = Path(__file__).parents[4]
KEY = b"k" * 32


def test_the_list_holds_well_known_bots_each_once() -> None:
    names = listed_names("reddit")
    assert {"AutoModerator", "RemindMeBot", "sneakpeekbot", "TotesMessenger"} < set(names)
    assert len({name.lower() for name in names}) == len(names) >= 100
    assert all(re.fullmatch(r"[\w-]{3,20}", name) for name in names)


def test_every_line_of_the_list_is_a_name_or_a_comment() -> None:
    lines = (ROOT / "etl" / "units" / "bots.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith(("#", "reddit:"))] == []


def test_listed_bots_are_the_ids_that_ingest_makes_of_their_names() -> None:
    bots = listed_bots("reddit", KEY)
    assert pseudonym(KEY, "reddit", "automoderator") in bots
    assert len(bots) == len(listed_names("reddit"))
    assert listed_bots("elsewhere", KEY) == frozenset()


def test_the_list_is_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("kindred-*.whl")
    with zipfile.ZipFile(wheel) as built:
        assert built.read("etl/units/bots.txt") == (ROOT / "etl" / "units" / "bots.txt").read_bytes()
