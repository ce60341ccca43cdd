"""Archive in, search result out, with labels of the planted interests: the encoder learns what goes together, from true labels alone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lake import arrow_tables
from lake.catalog import TABLES
from lake.config import LakeConfig
from lake.units import UNITS
from pipeline import archive_generator, cli

ROOT = Path(__file__).parents[2]
SEED = 20_261_124
"""Not the demo's, on whose people conf/demo.yaml was chosen: these people were never looked at."""


def planted_labels(lake: LakeConfig, path: Path) -> None:
    """A line for each unit that names a subject of the generator: the subject and its interest."""
    circles = yaml.safe_load((ROOT / "pipeline" / "interests.yaml").read_text())
    subjects = {subject: interest for circle in circles.values() for interest, found in circle.items() for subject in found}
    names_a_subject = re.compile("|".join(map(re.escape, subjects)))
    with path.open("w") as lines:
        for unit in arrow_tables.read(lake, UNITS, ["unit_id", "title", "text"]).to_pylist():
            if found := names_a_subject.search(f"{unit['title'] or ''} {unit['text']}"):
                subject = found.group()
                lines.write(json.dumps({"unit_id": unit["unit_id"], "specific": subject.capitalize(), "broad": subjects[subject].capitalize()}) + "\n")


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints with --json."""
    capsys.readouterr()
    assert cli.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def difference_to_base(result: dict[str, Any]) -> dict[str, float]:
    (found,) = (
        score
        for score in result["scores"]
        if (score["cuts"], score["level"], score["futures"], score["metric"], score["scorer"])
        == ("all cuts", "specific", "all", "personal_auc", "tuned - base")
    )
    return found


def test_trained_encoder_knows_what_goes_together_and_one_on_shuffled_labels_does_not(
    tmp_path: Path, key_file: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    lake = LakeConfig(path=str(tmp_path / "lake"), pseudonym_key_file=key_file)
    shared = ["--config", str(ROOT / "conf" / "demo.yaml"), "--lake", lake.path, "--set", f"lake.pseudonym_key_file={key_file}"]
    people = archive_generator.write_archive(tmp_path / "dump", people=124, months=6, acts_per_month=1.5, seed=SEED)
    for job in ("ingest", "units", "sequences"):
        dump = ["--dump", str(tmp_path / "dump")] if job == "ingest" else []
        assert cli.main(["etl", job, *dump, *shared]) == 0
    planted_labels(lake, tmp_path / "labels.jsonl")
    run = ["run", "--dump", str(tmp_path / "dump"), "--labels", str(tmp_path / "labels.jsonl"), *shared]
    assert cli.main(run) == 0

    result = answer(capsys, "trainer", "evaluate", *shared)
    assert result["queries"] >= 150
    assert difference_to_base(result)["low"] > 0

    versions = table_versions(lake)
    assert cli.main(run) == 0
    assert table_versions(lake) == versions

    person = next(person for person in people if person.circle == "tinkerers")
    user = ["--name", f"reddit:{person.name}"]
    recommended = answer(capsys, "serving", "recommend", *user, "--level", "broad", "--by", "alike", "--top-k", "6", *shared)
    interests = set(yaml.safe_load((ROOT / "pipeline" / "interests.yaml").read_text())["tinkerers"])
    assert sum(hit["text"].lower() in interests for hit in recommended) >= 3
    assert len(answer(capsys, "serving", "similar-users", *user, *shared)) == 10
    assert len(answer(capsys, "serving", "audience", "taking pictures of galaxies at night", *shared)) == 10

    assert cli.main(["trainer", "train", *shared, "--set", "trainer.shuffle_labels=true"]) == 0
    control = answer(capsys, "trainer", "evaluate", *shared, "--set", "lake.encoder_alias=trained")
    assert control["encoder_version"] != result["encoder_version"]
    assert difference_to_base(control)["low"] <= 0


def table_versions(lake: LakeConfig) -> dict[str, int | None]:
    """Delta version of every table but `job_runs`."""
    return {name: arrow_tables.table_version(lake, spec) for name, spec in TABLES.items() if name != "job_runs"}
