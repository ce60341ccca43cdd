"""Encoders that read histories as labels, or as units with their labels: trained, registered and evaluated for real, on hand-made people."""

import json
from itertools import count
from typing import Any

import pytest

from conf.errors import ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import load_registered
from lake.examples import EXAMPLES, HeldOut
from lake.job_runs import last_done_run
from lake.labels import ITEMS
from lake.schema import rows_table
from tests.planted_people import TOPICS, all_items, example, planted_examples, reader
from trainer.jobs import evaluate, train

SHARES = HeldOut(validation_share=0.15, test_share=0.25)
SETTINGS = {
    "max_tokens": 48,
    "people_per_batch": 8,
    "phases": "[{epochs: {labels: 1}}]",
    "evaluation.bootstrap_samples": 20,
    "evaluation.matched_min_others": 1,
}


def arguments(lake: LakeConfig, **changes: object) -> list[str]:
    return ["--lake", lake.path, *(word for name, value in (SETTINGS | changes).items() for word in ("--set", f"trainer.{name}={value}"))]


def of_split(split: str, people: int) -> list[str]:
    names = (f"{split} {number}" for number in count())
    return [next(name for name in names if SHARES.split_of(name) == split) for _ in range(people)]


def without_past_labels(row: dict[str, Any]) -> dict[str, Any]:
    """The person, of whom nothing before the cut has a label."""
    (cut,) = row["cuts"]
    after = [each for each in cut["positives"] if each["where"] == "after"]
    return row | {"labelled": row["labelled"][cut["history_length"] :], "cuts": [cut | {"positives": after, "labelled": 0}]}


def write(lake: LakeConfig) -> None:
    """People to train on, to choose by and to ask, of each one more who has no label before the cut."""
    rows = planted_examples(train=14, validation=7)
    rows += [example(name, [(text, topic) for text in TOPICS[topic]], 3, "test") for name, topic in zip(of_split("test", 8), [*TOPICS] * 2, strict=True)]
    bare = [
        without_past_labels(example(name, [(text, "Bread") for text in TOPICS["Bread"]], 3, name.split()[0])) for name in ("train x", "validation x", "test x")
    ]
    named = [row | {"person_id": of_split(row["split"], 9)[-1]} for row in bare]
    arrow_tables.overwrite(lake, EXAMPLES, rows_table(EXAMPLES, [*rows, *named]))
    arrow_tables.overwrite(lake, ITEMS, rows_table(ITEMS, all_items()))


@pytest.mark.parametrize(("query_format", "share", "read"), [("labels", 0, False), ("mixed", 0.25, True)])
def test_an_encoder_is_trained_and_judged_in_its_format_and_says_so(
    lake: LakeConfig, query_format: str, share: float, read: bool, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    write(lake)
    chosen = arguments(lake, query_format=query_format, single_unit_share=share)
    train.main(chosen)
    done = last_done_run(lake, "trainer train")
    assert done is not None
    assert (done.rows["people with labels"], done.rows["validation people"]) == ((15, 8) if read else (14, 7))
    assert done.dropped == ({} if read else {"people: no label to read": 1})
    trained = lake.model_copy(update={"encoder_alias": "trained"})
    assert load_registered(trained, "cpu").card.query_format == query_format
    evaluate.main([*chosen, "--set", "lake.encoder_alias=trained", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert (result["people"], result["queries"]) == ((9, 9) if read else (8, 8))
    assert ("1 cuts are not asked about" in caplog.text) is not read
    assert {score["scorer"] for score in result["scores"]} >= {"tuned", "base"}

    if read:
        return
    train.main(arguments(lake, query_format="units", max_tokens=40))  # who cannot be asked of both encoders is not asked
    done = last_done_run(lake, "trainer train")
    assert done is not None
    assert done.rows["validation people"] == 7


def test_labels_that_nobody_has_are_an_error_that_says_what_to_do(lake: LakeConfig) -> None:
    arrow_tables.overwrite(lake, EXAMPLES, rows_table(EXAMPLES, [reader(name, ["a b", "c d", "e f", "g h"], 2) for name in of_split("train", 9)]))
    with pytest.raises(ContractError, match="query_format 'labels' reads labels, but no cut of a person to train on has a label before it; label more"):
        train.main(arguments(lake, query_format="labels"))
