"""Lessons, batches, the rate, what is padded, and when a distillation has seen enough."""

import json

import pytest
import xgrammar
from xgrammar.testing import _is_grammar_accept_string

from teacher.config import DistilConfig
from teacher.distil.batches import all_batches, epoch_batches
from teacher.distil.checkpoints import Progress
from teacher.distil.lessons import Lesson, Lessons, answer_text
from teacher.distil.loop import IGNORED, learning_rate, padded
from teacher.labelling import first_decoding
from teacher.prompts import load_prompt


def lesson(number: int, question: int, answer: int = 2) -> Lesson:
    return Lesson(f"{number:04}", [7] * question, [number] * answer)


LESSONS = [lesson(number, 5 + number % 40) for number in range(200)]


def test_every_lesson_comes_once_an_epoch_in_batches_that_padding_does_not_swell() -> None:
    batches = epoch_batches(LESSONS, 256, 0, 0)
    assert sorted(each.content for batch in batches for each in batch) == [each.content for each in LESSONS]
    assert all(len(batch) * max(each.length for each in batch) <= 256 for batch in batches)
    tokens, places = sum(each.length for each in LESSONS), sum(len(batch) * max(each.length for each in batch) for batch in batches)
    assert places < 1.15 * tokens


def test_batches_are_the_same_for_a_seed_and_others_in_each_epoch() -> None:
    first, second = epoch_batches(LESSONS, 256, 0, 0), epoch_batches(LESSONS, 256, 0, 1)
    assert first == epoch_batches(LESSONS, 256, 0, 0) != second
    assert epoch_batches(LESSONS, 256, 1, 0) != first
    assert all_batches(LESSONS, 256, 0, 2) == first + second


def test_a_lesson_longer_than_a_step_makes_one_of_its_own() -> None:
    assert sorted(map(len, epoch_batches([lesson(1, 500), lesson(2, 5), lesson(3, 5)], 64, 0, 0))) == [1, 2]
    assert epoch_batches([], 64, 0, 0) == []


def test_only_tokens_of_the_answer_are_expected_each_at_the_place_before_it() -> None:
    tokens, mask, expected = padded([Lesson("a", [1, 2, 3], [4, 5]), Lesson("b", [6], [8])])
    assert tokens.tolist() == [[1, 2, 3, 4, 5], [6, 8, 0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert expected.tolist() == [[IGNORED, IGNORED, 4, 5, IGNORED], [8, IGNORED, IGNORED, IGNORED, IGNORED]]


def test_the_rate_rises_to_its_highest_and_falls_to_nearly_nothing() -> None:
    config = DistilConfig(learning_rate=1.0, warmup_share=0.1)
    rates = [learning_rate(step, 100, config) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert max(rates) == rates[9]
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert rates[55] == pytest.approx(0.5, abs=0.03)
    assert learning_rate(1, 1, DistilConfig(learning_rate=1.0, warmup_share=0.0)) == pytest.approx(1.0, abs=0.51)


def test_looks_without_gain_are_counted_since_the_lowest_loss() -> None:
    progress = Progress().after_look(10, 2.0).after_look(20, 2.1).after_look(30, 2.0)
    assert (progress.step, progress.best_step, progress.best_loss, progress.looks_without_gain) == (30, 10, 2.0, 2)
    assert progress.after_look(40, 1.9) == Progress(40, 1.9, 40, 1.9, 0)


def test_an_answer_is_the_json_that_the_schema_of_label_lets_a_model_write() -> None:
    text = answer_text({"broad": "Züge", "specific": 'Wiring a "DCC" decoder'})
    assert text == '{"specific":"Wiring a \'DCC\' decoder","broad":"Züge"}'
    assert list(json.loads(text)) == ["specific", "broad"]
    schema = json.dumps(first_decoding(load_prompt("distilled")).schema)
    of_vllm = xgrammar.Grammar.from_json_schema(schema, any_whitespace=False, separators=(",", ":"))  # what its disable_any_whitespace comes to
    assert _is_grammar_accept_string(of_vllm, text)
    assert not _is_grammar_accept_string(of_vllm, json.dumps(json.loads(text))), "a space is another token, which a model that learned it misses"
    assert _is_grammar_accept_string(xgrammar.Grammar.from_json_schema(schema, any_whitespace=True), text)


def test_lessons_are_known_by_all_that_they_teach() -> None:
    one = Lessons(LESSONS[:5], LESSONS[5:7], 0)
    assert one.fingerprint == Lessons(LESSONS[:5], LESSONS[5:7], 1).fingerprint
    assert one.fingerprint != Lessons(LESSONS[:4], LESSONS[5:7], 0).fingerprint
    assert one.fingerprint != Lessons(LESSONS[:5], LESSONS[5:8], 0).fingerprint
