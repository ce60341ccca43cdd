"""Variants of a training as a job: real examples, training, evaluation and MLflow, each in a process of its own."""

import json
from pathlib import Path

import mlflow
import pytest

from conf.errors import ContractError
from conf.settings import Settings
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.examples import EXAMPLES, HeldOut
from lake.judgements import JUDGEMENTS, Judgement
from lake.labels import ITEMS, LABELS, Item
from lake.schema import rows_table
from lake.units import SEQUENCES
from tests.topic_people import write_people
from trainer.ablation import variants_of
from trainer.jobs import ablate
from trainer.jobs.ablate import _fingerprint

VARIANTS = """
variants:
  half of the people: {people_share: 0.5}
  without tea: {examples: {held_out_communities: [tea], test_share: 0.2}, evaluation: {communities: [tea]}}
"""


def titled_people(lake: LakeConfig) -> None:
    """People without labels, every other one in a community of its own."""
    write_people(lake)
    found = arrow_tables.read(lake, SEQUENCES).to_pylist()
    for row in found:
        for each in row["units"]:
            each["title"], each["community"] = each["text"], "tea" if row["bucket"] else "trains"
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, found))
    for table in (LABELS, ITEMS):
        arrow_tables.overwrite(lake, table, [])


def test_variants_are_trained_and_judged_once_and_move_no_alias(lake: LakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    titled_people(lake)
    file = tmp_path / "variants.yaml"
    file.write_text(VARIANTS)
    settings = (
        "max_tokens=32",
        "people_per_batch=4",
        "phases=[{epochs: {titles: 1}}]",
        "examples.test_share=0.4",
        "examples.validation_share=0.1",
        "evaluation.bootstrap_samples=20",
    )
    given = [str(file), "--lake", lake.path, *(word for setting in settings for word in ("--set", f"trainer.{setting}"))]
    ablate.main(given)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| half of the people", "| without tea"]
    assert "title, plain" in lines[0]
    registry.connect(lake)
    models = mlflow.MlflowClient().search_registered_models()
    assert [set(model.aliases) for model in models] == [{"trained", "champion"}] * 2
    assert all(model.name.startswith(f"{lake.registered_model}-") for model in models)
    runs = len(mlflow.search_runs(search_all_experiments=True))
    ablate.main([*given, "--json"])
    first, second = json.loads(capsys.readouterr().out)
    assert (first["variant"], second["variant"]) == ("half of the people", "without tea")
    assert len(mlflow.search_runs(search_all_experiments=True)) == runs
    file.write_text("variants:\n  half of the people: {people_share: 0.5}\n  nowhere: {examples: {held_out_communities: [nowhere]}}\n")
    with pytest.raises(ContractError, match="1 of 2 variants failed: nowhere"):
        ablate.main(given)
    assert "half of the people" in capsys.readouterr().out
    splits = arrow_tables.read(lake, EXAMPLES, ["person_id", "split"]).to_pylist()
    own = HeldOut(validation_share=0.1, test_share=0.4)  # as the configuration has it, though a variant was the last to cut them
    assert splits
    assert all(row["split"] == own.split_of(row["person_id"]) for row in splits)


def test_a_variant_is_made_again_where_any_table_that_decides_it_changed(lake: LakeConfig) -> None:
    titled_people(lake)
    (variant,) = variants_of({"variants": {"as it is": None}}, Settings({"lake": {"path": lake.path}}), "file")
    known = [_fingerprint(variant)]
    judged = Judgement(
        query_id="history:u", person_id="p", item_id="i", level="broad", text="Tea", grade=0.1, encoder_version=None, teacher_model="hand", prompt_version="1",
        judged_at=None,
    )  # fmt: skip
    item = Item(item_id="i", source="labels", level="broad", text="Tea", external_id=None, label_count=1)
    for write in (
        lambda: arrow_tables.merge(lake, JUDGEMENTS, [judged]),
        lambda: arrow_tables.overwrite(lake, ITEMS, [item]),
    ):
        write()
        known.append(_fingerprint(variant))
    assert (len(set(known)), _fingerprint(variant)) == (3, known[-1])
