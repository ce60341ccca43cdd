"""Who is asked when an encoder is judged: whom it never met, where they act, and what there is to ask."""

from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from benchmarks.label_split import label_split
from conf.errors import ConfigError, EncoderError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import Encoder
from lake.examples import EXAMPLES, HeldOut
from lake.labels import ITEMS, LABELS
from lake.schema import rows_table
from lake.units import SEQUENCES
from tests.topic_people import PEOPLE, arguments, register, rows, write_people
from trainer.config import EvaluationConfig, TrainerConfig
from trainer.evaluation.people import never_met
from trainer.evaluation.report import report_text
from trainer.jobs import evaluate, examples
from trainer.student import base_encoder, content_version


def test_a_community_that_is_held_out_is_judged_on_alone_and_must_exist(lake: LakeConfig) -> None:
    write_people(lake)
    found = arrow_tables.read(lake, SEQUENCES).to_pylist()
    for row in found:
        for each in row["units"]:
            each["community"] = "elsewhere" if row["person_id"] in ("person02", "person03") else each["community"]
            each["title"] = each["text"]
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, found))
    with pytest.raises(ConfigError, match="nobody with an example ever acted in 'elsewere'"):
        examples.main(arguments(lake, 'examples.held_out_communities=["elsewere"]'))
    examples.main(arguments(lake, 'examples.held_out_communities=["elsewhere"]', "examples.test_share=0.2"))
    of = {row["person_id"]: row["split"] for row in rows(lake)}
    assert (of["person02"], of["person03"]) == ("test", "test")
    assert set(of.values()) >= {"train", "test"}
    base, shares = base_encoder(TrainerConfig(max_tokens=64)), HeldOut(validation_share=0.1, test_share=0.2, communities=("elsewhere",))
    card = base.card.model_copy(update={"held_out": shares})
    register(lake, Encoder(base.model, card, content_version(base.model, card)))
    result = evaluate.evaluate(lake, TrainerConfig(max_tokens=64, evaluation=EvaluationConfig(communities=["elsewhere"], bootstrap_samples=10)))
    assert (result.people, result.title_people) == (2, 2)


def test_who_came_to_a_held_out_community_after_the_training_is_not_asked(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    write_people(lake)
    shares = HeldOut(validation_share=0, test_share=0.2, communities=("elsewhere",))
    newcomer = next(f"person{number:02}" for number in range(PEOPLE) if shares.split_of(f"person{number:02}") == "train")
    settings = ("examples.validation_share=0", "examples.test_share=0.2")
    examples.main(arguments(lake, *settings))
    trained_on = arrow_tables.table_version(lake, EXAMPLES)
    assert trained_on is not None
    found = arrow_tables.read(lake, SEQUENCES).to_pylist()
    for each in (each for row in found if row["person_id"] == newcomer for each in row["units"][-1:]):
        each["community"] = "elsewhere"
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, found))
    examples.main(arguments(lake, *settings, 'examples.held_out_communities=["elsewhere"]'))
    test = {row["person_id"] for row in rows(lake) if row["split"] == "test"}
    version = arrow_tables.table_version(lake, EXAMPLES)
    assert version is not None
    card = base_encoder(TrainerConfig(max_tokens=64)).card.model_copy(update={"held_out": shares})
    assert newcomer in test
    for met_at, strangers in ((None, test), (version, test), (trained_on, test - {newcomer})):
        known = {} if met_at is None else {"examples": met_at}
        assert never_met(lake, version, card.model_copy(update={"trained_on": known})) == strangers
    for file in DeltaTable(f"{lake.path}/examples", version=trained_on).file_uris():
        Path(file).unlink()
    assert never_met(lake, version, card.model_copy(update={"trained_on": {"examples": trained_on}})) == test - {newcomer}
    assert "may have been met" in caplog.text


def test_while_settings_are_chosen_the_people_to_choose_by_are_asked(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    write_people(lake)
    examples.main(arguments(lake, "examples.validation_share=0.4", "examples.test_share=0.3"))
    validation = {row["person_id"] for row in rows(lake) if row["split"] == "validation"}
    base, narrower = base_encoder(TrainerConfig(max_tokens=64)), HeldOut(validation_share=0.1, test_share=0.3)
    trained_on = {person_id for person_id in validation if narrower.split_of(person_id) == "train"}
    assert 0 < len(trained_on) < len(validation)
    asked = EvaluationConfig(held_out_part="validation", bootstrap_samples=10)
    for shares, strangers in ((HeldOut(validation_share=0.4, test_share=0.3), validation), (narrower, validation - trained_on)):
        card = base.card.model_copy(update={"held_out": shares})
        register(lake, Encoder(base.model, card, content_version(base.model, card)))
        result = evaluate.evaluate(lake, TrainerConfig(max_tokens=64, evaluation=asked))
        assert (result.people, result.held_out_part) == (len(strangers), "validation")
        assert "ASKED ARE THOSE TO CHOOSE SETTINGS BY" in " ".join(report_text(result).split())
    assert f"{len(trained_on)} of {len(validation)} people of split 'validation' are not asked" in caplog.text


def test_labels_for_other_recommenders_are_split_as_they_are_asked(lake: LakeConfig) -> None:
    write_people(lake)
    examples.main(arguments(lake, "examples.validation_share=0.3", "examples.test_share=0.3"))
    split = label_split(lake, TrainerConfig(max_tokens=64), "specific").to_pylist()
    of = {row["person_id"]: row for row in rows(lake)}
    for part in ("validation", "test"):
        asked = {(row["person_id"], row["history_length"]) for row in split if row["part"] == part}
        assert {person_id for person_id, _ in asked} == {person_id for person_id, row in of.items() if row["split"] == part}
        for person_id, length in asked:
            before, after = ({"inside": [], "after": []} | _labels(of[person_id], length)).values()
            found = {
                kind: [row["item_id"] for row in split if (row["person_id"], row["history_length"], row["part"]) == (person_id, length, kind)]
                for kind in (f"{part} given", part)
            }
            assert found[f"{part} given"] == before
            assert sorted(found[part]) == sorted(set(after))
    taught = {row["person_id"] for row in split if row["part"] == "train"}
    assert len(taught) == sum(row["split"] == "train" for row in of.values())
    assert taught.isdisjoint(of), "other recommenders know people to train on by a number"


def _labels(example: dict[str, Any], length: int) -> dict[str, list[str]]:
    (cut,) = (cut for cut in example["cuts"] if cut["history_length"] == length)
    return {where: [each["item_id"] for each in cut["positives"] if (each["where"], each["level"]) == (where, "specific")] for where in ("inside", "after")}


def test_without_labels_titles_are_asked_about(lake: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    write_people(lake)
    found = arrow_tables.read(lake, SEQUENCES).to_pylist()
    for row in found:
        for each in row["units"]:
            each["title"] = each["text"]
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, found))
    arrow_tables.overwrite(lake, LABELS, [])
    arrow_tables.overwrite(lake, ITEMS, [])
    examples.main(arguments(lake))
    register(lake, base_encoder(TrainerConfig(max_tokens=64)))
    evaluate.main(arguments(lake, "max_tokens=64"))
    printed = capsys.readouterr().out
    assert "0 held-out people with labels" in printed
    assert "Titles of threads entered next, all cuts (" in printed
    assert {"BM25", "TF-IDF"} < {line[2:30].strip() for line in printed.splitlines()}
    assert "popular" not in printed
    assert "Specific labels" not in printed
    people = sum(row["split"] == "test" for row in rows(lake))
    assert f"{people} asked about titles" in printed
    result = evaluate.evaluate(lake, TrainerConfig(max_tokens=64, evaluation=EvaluationConfig(bootstrap_samples=10, max_title_people=3)))
    assert result.score("tuned", "personal_auc", "title", "all").people == 3


def test_people_and_cuts_without_labels_are_not_asked_and_do_not_count(lake: LakeConfig) -> None:
    write_people(lake)
    examples.main(arguments(lake))
    found = rows(lake)
    test = [row for row in found if row["split"] == "test"]
    for one in test[0]["cuts"]:
        one["positives"] = []
    test[1]["cuts"][0]["positives"] = [positive for positive in test[1]["cuts"][0]["positives"] if positive["where"] == "inside"]
    arrow_tables.overwrite(lake, EXAMPLES, rows_table(EXAMPLES, found))
    register(lake, base_encoder(TrainerConfig(max_tokens=64)))
    result = evaluate.evaluate(lake, TrainerConfig(max_tokens=64, evaluation=EvaluationConfig(max_people=2, bootstrap_samples=10)))
    assert (result.people, result.queries) == (2, 3 + 4)
    assert result.user_user.who_is_it("time", "full").candidates == len(found)


def test_people_whom_the_encoder_met_are_not_asked_whatever_split_they_have_now(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    write_people(lake)
    examples.main(arguments(lake, "examples.test_share=0.9", "examples.validation_share=0"))
    base, shares = base_encoder(TrainerConfig(max_tokens=64)), HeldOut(validation_share=0.1, test_share=0.5)
    card = base.card.model_copy(update={"held_out": shares})
    register(lake, Encoder(base.model, card, content_version(base.model, card)))
    found = evaluate.evaluate(lake, TrainerConfig(max_tokens=64))
    test = [row["person_id"] for row in rows(lake) if row["split"] == "test"]
    met = [person_id for person_id in test if shares.split_of(person_id) != "test"]
    assert met
    assert found.people == len(test) - len(met)
    assert f"{len(met)} of {len(test)} people of split 'test' are not asked" in caplog.text


def test_an_encoder_that_does_not_say_whom_it_met_judges_nobody(lake: LakeConfig) -> None:
    write_people(lake)
    examples.main(arguments(lake))
    base = base_encoder(TrainerConfig(max_tokens=64))
    card = base.card.model_copy(update={"trained_on": {"examples": 0, "items": 0}})  # as programs wrote it that noted no shares
    register(lake, Encoder(base.model, card, content_version(base.model, card)))
    with pytest.raises(EncoderError, match="may have met anybody; run 'kindred trainer train'"):
        evaluate.main(arguments(lake))
