"""`kindred teacher audit` on a lake that two teachers labelled: figures by the real frozen encoder, the page, and its ticks."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from teacher_lake import FakeEngine, unit_row, write_units

from conf.errors import ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.labels import LABELS, Label
from lake.schema import rows_table
from pipeline import cli
from teacher import arguments
from teacher.config import AuditConfig, TeacherConfig
from teacher.engine import Decoding, Question
from teacher.jobs.audit import run_job
from teacher.jobs.label import label_units
from teacher.selected_units import contents_asked_of_all

THINGS = [
    "a bridge over the river",
    "a telescope for beginners",
    "sourdough bread",
    "the brakes of a bicycle",
    "a cat and its scratching post",
    "student loans",
]
TEXTS = [f"does anybody know more about {thing}?" for thing in THINGS]
STRONG = "import-of-a-strong-one"


@pytest.fixture
def labelled(lake: LakeConfig) -> LakeConfig:
    """Six units; a strong teacher labelled five of them and had no unit for a sixth label."""
    units = [unit_row(f"reddit:t1_{place}", "ann", text) for place, text in enumerate(TEXTS)]
    write_units(lake, units)
    rows = [_label(unit["unit_hash"], thing) for unit, thing in zip(units[:5], THINGS, strict=False)] + [_label("nowhere", None)]
    arrow_tables.append(lake, LABELS, rows_table(LABELS, [row.model_dump() for row in rows]))
    return lake


def _label(content: str, thing: str | None) -> Label:
    return Label(
        unit_hash=content, teacher_version=STRONG, specific=thing or "", broad="everyday things" if thing else "", teacher_model="strong", prompt_version="p",
        rendering_version="1", decoding="imported", prompt_tokens=None, completion_tokens=None, batch=None, labelled_at=None,
        reason=None if thing else "unknown unit", raw=None if thing else "{}",
    )  # fmt: skip


def ask(lake: LakeConfig, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main(["teacher", "audit", "--lake", lake.path, *words]) == 0
    return capsys.readouterr().out


def test_the_same_contents_are_labelled_again_and_compared(labelled: LakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine()
    label_units(labelled, TeacherConfig(asked_by=STRONG), lambda *_: engine)
    found = json.loads(ask(labelled, capsys, "--json"))
    assert found["contents"] == 5
    figures = {each["teacher_version"]: each for each in found["teachers"]}
    assert {each["asked"] for each in figures.values()} == {5}
    strong = figures[STRONG]
    assert strong["levels"]["specific"]["of_its_text"]["mean"] == 1.0  # by the real encoder: a thing is nearest to the text about it
    assert strong["levels"]["broad"]["entropy"] == 0.0
    assert [(pair["level"], {pair["first"], pair["second"]}, pair["contents"] > 0) for pair in found["pairs"]] == [
        ("specific", set(figures), True),
        ("broad", set(figures), True),
    ]
    table = ask(labelled, capsys, "--teacher", STRONG)
    assert "rejected" in table
    assert "0 of 5" in table
    page, ticks = tmp_path / "page.html", tmp_path / "ticks.json"
    assert ask(labelled, capsys, "--page", str(page)).strip() == str(page)
    names = re.findall(r'name="(\w+) (specific|broad)" value="right"', page.read_text(encoding="utf-8"))
    ticks.write_text(json.dumps({"ticks": [{"answer": answer, "level": level, "verdict": "right"} for answer, level in names]}))
    judged = json.loads(ask(labelled, capsys, "--ticks", str(ticks), "--json"))
    assert judged["unknown"] == 0
    assert {each["teacher_version"] for each in judged["judged"]} == set(figures)
    assert all(each["right"] == 1.0 for each in judged["judged"])


def test_who_is_not_there_is_one_sentence(labelled: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["teacher", "audit", "--lake", labelled.path, "--teacher", "nobody"]) == 1
    assert "0 teachers begin with 'nobody'; there are import-of-a-strong-one" in capsys.readouterr().err
    with pytest.raises(ContractError, match=r"teacher\.asked_by names"):
        label_units(labelled, TeacherConfig(asked_by="nobody"), lambda *_: FakeEngine())


def test_contents_are_the_first_by_hash_of_those_that_all_were_asked_about(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = sorted(hashlib.sha256(str(number).encode()).hexdigest() for number in range(800))
    asked = {"all": contents, "some": contents[::10], "last": contents[-40:]}
    rows = [_label(content, "bread").model_dump() | {"teacher_version": teacher} for teacher, of_teacher in asked.items() for content in reversed(of_teacher)]
    arrow_tables.append(lake, LABELS, rows_table(LABELS, rows))
    read = arrow_tables.read
    held: list[pa.Table] = []

    def held_read(*given: Any) -> pa.Table:
        held.append(read(*given))
        return held[-1]

    monkeypatch.setattr(arrow_tables, "read", held_read)
    for most in (1, 3, 1000):
        assert contents_asked_of_all(lake, ["all"], most, None).to_pylist() == contents[:most]
        assert contents_asked_of_all(lake, ["all", "some"], most, None).to_pylist() == contents[::10][:most]
        assert contents_asked_of_all(lake, ["last", "some", "all"], most, None).to_pylist() == contents[-40::10][:most]
        assert contents_asked_of_all(lake, ["all", "nobody"], most, None).to_pylist() == []
    held.clear()
    contents_asked_of_all(lake, ["all"], 1, None)
    assert sum(table.num_rows for table in held) < 60


class WordJudge:
    """Says Yes where half of the words of what is asked about stand in the rest of the question, of a category always; does not read of cats."""

    def fits(self, prompt: Question, decoding: Decoding) -> bool:
        return True

    def likelihoods(self, texts: Sequence[tuple[str, str]]) -> list[float | None]:
        raise AssertionError("nobody asks")

    def choices(self, prompts: Sequence[Question], answers: Sequence[str]) -> list[list[float] | None]:
        return [
            None if "post is" in str(prompt) and "the cat" in str(prompt) else [0.0, -1.0] if self._is_right(str(prompt)) else [-1.0, 0.0] for prompt in prompts
        ]

    def _is_right(self, prompt: str) -> bool:
        *_, query, _, item, _ = prompt.split('"')
        words = {*item.lower().split()} - {"a", "for", "the", "of", "and", "over"}
        return "category" in prompt or 2 * len(words & {*query.lower().replace("?", "").split()}) >= len(words)


def test_a_model_judges_whether_labels_follow_from_their_texts(labelled: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    def audited(*words: str) -> str:
        capsys.readouterr()
        run_job(arguments.audit(["--lake", labelled.path, "--judge", *words]), lambda *_: WordJudge())
        return capsys.readouterr().out

    (found,) = json.loads(audited("--json"))["judged"]
    assert (found["teacher_version"], found["contents"]) == (STRONG, 5)
    assert found["supported"]["yes"]["mean"] == 1.0, "of the four that the model reads"
    assert found["supported"]["yes_of_others"]["mean"] == 0.0
    assert found["supported"]["told_apart"]["mean"] == 1.0
    assert found["entailed"]["yes"]["mean"] == 1.0
    assert found["entailed"]["told_apart"]["mean"] is None, "all have the same category, and nothing is another's"
    assert "text says the specific label" in audited()


def test_labels_of_no_unit_are_nobodys(lake: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    write_units(lake)
    arrow_tables.append(lake, LABELS, rows_table(LABELS, [_label("nowhere", None).model_dump()]))
    assert cli.main(["teacher", "audit", "--lake", lake.path]) == 1
    assert "no teacher was asked about a unit of this lake" in capsys.readouterr().err


def test_as_many_contents_are_asked_as_are_looked_at(labelled: LakeConfig) -> None:
    label_units(labelled, TeacherConfig(asked_by=STRONG, audit=AuditConfig(contents=2)), lambda *_: FakeEngine())
    asked = [row for row in arrow_tables.read(labelled, LABELS).to_pylist() if row["teacher_version"] != STRONG]
    contents = sorted(row["unit_hash"] for row in arrow_tables.read(labelled, LABELS).to_pylist() if row["teacher_version"] == STRONG and row["reason"] is None)
    assert sorted(row["unit_hash"] for row in asked) == contents[:2]
