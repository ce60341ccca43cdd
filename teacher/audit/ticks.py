"""What a reader ticked on the page of an audit -> figures. Pure."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conf.errors import ConfigError
from lake.labels import Level
from teacher.audit.measures import INTERVAL

Verdict = Literal["right", "wrong", "unsure"]
VERDICTS: tuple[Verdict, ...] = ("right", "wrong", "unsure")


class Tick(BaseModel):
    """What a reader says of one label. `answer` names content and teacher, and tells neither to who reads the page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: str
    level: Level
    verdict: Verdict


class Ticks(BaseModel):
    """A reader's whole page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ticks: list[Tick]


class Judged(BaseModel):
    """What readers say of one teacher's labels of a level."""

    model_config = ConfigDict(frozen=True)

    teacher_version: str
    level: Level
    verdicts: dict[Verdict, int]
    right: float = Field(description="Share of those that are not unsure; NaN of none.")
    low: float
    high: float


def answer_code(content: str, teacher_version: str) -> str:
    """What an answer is called on the page."""
    return hashlib.sha256(f"audit\x1f{content}\x1f{teacher_version}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_ticks(file: Path) -> Ticks:
    """The ticks that a page gave. Raises ConfigError where the file holds something else."""
    try:
        return Ticks(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, ValidationError) as error:
        raise ConfigError(f"--ticks {file}: not what the page of 'kindred teacher audit' gives ({type(error).__name__})") from None


def judged(ticks: Ticks, teachers: Mapping[str, str]) -> tuple[list[Judged], int]:
    """What was ticked of each teacher (`teachers`: the version behind each answer's code), and how many ticks are of none of these answers."""
    counts: dict[tuple[str, Level], Counter[Verdict]] = {}
    known = [tick for tick in ticks.ticks if tick.answer in teachers]
    for tick in known:
        counts.setdefault((teachers[tick.answer], tick.level), Counter())[tick.verdict] += 1
    found = []
    for (version, level), verdicts in sorted(counts.items(), key=lambda each: (list(teachers.values()).index(each[0][0]), each[0][1] != "specific")):
        right, told = verdicts["right"], verdicts["right"] + verdicts["wrong"]
        low, high = wilson(right, told)
        share = right / told if told else math.nan
        found.append(Judged(teacher_version=version, level=level, verdicts={each: verdicts[each] for each in VERDICTS}, right=share, low=low, high=high))
    return found, len(ticks.ticks) - len(known)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Interval of a share, by Wilson's score. Source: https://doi.org/10.1080/01621459.1927.10502953."""
    if not trials:
        return math.nan, math.nan
    z = NormalDist().inv_cdf((1 + INTERVAL) / 2)
    share, weight = successes / trials, z * z / trials
    centre, half = (share + weight / 2) / (1 + weight), z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / 4 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)
