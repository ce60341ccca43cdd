"""How the numbers of an evaluation are written and named."""

import math
from typing import Annotated, Protocol

from pydantic import BeforeValidator

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""JSON has no NaN: it is written as null, and read back."""
DIFFERENCE = "tuned - base"
"""The scorer whose values are the mean paired difference of the encoder's and its base's."""

MINUS = " - "
"""Stands in the name of every scorer whose values are differences."""


class Interval(Protocol):
    """A mean with its interval; `low` and `high` are NaN where it has none."""

    @property
    def mean(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def with_interval(number: Interval, signed: bool = False) -> str:
    """A mean and its interval, where it has one."""
    sign = "+" if signed else ""
    return f"{number.mean:{sign}.3f}" + ("" if math.isnan(number.low) else f" [{number.low:{sign}.3f}, {number.high:{sign}.3f}]")


def plain_name(name: str) -> str:
    """A name as MLflow takes it in the name of a number."""
    return name.replace(MINUS, "_minus_").replace(" + ", "_plus_").replace(",", "").replace(" ", "_")
