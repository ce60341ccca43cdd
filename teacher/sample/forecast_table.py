"""A forecast as people read it, and as programs do. Pure."""

from collections.abc import Sequence
from typing import Any

from teacher.sample.forecast import Costs, Forecast, together

MAX_ROWS = 30
_HEADINGS = ("stratum", "contents", "people", "prompt tokens", "cached", "answer tokens", "hours", "price")


def forecast_table(parts: Sequence[Forecast], costs: Costs) -> str:
    """A line for each of the largest strata, one for all others, and one for all."""
    shown = list(parts[:MAX_ROWS])
    if len(parts) > MAX_ROWS:
        shown.append(together(f"{len(parts) - MAX_ROWS} others", parts[MAX_ROWS:]))
    rows = [_HEADINGS, *(_cells(part, costs) for part in (*shown, together(f"all ({len(parts)} strata)", parts)))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows
    )


def forecast_object(parts: Sequence[Forecast], costs: Costs, notes: Sequence[str]) -> dict[str, Any]:
    """The same for programs: every stratum, and `all`."""
    return {"strata": [_fields(part, costs) for part in parts], "all": _fields(together("all", parts), costs), **costs._asdict(), "notes": list(notes)}


def _cells(part: Forecast, costs: Costs) -> tuple[str, ...]:
    hours, price = part.hours(costs), part.price(costs)
    return (
        part.stratum, f"{part.contents:,}", f"{part.people:,}", f"{part.tokens.prompt:,.0f}", f"{part.cached_share:.0%}", f"{part.tokens.completion:,.0f}",
        _amount(hours), _amount(price),
    )  # fmt: skip


def _amount(number: float | None) -> str:
    """A number as it is told of hours and prices; '-' where it is not known."""
    return "-" if number is None else f"{number:,.2f}" if number >= 1 else f"{number:.2g}"


def _fields(part: Forecast, costs: Costs) -> dict[str, Any]:
    return {
        "stratum": part.stratum, "contents": part.contents, "people": part.people, "prompt_tokens": round(part.tokens.prompt),
        "cached_tokens": round(part.tokens.cached), "completion_tokens": round(part.tokens.completion), "hours": part.hours(costs), "price": part.price(costs),
    }  # fmt: skip
