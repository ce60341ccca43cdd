"""Which labels are of topics that are named, or of a share of all."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from lake.examples import HeldOut, answer_key, is_of_topics, topics_as_json, topics_of
from trainer.config import ExamplesConfig
from trainer.examples.cuts import held_out
from trainer.topics import are_of_topics, topic_labels

PAIRS = [
    ("Green tea", "Tea"),
    ("Steam engines", "Trains"),
    ("Teapots", "TEA!"),
    ("Signals", "Trains"),
    ("Timetables", "Trains"),
    ("Timetables", "Tea"),
    ("Tea", "Trains"),
]


def pairs(*rows: tuple[str, str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"specific": specific, "broad": broad} for specific, broad in rows])


def test_labels_of_a_topic_are_it_in_any_spelling_and_all_that_ever_stood_beside_it() -> None:
    found = topic_labels([pairs(*PAIRS[:3]), pairs(*PAIRS[3:])], topics_of(["tea", "Tea."]))
    assert (found.broad, found.broad_in_all) == (["tea"], 2)
    assert set(found.keys) == set(map(answer_key, ("tea", "green tea", "teapots", "timetables")))
    assert found.keys.tolist() == sorted(found.keys)
    such = are_of_topics(pa.Table.from_batches([pairs(*PAIRS)]), found.keys)
    assert such.tolist() == [True, False, True, False, True, True, True]  # the words "Tea" are held out at either level
    assert not len(topic_labels([], ("tea",)).keys)


def test_a_share_takes_the_same_topics_whoever_asks_and_a_smaller_one_is_part_of_it() -> None:
    names = [f"Topic {number}" for number in range(4000)]
    some, more = ({name for name in names if is_of_topics(name, share)} for share in (0.1, 0.3))
    assert len(some) / 4000 == pytest.approx(0.1, abs=0.02)
    assert some < more
    assert {name for name in names if is_of_topics(f" {name.upper()}?", 0.1)} == some
    assert [number for number in range(40) if is_of_topics(names[number], 0.1)] == [2, 8, 30], "a hash of the words, the same on any machine"


def test_the_setting_becomes_what_the_card_says_and_comes_back_from_it() -> None:
    for setting, topics, said in ((0.25, 0.25, "0.25"), (["Trains", "Tea!", "tea"], ("tea", "trains"), '["tea", "trains"]'), (None, None, None)):
        shares = held_out(ExamplesConfig(held_out_topics=setting))
        assert (shares.topics, topics_as_json(shares.topics)) == (topics, said)
        assert HeldOut.model_validate_json(shares.model_dump_json()) == shares
        assert shares.holds_out_same_people(held_out(ExamplesConfig()))
    assert not held_out(ExamplesConfig(held_out_topics=0.1, test_share=0.3)).holds_out_same_people(held_out(ExamplesConfig(held_out_topics=0.1)))


@pytest.mark.parametrize(
    "settings", [{"held_out_topics": 1.0}, {"held_out_topics": 0}, {"held_out_topics": []}, {"held_out_topics": 0.1, "held_out_acts": "last"}]
)
def test_topics_that_cannot_be_held_out_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="held_out_topics"):
        ExamplesConfig(**settings)  # type: ignore[arg-type]
