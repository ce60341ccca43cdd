"""What a run of `kindred teacher label` cost, as it is kept with the run: forecasts go by it."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from lake.config import LakeConfig
from lake.job_runs import done_runs
from teacher.config import TeacherConfig
from teacher.labelling import Reply

LABEL_JOB = "teacher label"
PROMPT_TOKENS, CACHED_TOKENS, COMPLETION_TOKENS = "prompt tokens", "prompt tokens cached", "completion tokens"
ASKED, MILLISECONDS = "contents asked", "milliseconds of asking"
_NO_MATTER = {"max_units", "min_units_per_person", "use_sample", "sample", "distil", "judge", "max_reject_share", "imported_ids", "imported_model", "catalogue"}
"""Settings of the teacher by which no content costs more or less."""


class Speed(NamedTuple):
    """What a run took: tokens a second that were read (cached ones aside) and written, tokens that were written to one content, and which share of the prompts' was cached."""

    run_id: str
    tokens_per_second: float
    completion_tokens: float
    cached_share: float


def tokens_of(replies: Iterable[Reply]) -> Counter[str]:
    """What was asked, read and written for these."""
    found: Counter[str] = Counter()
    for reply in replies:
        found.update({ASKED: 1, PROMPT_TOKENS: reply.prompt_tokens, CACHED_TOKENS: reply.cached_tokens, COMPLETION_TOKENS: reply.completion_tokens})
    return found


def last_speed(lake: LakeConfig, config: TeacherConfig) -> Speed | None:
    """What the newest run with these settings that asked anything took; None where there is none."""
    settings = _that_matter(config.model_dump(mode="json"))
    for run in done_runs(lake, LABEL_JOB):
        rows = run.rows
        if rows.get(ASKED) and rows.get(MILLISECONDS) and _that_matter(json.loads(run.config)["teacher"]) == settings:
            tokens = rows[PROMPT_TOKENS] - rows[CACHED_TOKENS] + rows[COMPLETION_TOKENS]
            cached_share = rows[CACHED_TOKENS] / rows[PROMPT_TOKENS] if rows[PROMPT_TOKENS] else 0.0
            return Speed(run.run_id, 1000 * tokens / rows[MILLISECONDS], rows[COMPLETION_TOKENS] / rows[ASKED], cached_share)
    return None


def _that_matter(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _NO_MATTER}
