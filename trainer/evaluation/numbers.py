"""How the numbers of an evaluation are written and named."""

import math
from typing import Annotated

from pydantic import BeforeValidator

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""JSON has no NaN: it is written as null, and read back."""
DIFFERENCE = "tuned - base"
"""The scorer whose values are the mean paired difference of the encoder's and its base's."""


def plain_name(name: str) -> str:
    """A name as MLflow takes it in the name of a number."""
    return name.replace(" - ", "_minus_").replace(",", "").replace(" ", "_")
