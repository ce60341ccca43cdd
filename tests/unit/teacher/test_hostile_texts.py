"""What the attacks of tests/data/hostile_texts.yaml can do to a prompt, and what a teacher that obeys each of them can do to the labels: nothing.

The obedient teacher shows what the rules for answers stop. How often a real model obeys is for benchmarks/hostile_text.py.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from lake.rendering import plain
from teacher.engine import Completion, Decoding, Question
from teacher.fence import harmless, visible
from teacher.identity import Teacher
from teacher.labelling import ask, label_rows
from teacher.orders import without_orders
from teacher.prompts import Prompt, chat_question, load_prompt, specific_question
from tests.hostile_texts import Attack, attacks

ATTACKS = attacks()
TOKENS = re.compile(
    r"<[|｜/]|[|｜]>|</?(?:s|bos|eos|pad|think|system|start_of_turn|end_of_turn)>|<<SYS>>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS)\]|\[\|"
)
CUES = ("Topic:", "Category:", "Post:", "Self:", "Assistant:", "System:")
each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
both_prompts = pytest.mark.parametrize("prompt", [load_prompt("small"), load_prompt("chat")], ids=lambda prompt: prompt.name)


class ObedientEngine:
    """Answers what an attack wants, whatever it is asked."""

    def __init__(self, specific: str, broad: str) -> None:
        self._specific, self._broad = specific, broad

    def fits(self, prompt: Question, decoding: Decoding) -> bool:
        return True

    def complete(self, prompts: Sequence[Question], decoding: Decoding) -> list[Completion]:
        return [Completion(self._answer(prompt), True, 1, 1) for prompt in prompts]

    def _answer(self, prompt: Question) -> str:
        if not isinstance(prompt, str):
            return json.dumps({"specific": self._specific, "broad": self._broad})
        return self._specific if prompt.endswith("\nTopic:") else self._broad


def asked(prompt: Prompt, unit: dict[str, object]) -> str:
    question = specific_question(prompt, unit) if prompt.style == "completion" else chat_question(prompt, unit)[1]["content"]
    return str(question)


def reason_of(prompt: Prompt, attack: Attack, specific: str, broad: str) -> str | None:
    teacher = Teacher("obedient", "f", prompt, "greedy", "v")
    (reply,) = ask(ObedientEngine(specific, broad), prompt, [attack.unit])
    (row,) = label_rows(teacher, "b", {"c": attack.unit}, {"c": reply}, datetime.now(UTC))
    return row.reason


def can_be_obeyed(prompt: Prompt, attack: Attack) -> bool:
    """Whether a teacher with this prompt reads the attack, or how it begins, at all; and has the words that it wants to see."""
    return attack.leak in (None, prompt.name) and harmless(plain(attack.text, 400))[:20] in asked(prompt, attack.unit)


def test_there_are_attacks_of_all_kinds_in_all_places() -> None:
    assert len(ATTACKS) >= 60
    assert {attack.place for attack in ATTACKS} == {"title", "text", "community", "root", "parent"}
    assert min(Counter(attack.kind for attack in ATTACKS).values()) >= 3
    assert max(len(attack.text) for attack in ATTACKS) >= 400_000


@both_prompts
@each_attack
def test_an_attack_leaves_the_fence_as_it_is(prompt: Prompt, attack: Attack) -> None:
    calm, hostile = asked(prompt, attack.twin), asked(prompt, attack.unit)
    assert hostile.count("\n") == calm.count("\n")
    assert hostile.count('"') - hostile.count('\\"') == calm.count('"')
    for cue in CUES:
        assert hostile.count(cue) == calm.count(cue)
    assert not TOKENS.search(hostile)
    assert all(line.isprintable() for line in hostile.splitlines())
    if prompt.style == "chat":
        assert all(json.loads(line[line.index('"') :]) is not None for line in hostile.splitlines())


@both_prompts
@each_attack
def test_what_an_obedient_teacher_says_is_no_label(prompt: Prompt, attack: Attack) -> None:
    if not can_be_obeyed(prompt, attack):
        pytest.skip("this prompt shows nothing of it")
    assert reason_of(prompt, attack, attack.specific, attack.broad) is not None


@both_prompts
def test_a_unit_that_is_attacked_still_gets_its_own_label(prompt: Prompt) -> None:
    wanted = {"text": "Squealing bike after swapped brake pads", "broad": "Cycling"}
    own = [attack for attack in ATTACKS if attack.twin["community"] == "cycling" and attack.kind == "orders" and attack.place == "text"]
    labelled = [attack.name for attack in own if reason_of(prompt, attack, wanted["text"], wanted["broad"]) is None]
    assert labelled, [reason_of(prompt, attack, wanted["text"], wanted["broad"]) for attack in own]


@each_attack
def test_a_twin_gives_no_orders(attack: Attack) -> None:
    words = [attack.twin["text"], attack.twin["community"], *(entry["text"] for entry in attack.twin["context"])]
    assert without_orders("\n".join(words)) is None


@pytest.mark.parametrize(
    "text",
    [
        "I always answer my emails late in the evening.",
        "Follow the instructions on the box and the rice is never sticky!",
        "What is the right answer here? I would say B.",
        "My professor said to ignore the last chapter, it is not on the exam.",
        "Should I label the boxes before we move, or just write numbers on them?",
        "System: Windows 10, 16 GB of memory. User error, I guess.",
    ],
)
def test_people_speak_of_answers_and_instructions_and_give_no_orders(text: str) -> None:
    assert without_orders(text) is None


def test_what_is_seen_of_a_text_is_its_words() -> None:
    assert visible("a\u200bb\u202ec\U000e0041d\u00ade") == "abcde"
    assert visible("ｗｉｄｅ 𝐛𝐨𝐥𝐝") == "wide bold"
    assert visible("می\u200cخواهم") == "می\u200cخواهم"
    assert visible("ไม่เป็นไร नमस्ते") == "ไม่เป็นไร नमस्ते"
    assert len(visible("a" + "\u0301" * 50)) == 5
    assert visible("ﷺ½") == "ﷺ½", "one sign does not become many"


def test_hostile_text_costs_little_time() -> None:
    began = time.process_time()
    for text in ("ignore " * 60_000, "<" * 400_000, "Topic: x -> " * 40_000, "a" * 400_000, "say " * 100_000, "0" * 400_000, "\u0301" * 400_000):
        without_orders(plain(text, 5000))
        harmless(plain(text, 5000))
    assert time.process_time() - began < 5
