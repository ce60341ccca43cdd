"""A person's Reddit dump and Google export in, one history out: labelled, embedded and found by what either half is about."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.labels import LABELS, is_label
from lake.pseudonyms import load_key, pseudonym
from lake.schema import rows_table
from lake.units import IDENTITIES, SEQUENCES, UNITS
from pipeline import archive_generator, cli
from tests.integration.serving_lake import register_base_encoder
from tests.takeout_exports import json_entry

PARTICIPANT = "participant 7"
SEARCHES = (
    "pocket watch mainspring replacement", "oiling a mechanical watch movement", "vintage chronograph repair manual", "watchmaker's loupe magnification",
    "regulating a balance wheel", "polishing a watch crystal",
)  # fmt: skip
"""Of what nobody in the archive talks about."""


def write_export(folder: Path) -> None:
    """A participant's searches, one a day, as JSON of My Activity, each followed by a click."""
    entries = []
    for day, query in enumerate(SEARCHES):
        at = datetime(2023, 2, 1, 12, tzinfo=UTC) + timedelta(days=day)
        entries.append(
            json_entry(f"Searched for {query}", f"{at:%Y-%m-%dT%H:%M:%S}.000Z", titleUrl=f"https://www.google.com/search?q={query.replace(' ', '+')}")
        )
        clicked = f"{at + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}.000Z"
        entries.append(json_entry(f"Visited {query.capitalize()} explained", clicked, titleUrl=f"https://horology.example.org/{day}"))
    file = folder / PARTICIPANT / "Takeout" / "My Activity" / "Search" / "MyActivity.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(entries[::-1]), encoding="utf-8")


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """What a query prints with --json."""
    capsys.readouterr()
    assert cli.main([*words, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.timeout(1500)
def test_a_person_on_two_platforms_is_one_history_and_is_found_by_both_halves(
    tmp_path: Path, key_file: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    lake = LakeConfig(path=str(tmp_path / "lake"), pseudonym_key_file=key_file)
    shared = ["--lake", lake.path, "--set", f"lake.pseudonym_key_file={key_file}"]
    people = archive_generator.write_archive(tmp_path / "reddit", people=7, months=3, acts_per_month=4, seed=5)
    write_export(tmp_path / "takeout")
    for platform in ("reddit", "takeout"):
        assert cli.main(["etl", "ingest", "--platform", platform, "--dump", str(tmp_path / platform), *shared]) == 0
    key = load_key(key_file)
    person, on_google = people[0], pseudonym(key, "takeout", PARTICIPANT)
    person_id = pseudonym(key, "reddit", person.name)
    arrow_tables.overwrite(lake, IDENTITIES, rows_table(IDENTITIES, [{"user_id": on_google, "person_id": person_id}]))
    for job in ("units", "sequences"):
        assert cli.main(["etl", job, *shared]) == 0

    chunks = [row for row in arrow_tables.read(lake, SEQUENCES).to_pylist() if row["person_id"] == person_id]
    history = [unit for chunk in sorted(chunks, key=lambda chunk: chunk["chunk"]) for unit in chunk["units"]]
    assert {account for chunk in chunks for account in chunk["user_ids"]} == {person_id, on_google}
    assert sum(unit["platform"] == "takeout" for unit in history) == 2 * len(SEARCHES)
    assert sum(unit["platform"] == "reddit" for unit in history) >= 5
    assert [unit["created_at"] for unit in history] == sorted(unit["created_at"] for unit in history)
    clicks = [unit for unit in history if unit["action"] == "visit"]
    assert [[(entry["role"], entry["text"]) for entry in click["context"]] for click in clicks] == [[("earlier", query)] for query in SEARCHES]
    assert all(PARTICIPANT not in str(arrow_tables.read(lake, spec).to_pylist()) for spec in (ACTS, UNITS, SEQUENCES))

    assert cli.main(["teacher", "label", *shared]) == 0
    answered, labelled = (set(arrow_tables.read(lake, LABELS, ["unit_hash"], where)["unit_hash"].to_pylist()) for where in (None, is_label()))
    hashes = {platform: {unit["unit_hash"] for unit in history if unit["platform"] == platform} for platform in ("reddit", "takeout")}
    assert all(of_platform <= answered and of_platform & labelled for of_platform in hashes.values())
    assert cli.main(["teacher", "items", *shared]) == 0

    register_base_encoder(lake, tmp_path / "encoder", max_tokens=512)
    for job in ("embed", "load"):
        assert cli.main(["serving", job, *shared]) == 0
    assert answer(capsys, "serving", "audience", "repairing old mechanical watches", *shared)[0]["person_id"] == person_id
    on_reddit = next(unit["text"] for unit in history if unit["platform"] == "reddit" and unit["text"])
    assert person_id in [hit["person_id"] for hit in answer(capsys, "serving", "audience", on_reddit, *shared)[:2]]
    by_either_name = [answer(capsys, "serving", "similar-users", "--name", name, *shared) for name in (f"reddit:{person.name}", f"takeout:{PARTICIPANT}")]
    assert by_either_name[0] == by_either_name[1] != []
