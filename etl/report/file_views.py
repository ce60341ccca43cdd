"""Sections of the page that look at the input files: rejects and casts by reason and era, and the speed of the ingest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl.report.aggregates import Rows
from etl.report.facts import counts_by_era, era_of
from etl.report.plots import Bar, DotPlot, HeatTable, bars, dot_plot, heat_table
from etl.report.words import count, share, short, size

REASONS_SHOWN = 20
FILES_NAMED = 10
FILES_PLOTTED = 1000
"""The largest; a dump of a file for each community has tens of thousands, and most are tiny."""


@dataclass(frozen=True)
class RejectsView:
    """Lines that were set aside, lines of which a value was coerced, and what stands between the lines and is no act by itself.

    `worst_files` are those with the largest share of rejects, if any.
    """

    lines: int
    rejects: int
    reasons: Sequence[Bar]
    reasons_by_era: HeatTable
    casts: int
    casts_by_era: HeatTable
    worst_files: Sequence[Mapping]
    left_out: Sequence[Bar]


@dataclass(frozen=True)
class FilesView:
    """Sizes and speeds of the input files; `plotted` of them are in the plot."""

    files: int
    bytes: int
    json_bytes: int
    seconds: float
    speeds: DotPlot
    plotted: int
    slowest: Sequence[Mapping]

    @property
    def speed(self) -> float:
        """Megabytes of JSON a second of a task, over all files."""
        return self.json_bytes / 1e6 / self.seconds if self.seconds else 0.0


def rejects_view(files: Rows) -> RejectsView | None:
    """The view of rejects and casts; None where there is no file."""
    if not files:
        return None
    lines = Counter[str]()
    for file in files:
        lines[era_of(file)] += file["lines"]
    eras = sorted(lines)
    reasons, casts, left_out = (counts_by_era(files, column) for column in ("rejects_by_reason", "casts_by_kind", "left_out_by_kind"))
    bad = sorted((file for file in files if file["rejects"]), key=lambda file: (-file["rejects"] / file["lines"], file["source_file"]))
    return RejectsView(
        lines=lines.total(),
        rejects=sum(file["rejects"] for file in files),
        reasons=bars((name, found.total(), _of_lines(found.total(), lines.total())) for name, found in list(reasons.items())[:REASONS_SHOWN]),
        reasons_by_era=_by_era(reasons, lines, eras),
        casts=sum(found.total() for found in casts.values()),
        casts_by_era=_by_era(casts, lines, eras),
        worst_files=bad[:FILES_NAMED],
        left_out=bars((name, found.total(), count(found.total())) for name, found in list(left_out.items())[:REASONS_SHOWN]),
    )


def kept_reasons(kept_rejects: Rows) -> list[Bar]:
    """Lines in the table `rejects` by reason, the most frequent first: what is known of rejects where nothing tells of the files."""
    rows = sum(row["rows"] for row in kept_rejects)
    ranked = sorted(kept_rejects, key=lambda row: (-row["rows"], row["reason"]))[:REASONS_SHOWN]
    return bars((row["reason"], row["rows"], f"{count(row['rows'])} ({share(row['rows'] / rows)})") for row in ranked)


def files_view(files: Rows) -> FilesView | None:
    """The view of sizes and speeds; None where there is no file."""
    if not files:
        return None
    plotted = sorted(files, key=lambda file: (-file["json_bytes"], file["source_file"]))[:FILES_PLOTTED]
    points = [(file["json_bytes"], speed_of(file), f"{file['source_file']}: {size(file['json_bytes'])}, {speed_of(file):.1f} MB/s") for file in plotted]
    return FilesView(
        files=len(files),
        bytes=sum(file["bytes"] for file in files),
        json_bytes=sum(file["json_bytes"] for file in files),
        seconds=sum(file["seconds"] for file in files),
        speeds=dot_plot(points, size, short),
        plotted=len(plotted),
        slowest=sorted(files, key=lambda file: (-file["seconds"], file["source_file"]))[:FILES_NAMED],
    )


def speed_of(file: Mapping) -> float:
    """Megabytes of JSON a second of the file's task."""
    return file["json_bytes"] / 1e6 / max(file["seconds"], 1e-6)


def _by_era(found: Mapping[str, Counter[str]], lines: Mapping[str, int], eras: Sequence[str]) -> HeatTable:
    """Shares of each era's lines, the most frequent rows first."""
    rows = {
        name: [counts[era] / lines[era] if counts[era] else None for era in eras]
        for name, counts in list(found.items())[:REASONS_SHOWN]
    }  # fmt: skip
    return heat_table(eras, rows, share)


def _of_lines(number: int, lines: int) -> str:
    return f"{count(number)} ({share(number / lines if lines else 0)})"
