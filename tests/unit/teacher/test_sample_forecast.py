"""What labelling a sample would take: tokens of prompts, what of them is cached, and how it adds up by stratum."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from teacher_units import make_unit

from teacher.engine import Question
from teacher.engines.tokens import PromptTokens
from teacher.prompts import load_prompt
from teacher.sample.forecast import Costs, Forecast, Tokens, answer_tokens, forecasts, probed, together, tokens_of_units, with_cached_share
from teacher.sample.forecast_table import MAX_ROWS, forecast_object, forecast_table


class Words:
    """A tokenizer whose tokens are words, and which writes messages one after the other."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        return [self._numbers.setdefault(word, len(self._numbers)) for word in text.split()]

    def apply_chat_template(self, messages: list[dict[str, str]], **_: Any) -> list[int]:
        return self.encode(" ".join(message["content"] for message in messages))


def tokens(max_tokens: int | None = None) -> PromptTokens:
    return PromptTokens(Words(), max_tokens)


CHAT = load_prompt("chat")
UNITS = [make_unit(f"word {number} of many", thread="a thread of five words") for number in range(9)]


def words(question: Question) -> int:
    return len(tokens().of(question))


def test_what_prompts_share_is_found_in_whole_blocks_batch_by_batch() -> None:
    counted = tokens_of_units(tokens(), CHAT, UNITS, batch_units=4, block=10, written=7)
    assert len({each.prompt for each in counted}) == 1
    length = int(counted[0].prompt)
    common = length - 4  # the number in "word 3 of many" and what follows
    assert [each.cached for each in counted] == [0, *[common // 10 * 10] * 3] * 2 + [0]
    assert {each.completion for each in counted} == {7}


def test_one_prompt_twice_still_has_a_block_to_read() -> None:
    (_, again) = tokens_of_units(tokens(), CHAT, [UNITS[0], UNITS[0]], batch_units=4, block=1, written=0)
    assert again.cached == again.prompt - 1


def test_a_small_prompt_asks_twice_and_what_is_too_long_is_not_asked() -> None:
    small = load_prompt("small")
    one, long = tokens_of_units(tokens(360), small, [make_unit("few words"), make_unit("word " * 300)], batch_units=64, block=16, written=5)
    assert one.prompt > words(" ".join(example.post for example in small.examples))
    assert 0 < long.prompt < one.prompt + 300 * 0.6, "less of it is shown"
    (nothing,) = tokens_of_units(tokens(10), small, [make_unit()], batch_units=64, block=16, written=5)
    assert nothing == Tokens(0, 0, 0)


@pytest.mark.parametrize("name", ["small", "chat"])
def test_answers_are_taken_for_as_long_as_those_that_the_prompt_shows(name: str) -> None:
    prompt = load_prompt(name)
    assert 3 < answer_tokens(tokens(), prompt) < 15
    bare = prompt.model_copy(update={"examples": (), "categories": (), "shown_labels": ()})
    assert answer_tokens(tokens(), bare) == prompt.specific_tokens + (prompt.broad_tokens if name == "small" else 0)


def chosen(strata: dict[str, int]) -> pa.Table:
    rows = [(stratum, f"{stratum}{number // 5}", f"{stratum}-{number}", f"t{number % 40}") for stratum, count in strata.items() for number in range(count)]
    return pa.table(dict(zip(("stratum", "person_id", "unit_id", "thread_id"), map(list, zip(*rows, strict=True)), strict=True)))


def test_whole_threads_are_probed_and_the_same_ones_each_time() -> None:
    sample = chosen({"a": 400})
    found = probed(sample, 50)
    assert found.equals(probed(sample, 50))
    assert set(Counter(found["thread_id"].to_pylist()).values()) == {10}
    assert probed(sample, 1000).num_rows == 400
    alone = sample.set_column(3, "thread_id", pa.array([None] * 400, pa.string()))
    assert probed(alone, 50).num_rows == 50


def test_strata_have_their_own_mean_where_enough_was_counted_and_add_up_to_that_of_all() -> None:
    sample = chosen({"a": 900, "b": 100})
    of_strata, counted = ["a"] * 90 + ["b"] * 10, [Tokens(100, 50, 10)] * 90 + [Tokens(1000, 50, 10)] * 10
    parts = forecasts(sample, of_strata, counted)
    assert [(part.stratum, part.contents, part.people) for part in parts] == [("a", 900, 180), ("b", 100, 20)]
    whole = together("all", parts)
    assert whole.tokens.prompt == pytest.approx(1000 * (90 * 100 + 10 * 1000) / 100)
    assert (whole.tokens.cached, whole.tokens.completion) == (pytest.approx(50_000), pytest.approx(10_000))
    assert forecasts(sample, [], [])[0].tokens == Tokens(0, 0, 0)


def test_a_share_that_was_measured_counts_in_the_place_of_one_that_was_thought_out() -> None:
    counted = [Tokens(100, 0, 5), Tokens(100, 80, 5), Tokens(200, 160, 5)]
    assert [tokens.cached for tokens in with_cached_share(counted, 0.3)] == pytest.approx([0, 40, 80])
    assert [tokens.cached for tokens in with_cached_share(counted, 0.9)] == [0, 100, 200], "no more than there is"
    assert with_cached_share([Tokens(100, 0, 5)], 0.5) == [Tokens(100, 0, 5)]


def test_hours_are_of_tokens_that_are_computed_and_unknown_costs_stay_unknown() -> None:
    part = Forecast("a", 10, 2, Tokens(8000, 5000, 600))
    assert part.cached_share == 0.625
    assert part.hours(Costs(10, None)) == pytest.approx(3600 / 10 / 3600)
    assert part.price(Costs(10, 3)) == pytest.approx(0.3)
    assert part.hours(Costs(None, 3)) is part.price(Costs(None, 3)) is part.price(Costs(10, None)) is None


def test_the_table_shows_the_largest_strata_and_the_sum_of_the_rest() -> None:
    parts = [Forecast(f"stratum {number}", 100 - number, 10, Tokens(1000, 500, 100)) for number in range(MAX_ROWS + 7)]
    lines = forecast_table(parts, Costs(None, None)).splitlines()
    assert len(lines) == MAX_ROWS + 3
    assert lines[-2].startswith("7 others")
    assert lines[-1].split()[:5] == ["all", f"({len(parts)}", "strata)", f"{sum(part.contents for part in parts):,}", f"{10 * len(parts)}"]
    found = forecast_object(parts, Costs(10, 2), ["note"])
    assert len(found["strata"]) == len(parts)
    assert found["all"]["prompt_tokens"] == 1000 * len(parts)
    assert found["all"]["price"] == pytest.approx(2 * found["all"]["hours"])
