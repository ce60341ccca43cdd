"""What stands out in a lake: what a person should look at before they build on it, each as one sentence."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from etl.ingest.file_counts import FEWEST_LINES
from etl.report.facts import ScoreState, counts_by_kind, gaps, last_run, missing_shares, runs_in_state, sums, units_to_have
from etl.report.figures import SOURCES, LakeFigures
from etl.report.words import count, kind_name, listed, share
from etl.units.acts import CONFLICTS
from lake.acts import ACTS

MOST_MISSING, FEWEST_WITH_CONTEXT = 0.3, 100
"""Share of missing roots or parents above which the contexts are worth a look, where at least so many units should have one."""
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


@dataclass(frozen=True, kw_only=True)
class LakeReport(LakeFigures):
    """What programs are told of a lake: its figures, and what stands out in them."""

    lake: str = Field(description="The lake, as it was named.")
    made_at: datetime = Field(description="When this was counted.")
    findings: Sequence[Finding] = Field(description="What stands out, warnings first: level (warning or note), the page's section, and a sentence as text.")


def find_all(figures: LakeFigures, max_reject_share: float) -> list[Finding]:
    """All findings, warnings first. Of files, those with more than this share of rejects stand out.

    Few are no fault: a share counts where there are enough to have one.
    """
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
            yield Finding("warning", "rows", f"{kind_name(*kind)}: {_months(months)} without a row, between busy ones: {listed(missing, NAMED)}.")
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
    bad = [file for file in files if max_reject_share * max(file["lines"], FEWEST_LINES) < file["rejects"] < file["lines"]]
    if bad:
        named = [f"{file['source_file']} ({share(file['rejects'] / file['lines'])})" for file in bad]
        yield Finding("warning", "rejects", f"More than {share(max_reject_share)} of the lines were rejected: {listed(named, NAMED)}.")
    empty = [file["source_file"] for file in files if not file["lines"] and not file["left_out_by_kind"]]
    if empty:
        yield Finding("note", "files", f"Files without a line: {listed(empty, NAMED)}.")


def _of_runs(figures: LakeFigures) -> Iterator[Finding]:
    for job in sorted({run["job"] for run in figures.runs or []}):
        newest = [run for run in figures.runs or [] if run["job"] == job][-1]
        if newest["status"] == "failed":
            yield Finding("warning", "tables", f"The last run of '{job}' failed: {newest['error']}")
    for job, (read, now) in figures.behind.items():
        table, source = job.removeprefix("etl "), SOURCES[job].name
        yield Finding("warning", "tables", f"{table} was made from version {read} of {source}, which is at {now} now: run 'kindred {job}' again.")
    made = last_run(figures.runs, "etl units", counted="acts")
    if made and made["rows"].get(CONFLICTS):
        text = f"{count(made['rows'][CONFLICTS])} duplicates say something else than the act that was taken in their place."
        yield Finding("note", "dropped", text)


def _of_contexts(figures: LakeFigures) -> Iterator[Finding]:
    contexts = figures.contexts or []
    missing = missing_shares(contexts)
    for lacking, column, text in (
        (missing.root, "root_state", "What opened the thread is missing from the archive for {} of the units that answer something."),
        (missing.chain, "chain_state", "A parent is missing from the archive for {} of the units that answer more than the opening of a thread."),
    ):
        if lacking is not None and lacking > MOST_MISSING and units_to_have(contexts, column) >= FEWEST_WITH_CONTEXT:
            yield Finding("warning", "context", text.format(share(lacking)))


def _of_people(figures: LakeFigures) -> Iterator[Finding]:
    people = figures.people or []
    units, most = sum(row["units"] for row in people), max((row["most"] for row in people), default=0)
    if units >= FEWEST_UNITS and most > MOST_OF_ONE_PERSON * units:
        yield Finding("note", "people", f"One person has {count(most)} units, {share(most / units)} of all: is it a bot?")


def _of_scores(figures: LakeFigures) -> Iterator[Finding]:
    for kind, counts in counts_by_kind(figures.months or []).items():
        has_scores = any(month.scored for month in counts.values())
        for state, meaning in _SCORE_FAULTS:
            found = runs_in_state(counts, state)
            if found and has_scores:
                yield Finding("note", "scores", f"{kind_name(*kind)}: {meaning} in {listed(found, NAMED)}.")


def _of_languages(figures: LakeFigures) -> Iterator[Finding]:
    languages = sums(figures.contexts or [], "language")
    if languages and set(languages) == {(None,)}:
        yield Finding("note", "languages", "No unit has a language: neither the platform nor a detector gave one.")


def _months(number: int) -> str:
    return "1 month" if number == 1 else f"{number} months"
