"""`etl report` on tables of real Delta: its aggregates against hand-made rows, lakes that are partly there, and the real path from dump to page."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from conf.errors import ContractError
from etl.arguments import REPORT_FILE
from etl.jobs import ingest, report, sequences, units
from etl.report import counting
from etl.report.aggregates import Communities
from etl.report.figures import LakeFigures, TableState, read_figures
from etl.report.findings import find_all
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS, UNKNOWN_TIME, IngestedFile
from lake.config import LakeConfig
from lake.job_runs import job_run, last_done_run
from lake.schema import arrow_schema, rows_table
from lake.units import IDENTITIES, SEQUENCES, UNITS, Identity
from pipeline import cli
from tests.data.pack_dump import pack_hand_made
from tests.etl_rows import act, entry, unit, units_table

PROFILE = "u_" + "0a" * 32
ROOT = Path(__file__).parents[2]


def at(year: int, month: int) -> dict[str, datetime]:
    return {"created_at": datetime(year, month, 28, 23, 59, tzinfo=UTC)}


def write_acts(lake: LakeConfig, *acts: dict[str, Any]) -> None:
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [row | {"line": number} for number, row in enumerate(acts, 1)]))


def write_units(lake: LakeConfig, *rows: dict[str, Any]) -> None:
    arrow_tables.append(lake, UNITS, units_table(rows))


def in_any_order(rows: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    assert rows is not None
    return sorted(rows, key=repr)


def write_page(lake: LakeConfig, *arguments: str) -> str:
    """Run the command; the page."""
    report.main(["--lake", lake.path, *arguments])
    return (Path(lake.path) / REPORT_FILE).read_text(encoding="utf-8")


@pytest.fixture(params=["in this process", "by Spark"])
def counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are counted as those of small lakes are, and as those of large ones."""
    if request.param == "by Spark":
        request.getfixturevalue("spark")
        monkeypatch.setattr(counting, "BYTES_OF_ONE_PROCESS", -1)


def test_acts_are_counted_by_month_kind_and_state_with_their_scores(lake: LakeConfig, counted: None) -> None:
    write_acts(
        lake,
        act("a", attributes={"score": "1"}, **at(2005, 12)),
        act("b", attributes={"score": "12"}, **at(2005, 12)),
        act("c", attributes={"over_18": "true"}, **at(2005, 12)),
        act("d", state="removed", text=None, **at(2005, 12)),
        act("e", action="post", title="t", attributes={"score": "1"}, **at(2006, 1)),
        act("f", action="object", user_id=None, created_at=UNKNOWN_TIME),
    )
    shared = {"platform": "reddit"}
    assert in_any_order(read_figures(lake).months) == in_any_order([
        shared | {"action": "comment", "month": "2005-12", "state": "kept", "rows": 3, "scored": 2, "scored_one": 1},
        shared | {"action": "comment", "month": "2005-12", "state": "removed", "rows": 1, "scored": 0, "scored_one": 0},
        shared | {"action": "post", "month": "2006-01", "state": "kept", "rows": 1, "scored": 1, "scored_one": 1},
        shared | {"action": "object", "month": None, "state": "kept", "rows": 1, "scored": 0, "scored_one": 0},
    ])  # fmt: skip


def test_units_are_counted_by_context_person_and_community(lake: LakeConfig, counted: None) -> None:
    chain = {"root_state": "present", "chain_state": "complete", "context": [entry("root", "r"), entry("parent", "p")]}
    write_units(
        lake,
        *(unit(f"a{number}", "alice", community=PROFILE) for number in range(3)),
        unit("a3", "alice on another site", community="u_" + "0b" * 32, **chain, duplicate_group="g"),
        unit("b", "bob", community="tea", language="de", **chain),
        unit("c", "carl", community=None, **chain),
        unit("d", "dora", community="u_notes", **chain),
    )
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id=name, person_id="alice") for name in ("alice", "alice on another site")])
    figures = read_figures(lake)
    shared, whole = {"year": "2020", "platform": "reddit"}, {"root_state": "present", "chain_state": "complete", "depth": 2}
    assert in_any_order(figures.contexts) == in_any_order([
        shared | {"language": None, "root_state": "missing", "chain_state": "none", "depth": 0, "units": 3, "grouped": 0},
        shared | {"language": None, **whole, "units": 3, "grouped": 1},
        shared | {"language": "de", **whole, "units": 1, "grouped": 0},
    ])  # fmt: skip
    assert in_any_order(figures.people) == [
        {"doublings": 0, "people": 3, "units": 3, "most": 1},
        {"doublings": 2, "people": 1, "units": 4, "most": 4},
    ]
    ranked = [("profiles", 4), ("tea", 1), ("u_notes", 1), (None, 1)]
    assert figures.communities == Communities([{"platform": "reddit", "community": name, "units": count} for name, count in ranked], 4)


def test_histories_of_any_length_fall_between_the_right_powers_of_two(lake: LakeConfig, counted: None) -> None:
    lengths = {1: 0, 2: 1, 3: 1, 4: 2, 7: 2, 8: 3, 15: 3, 16: 4}
    write_units(lake, *(unit(f"{length}-{number}", f"person of {length}") for length in lengths for number in range(length)))
    found = {row["doublings"]: (row["people"], row["units"], row["most"]) for row in read_figures(lake).people or []}
    assert found == {0: (1, 1, 1), 1: (2, 5, 3), 2: (2, 11, 7), 3: (2, 23, 15), 4: (1, 16, 16)}


def test_a_lake_without_a_table_is_an_error_that_says_where(lake: LakeConfig) -> None:
    with pytest.raises(ContractError, match=rf"no table at {lake.path}; expected one or more of acts, rejects"):
        report.main(["--lake", lake.path])


def test_a_lake_of_empty_tables_has_a_page(lake: LakeConfig) -> None:
    for spec in (ACTS, REJECTS, INGESTED_FILES, UNITS, SEQUENCES):
        arrow_tables.create_table(lake, spec)
    empty = [TableState(spec.name, 0, 0, 0) for spec in (ACTS, REJECTS, INGESTED_FILES, UNITS, SEQUENCES)]
    assert read_figures(lake) == LakeFigures(
        [*empty, TableState("job_runs")], [], [], [], [], [], Communities([], 0), {"people": 0, "chunks": 0, "units": 0}
    )  # fmt: skip
    assert "`acts` has no rows." in write_page(lake)


def test_of_a_lake_that_is_partly_there_the_rest_is_said_to_be_absent(lake: LakeConfig) -> None:
    write_units(lake, unit("a", community="<b>tea</b>"))
    page = write_page(lake)
    assert "There is no table `acts` in this lake." in page
    assert "There is no table `sequences` in this lake." in page
    assert "&lt;b&gt;tea&lt;/b&gt;" in page
    assert "<b>tea</b>" not in page


def test_from_dump_to_page_and_a_second_page_is_the_same(
    lake: LakeConfig, spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    settings = ["--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "--set", "etl.max_reject_share=1"]
    ingest.main(["--dump", str(pack_hand_made(tmp_path / "dump")), *settings])
    units.main(settings)
    sequences.main([*settings, "--set", "etl.min_units_per_person=2"])
    versions = {spec.name: arrow_tables.table_version(lake, spec) for spec in (ACTS, UNITS, SEQUENCES)}

    out = tmp_path / "pages" / "report.html"
    capsys.readouterr()
    assert cli.main(["etl", "report", "--lake", lake.path, "--out", str(out)]) == 1
    assert "no such folder" in capsys.readouterr().err
    assert not out.parent.exists()
    out.parent.mkdir()
    assert cli.main(["etl", "report", "--lake", lake.path, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    page = out.read_text(encoding="utf-8")
    files = arrow_tables.read(lake, INGESTED_FILES).to_pylist()
    rejects, lines = sum(file["rejects"] for file in files), sum(file["lines"] for file in files)
    assert rejects > 0
    assert f"{rejects} of {lines} lines were set aside" in " ".join(page.split())
    assert f"read {arrow_tables.read(lake, ACTS).num_rows} acts" in page
    assert "2009-10 to 2024-01 (172 months)" in page
    assert {name: arrow_tables.table_version(lake, spec) for name, spec in (("acts", ACTS), ("units", UNITS), ("sequences", SEQUENCES))} == versions

    made = [line for line in page.splitlines() if 'class="made"' in line]
    again = write_page(lake)
    assert [line for line in again.splitlines() if 'class="made"' not in line] == [line for line in page.splitlines() if line not in made]
    assert len(made) == 1


def test_programs_get_one_object_and_no_page(lake: LakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_units(lake, unit("a"), unit("b"))
    capsys.readouterr()
    assert cli.main(["etl", "report", "--lake", lake.path, "--json"]) == 0
    out = capsys.readouterr().out
    found = json.loads(out)
    assert out.count("\n") == 1
    assert not (Path(lake.path) / REPORT_FILE).exists()
    assert (found["lake"], found["people"], found["months"]) == (lake.path, [{"doublings": 1, "people": 1, "units": 2, "most": 2}], None)
    assert [finding["section"] for finding in found["findings"]] == ["languages"]
    described = report.REPORT.json_schema(mode="serialization")["properties"]
    assert described.keys() == found.keys()
    page = (ROOT / "ETL.md").read_text(encoding="utf-8")
    assert [name for name, value in described.items() if f"- `{name}`: {value['description']}\n" not in page] == []

    assert cli.main(["etl", "report", "--lake", lake.path, "--json", "--out", str(tmp_path / "page.html")]) == 0
    assert json.loads(capsys.readouterr().out).keys() == found.keys()
    assert "Lake report" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_time_that_no_source_told_is_shown_nowhere(lake: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    write_acts(lake, act("a", **at(2006, 1)), *(act(f"o{number}", action="object", user_id=None, created_at=UNKNOWN_TIME) for number in range(3)))
    page = write_page(lake)
    assert "Of 3 reddit · object the source tells no time" in page
    report.main(["--lake", lake.path, "--json"])
    assert "1990" not in page + capsys.readouterr().out

    only_objects = lake.model_copy(update={"path": f"{lake.path}-of-objects"})
    write_acts(only_objects, act("o", action="object", user_id=None, created_at=UNKNOWN_TIME))
    assert "Of 1 reddit · object the source tells no time" in write_page(only_objects)


def test_of_a_quiet_site_nothing_alarms_and_pages_of_the_site_are_no_casts(lake: LakeConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = tmp_path / "dump" / "tea.stackexchange.com"
    site.mkdir(parents=True)
    row = '<row Id="{0}" PostTypeId="{1}" CreationDate="2015-{2:02}-01T00:00:00" Body="&lt;p&gt;Boil {0}&lt;/p&gt;" OwnerUserId="1"/>\n'
    rows = [row.format(1, 1, 1), row.format(2, 1, 6), row.format(3, 4, 2), row.format(4, 5, 2)]
    (site / "Posts.xml").write_text("<posts>\n" + "".join(rows) + "</posts>", encoding="utf-8")
    with caplog.at_level("INFO"):
        ingest.main(
            [
                "--dump",
                str(tmp_path / "dump"),
                "--platform",
                "stackexchange",
                "--lake",
                lake.path,
                "--set",
                f"lake.pseudonym_key_file={lake.pseudonym_key_file}",
            ]
        )
    assert "Posts.xml: 2 acts, 0 rejects; left out: 2 heading, 1 tag wiki, 1 tag wiki excerpt; " in caplog.text
    run = last_done_run(lake, "etl ingest")
    assert run is not None
    assert (run.rows, run.dropped) == ({"files": 1, "lines": 2, "acts": 2, "rejects": 0}, {"heading": 2, "tag wiki": 1, "tag wiki excerpt": 1})

    figures = read_figures(lake)
    assert [(file["casts_by_kind"], file["left_out_by_kind"]) for file in figures.files or []] == [({}, dict(run.dropped))]
    assert find_all(figures, max_reject_share=0.01) == []
    text = " ".join(write_page(lake).split())
    assert "0 values had another type than usual" in text
    assert "question</b>: none; 4 months without a row beside quiet ones" in text


def test_files_that_an_older_kindred_ingested_are_told_as_those_of_now(lake: LakeConfig) -> None:
    """Then what was left out stood among the casts, and an object's unknown time was a file's first."""
    old = pa.schema([field for field in arrow_schema(INGESTED_FILES) if field.name != "left_out_by_kind"])
    ingested = {
        "source_file": "Posts.xml", "platform": "stackexchange", "kind": "posts", "sha256": "", "bytes": 1, "json_bytes": 1, "lines": 1, "rows": 1,
        "rejects": 0, "rejects_by_reason": {}, "casts_by_kind": {"left out: tag wiki": 20, "line: lone surrogate": 1}, "first_created_at": UNKNOWN_TIME,
        "last_created_at": at(2015, 3)["created_at"], "seconds": 1.0, "parser_version": "1", "key_id": "", "ingested_at": at(2015, 3)["created_at"],
    }  # fmt: skip
    write_deltalake(f"{lake.path}/ingested_files", pa.Table.from_pylist([ingested], schema=old))

    def shown() -> list[tuple[Any, ...]]:
        return [tuple(file[name] for name in ("left_out_by_kind", "casts_by_kind", "first_created_at")) for file in read_figures(lake).files or []]

    as_of_now = ({"tag wiki": 20}, {"line: lone surrogate": 1}, None)
    assert shown() == [as_of_now]
    arrow_tables.append(lake, INGESTED_FILES, [IngestedFile(**ingested | {"source_file": "Q.xml", "casts_by_kind": {}, "left_out_by_kind": {"heading": 3}})])
    assert shown() == [as_of_now, ({"heading": 3}, {}, None)]


def test_upkeep_of_a_table_leaves_nothing_behind(lake: LakeConfig) -> None:
    def behind() -> Any:
        return read_figures(lake).behind

    write_acts(lake, act("a"))
    write_acts(lake, act("b"))
    with job_run(lake, "etl units", {}) as run:
        run.read(ACTS, arrow_tables.table_version(lake, ACTS))
    arrow_tables.open_table(lake, ACTS).optimize.compact()
    assert arrow_tables.table_version(lake, ACTS) == 3
    assert behind() == {}
    write_acts(lake, act("c"))
    assert behind() == {"etl units": (2, 4)}


def test_rows_of_any_writer_are_counted(lake: LakeConfig) -> None:
    """delta-rs merges strings as views, and compacts files by a writer of its own."""
    write_units(lake, unit("a"), unit("b", context=[entry("root", "r")]))
    arrow_tables.merge(lake, UNITS, units_table([unit("b", context=[entry("root", "r")], language="de"), unit("c", "q")]))
    arrow_tables.open_table(lake, UNITS).optimize.compact()
    figures = read_figures(lake)
    assert sum(row["units"] for row in figures.contexts or [] if row["depth"] == 1) == 1
    assert figures.people == [{"doublings": 0, "people": 1, "units": 1, "most": 1}, {"doublings": 1, "people": 1, "units": 2, "most": 2}]


def test_the_page_lands_beside_local_tables_and_at_hand_for_an_object_store() -> None:
    assert report.default_path(LakeConfig(path="/lakes/one")) == Path("/lakes/one/report.html")
    assert report.default_path(LakeConfig(path="s3://bucket/lake")) == Path("report.html")
