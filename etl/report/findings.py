"""What stands out in a lake: what a person should look at before they build on it, each as one sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from etl.report.facts import ScoreState, counts_by_kind, gaps, last_run, missing_shares, runs_in_state, sums
from etl.report.figures import LakeFigures
from etl.report.words import count, kind_name, listed, share
from etl.units.acts import CONFLICTS
from lake.acts import ACTS
from lake.tables import TableSpec
from lake.units import UNITS

MOST_MISSING = 0.3
"""Share of missing roots or parents above which the contexts are worth a look."""
MOST_OF_ONE_PERSON, FEWEST_UNITS = 0.01, 10_000
"""Share of all units above which one person's are a lot, in a lake of at least so many units."""
NAMED = 5
_SCORE_FAULTS: tuple[tuple[ScoreState, str], ...] = (("constant", "nearly all scores are 1"), ("absent", "most rows have no score"))


@dataclass(frozen=True)
class Finding:
    """One sentence, and the section of the page that shows more. A 'warning' is likely to be a fault, a 'note' is worth knowing."""

    level: Literal["warning", "note"]
    section: str
    text: str


def find_all(figures: LakeFigures, max_reject_share: float) -> list[Finding]:
    """All findings, warnings first. Of files, those with more than this share of rejects stand out."""
    found = [
        *_of_rows(figures),
        *_of_files(figures, max_reject_share),
        *_of_runs(figures),
        *_of_contexts(figures),
        *_of_people(figures),
        *_of_scores(figures),
        *_of_languages(figures),
    ]
    return sorted(found, key=lambda finding: finding.level != "warning")


def _of_rows(figures: LakeFigures) -> Iterator[Finding]:
    for kind, counts in counts_by_kind(figures.months or []).items():
        missing = gaps(counts)
        if missing:
            months = sum(run.months for run in missing)
            yield Finding("warning", "rows", f"{kind_name(*kind)}: {_months(months)} without a row: {listed(missing, NAMED)}.")
    acts = figures.table(ACTS).rows
    if figures.files is not None and acts is not None:
        taken_in = sum(file["rows"] for file in figures.files)
        if acts != taken_in:
            text = f"acts holds {count(acts)} rows, but the ingested files gave {count(taken_in)}: rows were lost, doubled or taken out since."
            yield Finding("warning", "rows", text)


def _of_files(figures: LakeFigures, max_reject_share: float) -> Iterator[Finding]:
    files = figures.files or []
    lossy = [file["source_file"] for file in files if file["lines"] != file["rows"] + file["rejects"]]
    if lossy:
        yield Finding("warning", "rejects", f"Lines that are neither act nor reject: {listed(lossy, NAMED)}.")
    refused = [file["source_file"] for file in files if file["lines"] and file["rejects"] == file["lines"]]
    if refused:
        yield Finding("warning", "rejects", f"Every line was rejected: {listed(refused, NAMED)}.")
    bad = [file for file in files if max_reject_share * file["lines"] < file["rejects"] < file["lines"]]
    if bad:
        named = [f"{file['source_file']} ({share(file['rejects'] / file['lines'])})" for file in bad]
        yield Finding("warning", "rejects", f"More than {share(max_reject_share)} of the lines were rejected: {listed(named, NAMED)}.")
    empty = [file["source_file"] for file in files if not file["lines"]]
    if empty:
        yield Finding("warning", "files", f"Files without a line: {listed(empty, NAMED)}.")


def _of_runs(figures: LakeFigures) -> Iterator[Finding]:
    for job in sorted({run["job"] for run in figures.runs or []}):
        newest = [run for run in figures.runs or [] if run["job"] == job][-1]
        if newest["status"] == "failed":
            yield Finding("warning", "tables", f"The last run of '{job}' failed: {newest['error']}")
    yield from _behind(figures, "etl units", UNITS.name, ACTS)
    yield from _behind(figures, "etl sequences", "sequences", UNITS)
    made = last_run(figures.runs, "etl units", counted="acts")
    if made and made["rows"].get(CONFLICTS):
        text = f"{count(made['rows'][CONFLICTS])} duplicates say something else than the act that was taken in their place."
        yield Finding("note", "dropped", text)


def _behind(figures: LakeFigures, job: str, table: str, source: TableSpec) -> Iterator[Finding]:
    run, now = last_run(figures.runs, job), figures.table(source).version
    read = run["versions_read"].get(source.name) if run else None
    if read is not None and now is not None and read < now:
        yield Finding("warning", "tables", f"{table} was made from version {read} of {source.name}, which is at {now} now: run 'kindred {job}' again.")


def _of_contexts(figures: LakeFigures) -> Iterator[Finding]:
    missing = missing_shares(figures.contexts or [])
    if missing.root is not None and missing.root > MOST_MISSING:
        text = f"What opened the thread is missing from the archive for {share(missing.root)} of the units that answer something."
        yield Finding("warning", "context", text)
    if missing.chain is not None and missing.chain > MOST_MISSING:
        text = f"A parent is missing from the archive for {share(missing.chain)} of the units that answer more than the opening of a thread."
        yield Finding("warning", "context", text)


def _of_people(figures: LakeFigures) -> Iterator[Finding]:
    people = figures.people or []
    units, most = sum(row["units"] for row in people), max((row["most"] for row in people), default=0)
    if units >= FEWEST_UNITS and most > MOST_OF_ONE_PERSON * units:
        yield Finding("note", "people", f"One person has {count(most)} units, {share(most / units)} of all: is it a bot?")


def _of_scores(figures: LakeFigures) -> Iterator[Finding]:
    for kind, counts in counts_by_kind(figures.months or []).items():
        for state, meaning in _SCORE_FAULTS:
            found = runs_in_state(counts, state)
            if found:
                yield Finding("note", "scores", f"{kind_name(*kind)}: {meaning} in {listed(found, NAMED)}.")


def _of_languages(figures: LakeFigures) -> Iterator[Finding]:
    languages = sums(figures.contexts or [], "language")
    if languages and set(languages) == {(None,)}:
        yield Finding("note", "languages", "No unit has a language: neither the platform nor a detector gave one.")


def _months(number: int) -> str:
    return "1 month" if number == 1 else f"{number} months"
