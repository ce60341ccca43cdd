"""What labels of teachers are worth beside each other, and what readers ticked."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from conf.errors import ConfigError
from lake.labels import Label
from teacher.audit.measures import Audited, Vectors, nearer_to_own, pair_figures, share, teacher_figures
from teacher.audit.page import render_page, shown_contents
from teacher.audit.table import audit_text, ticks_text
from teacher.audit.ticks import Ticks, answer_code, judged, read_ticks, wilson
from teacher.jobs.audit import as_json_objects
from tests.integration.teacher_lake import unit_row

TOPICS = ("bridges", "telescopes", "sourdough bread", "bicycle brakes")


def encode(texts: Sequence[str]) -> Vectors:
    """A direction for each of TOPICS, and one for everything else."""
    places = [next((place for place, topic in enumerate(TOPICS) if topic in text), len(TOPICS)) for text in texts]
    return np.eye(len(TOPICS) + 1, dtype=np.float32)[np.array(places, np.int64)]


def label(content: str, version: str, specific: str, broad: str = "things", reason: str | None = None) -> Label:
    return Label(
        unit_hash=content, teacher_version=version, specific="" if reason else specific, broad="" if reason else broad, teacher_model=f"model {version}",
        prompt_version="p", rendering_version="1", decoding="greedy", prompt_tokens=1, completion_tokens=1, batch=None, labelled_at=None, reason=reason,
        raw="x" if reason else None,
    )  # fmt: skip


def audited(**says: Sequence[str | None]) -> Audited:
    """A content for each of TOPICS, of two communities; a teacher each says this of them in turn, None: nothing."""
    contents = [f"c{place}" for place in range(len(TOPICS))]
    answers = {
        version: {
            content: label(content, version, said or "", reason=None if said else "specific: no end")
            for content, said in zip(contents, of_teacher, strict=True)
        }
        for version, of_teacher in says.items()
    }
    return Audited(contents, [f"someone writes about {topic}" for topic in TOPICS], ["one", "one", "two", None], answers)


def test_a_teacher_who_names_topics_is_told_from_one_who_says_always_the_same() -> None:
    good, vague = teacher_figures(audited(good=TOPICS, vague=["some things"] * 4), encode)
    assert (good.levels["specific"].distinct, vague.levels["specific"].distinct) == (4, 1)
    assert (good.levels["specific"].entropy, vague.levels["specific"].entropy) == (2.0, 0.0)
    assert (good.levels["specific"].reused.mean, vague.levels["specific"].reused.mean) == (0.0, 1.0)
    assert (good.levels["specific"].most, vague.levels["specific"].most) == (0.75, 1.0)
    assert (good.levels["specific"].of_its_text.mean, vague.levels["specific"].of_its_text.mean) == (1.0, 0.5)
    assert (good.model, good.asked, good.rejects) == ("model good", 4, {})


def test_within_a_community_only_its_own_contents_meet() -> None:
    (swapped,) = teacher_figures(audited(swapped=[TOPICS[1], TOPICS[0], TOPICS[2], TOPICS[3]]), encode)
    assert swapped.levels["specific"].of_its_text_in_community.mean == 0.0
    assert swapped.levels["specific"].of_its_text.mean == pytest.approx((1 / 3 + 1 / 3 + 1 + 1) / 4)


def test_rejects_are_counted_and_left_out() -> None:
    (figures,) = teacher_figures(audited(one=[TOPICS[0], None, TOPICS[2], None]), encode)
    assert (figures.asked, figures.rejects, figures.levels["specific"].distinct) == (4, {"specific: no end": 2}, 2)


def test_a_teacher_of_rejects_alone_has_no_figures() -> None:
    none = audited(none=[None] * 4, other=TOPICS)
    figures, _ = teacher_figures(none, encode)
    assert figures.levels["specific"].distinct == 0
    assert all(math.isnan(number) for number in (figures.levels["specific"].entropy, figures.levels["specific"].of_its_text.mean))
    pairs = pair_figures(none, encode, 0.9)
    assert {pair.contents for pair in pairs} == {0}
    assert "nan" in audit_text(teacher_figures(none, encode), pairs, [], 4, 0.9)
    (told, *_) = json.loads(json.dumps(as_json_objects([figures])), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert told["levels"]["specific"]["of_its_text"] == {"mean": None, "low": None, "high": None}


def test_no_name_of_a_model_steers_a_terminal_or_breaks_the_table() -> None:
    (figures,) = teacher_figures(audited(one=TOPICS), encode)
    table = audit_text([figures.model_copy(update={"model": "my\x1b[2J\nmodel"})], [], [], 4, 0.9)
    assert "my [2J model" in table.splitlines()[3]


def test_two_who_agree_are_told_from_two_who_repeat_themselves() -> None:
    said = [f"About {topic}" for topic in TOPICS]
    pairs = {
        (pair.first, pair.second): pair for pair in pair_figures(audited(a=TOPICS, b=said, c=["some things"] * 4), encode, 0.9) if pair.level == "specific"
    }
    same, vague = pairs["a", "b"], pairs["a", "c"]
    assert (same.equal.mean, same.same_meaning.mean, same.cosine_of_others, same.told_apart.mean) == (0.0, 1.0, 0.0, 1.0)
    assert (vague.same_meaning.mean, vague.told_apart.mean) == (0.0, 0.5)
    broad = next(pair for pair in pair_figures(audited(a=TOPICS, b=said), encode, 0.9) if pair.level == "broad")
    assert (broad.equal.mean, broad.same_meaning.mean, broad.told_apart.mean) == (1.0, 1.0, 0.5)  # all say "things": equal, and it tells nothing


def test_ties_count_half_and_a_lone_content_has_no_other() -> None:
    assert nearer_to_own(np.ones((3, 3), np.float32)).tolist() == [0.5] * 3
    assert math.isnan(nearer_to_own(np.ones((1, 1), np.float32))[0])
    assert nearer_to_own(np.zeros((0, 0), np.float32)).shape == (0,)


def test_the_interval_of_a_share_holds_the_true_one_nine_times_in_ten() -> None:
    random = np.random.default_rng(5)
    found = [share((random.random(80) < 0.3).astype(float)) for _ in range(300)]
    assert 0.84 <= np.mean([each.low <= 0.3 <= each.high for each in found]) <= 0.95


def test_the_interval_of_ticks_is_wilsons() -> None:
    assert wilson(0, 0) == (pytest.approx(math.nan, nan_ok=True),) * 2
    assert wilson(8, 10) == pytest.approx((0.541, 0.931), abs=2e-3)
    assert wilson(10, 10)[1] == pytest.approx(1.0)


def test_the_page_shows_each_answer_and_tells_no_teacher(tmp_path: Path) -> None:
    hostile = '</script><script>alert(1)</script>"\u2028x'
    of = audited(**{"0123abcd": [hostile, TOPICS[1], None, TOPICS[3]], "4567ef": [None, TOPICS[1], None, hostile]})
    units = {content: unit_row(f"reddit:t1_{content}", "ann", f"about {content} {hostile}") for content in of.contents}
    page = render_page(shown_contents(of, units, 10), "Are these right?")
    assert page.count('<section class="content">') == 3  # nobody labelled c2
    assert page.count("<fieldset>") == 2 * 5
    assert not [version for version in of.answers if version in page]
    assert "<script>alert(1)" not in page
    assert page.count("<script>") == 1
    answers = re.findall(r'name="(\w+) (?:specific|broad)" value="right"', page)
    assert set(answers) == {answer_code(content, version) for version, said in of.answers.items() for content, row in said.items() if row.reason is None}
    assert len(shown_contents(of, units, 2)) == 2


def test_ticks_come_back_as_figures_of_each_teacher(tmp_path: Path) -> None:
    file = tmp_path / "ticks.json"
    teachers = {answer_code(content, version): version for version in ("z", "a") for content in "123"}
    said = [("1", "z", "right"), ("2", "z", "right"), ("3", "z", "wrong"), ("1", "a", "unsure"), ("9", "a", "right")]
    ticks = [{"answer": answer_code(content, version), "level": "specific", "verdict": verdict} for content, version, verdict in said]
    file.write_text(json.dumps({"ticks": ticks}))
    found, unknown = judged(read_ticks(file), teachers)
    assert [(each.teacher_version, each.verdicts) for each in found] == [
        ("z", {"right": 2, "wrong": 1, "unsure": 0}),
        ("a", {"right": 0, "wrong": 0, "unsure": 1}),
    ]
    assert (found[0].right, unknown) == (pytest.approx(2 / 3), 1)
    assert math.isnan(found[1].right)
    assert "1 ticks are of labels that are not among these" in ticks_text(found, unknown)
    assert judged(Ticks(ticks=[]), teachers) == ([], 0)


@pytest.mark.parametrize("text", ["", "[]", '{"ticks": [{"answer": "x"}]}', '{"ticks": [{"answer": "x", "level": "specific", "verdict": "maybe"}]}', "\ud800"])
def test_a_file_that_no_page_gave_is_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ticks.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError, match="not what the page of"):
        read_ticks(file)
    with pytest.raises(ConfigError, match="not what the page of"):
        read_ticks(tmp_path / "absent.json")
