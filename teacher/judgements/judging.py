"""Units and histories with the items found for them -> rows of `judgements`, through a model."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from lake.judgements import Judgement
from lake.labels import Level
from teacher.engine import Decoding, Judge
from teacher.judgements.fusing import expected_grades, fused_grades
from teacher.judgements.prompts import JudgePrompt, likelihood_question, query_words, relevance_question
from teacher.judgements.queries import Query
from teacher.labelling import SHARES

_ONE_TOKEN = Decoding(1)
_LONGEST_ITEM = "x" * 200


class JudgedBy(NamedTuple):
    """Who judges: the model's name, its prompts (None: not asked) and whether it is asked as a chat; who found the items; and how many units of a history are shown."""

    model: str
    likelihood: JudgePrompt | None
    relevance: JudgePrompt | None
    is_chat: bool
    encoder_version: str
    shown_units: int

    @property
    def prompts(self) -> list[JudgePrompt]:
        """Those that are asked."""
        return [prompt for prompt in (self.likelihood, self.relevance) if prompt]

    @property
    def prompt_version(self) -> str:
        """Of all prompts that are fused."""
        return "+".join(prompt.prompt_version for prompt in self.prompts) + (", chat" if self.is_chat and self.relevance else "")


class Candidates(NamedTuple):
    """The items that are judged for one query at one level: ids and words."""

    query: Query
    level: Level
    item_ids: Sequence[str]
    texts: Sequence[str]


def judgements_of(model: Judge, by: JudgedBy, asked: Sequence[Candidates], judged_at: datetime) -> list[Judgement]:
    """Rows of all candidates of each query whose prompts the model reads, a shorter part of its words where they are too long; of a query that it does not read at one level, none at any."""
    rankings = list(zip(*(_scores(model, by, prompt, asked) for prompt in by.prompts), strict=True))
    unread = {candidates.query.query_id for candidates, ranking in zip(asked, rankings, strict=True) if any(scores is None for scores in ranking)}
    rows: list[Judgement] = []
    for candidates, ranking in zip(asked, rankings, strict=True):
        if candidates.query.query_id not in unread:
            rows += _rows(by, candidates, fused_grades([scores for scores in ranking if scores is not None]).tolist(), judged_at)
    return rows


def _rows(by: JudgedBy, candidates: Candidates, grades: Sequence[float], judged_at: datetime) -> Iterator[Judgement]:
    for item_id, text, grade in zip(candidates.item_ids, candidates.texts, grades, strict=True):
        yield Judgement(
            query_id=candidates.query.query_id, person_id=candidates.query.person_id, item_id=item_id, level=candidates.level, text=text, grade=grade,
            encoder_version=by.encoder_version, teacher_model=by.model, prompt_version=by.prompt_version, judged_at=judged_at,
        )  # fmt: skip


def _scores(model: Judge, by: JudgedBy, prompt: JudgePrompt, asked: Sequence[Candidates]) -> list[list[float] | None]:
    """Of each query's candidates what a prompt makes of them, the more the better, (C,); None where one was not read."""
    words = [_words(model, by, prompt, candidates) for candidates in asked]
    parts = [(candidates.query.of, said, item) for candidates, said in zip(asked, words, strict=True) if said for item in candidates.texts]
    if prompt.kind == "likelihood":
        found = iter(model.likelihoods([likelihood_question(prompt, *part) for part in parts]))
    else:
        chances = model.choices([relevance_question(prompt, *part, by.is_chat) for part in parts], list(prompt.answers))
        found = iter([None if each is None else float(expected_grades([each], list(prompt.answers.values()))[0]) for each in chances])
    return [_whole([next(found) for _ in candidates.texts]) if said else None for candidates, said in zip(asked, words, strict=True)]


def _whole(scores: Sequence[float | None]) -> list[float] | None:
    known = [score for score in scores if score is not None]
    return known if len(known) == len(scores) else None


def _words(model: Judge, by: JudgedBy, prompt: JudgePrompt, candidates: Candidates) -> str | None:
    """The query's words as the prompt shows them, with as much of each text as the model can read; None where no share of SHARES fits, or there are no words."""
    units: Sequence[Mapping[str, object]] = candidates.query.history[-by.shown_units :]
    for share in SHARES:
        words = query_words(prompt, units, share)
        if prompt.kind == "likelihood":
            fits = model.fits("".join(likelihood_question(prompt, candidates.query.of, words, _LONGEST_ITEM)), _ONE_TOKEN)
        else:
            fits = model.fits(relevance_question(prompt, candidates.query.of, words, _LONGEST_ITEM, by.is_chat), _ONE_TOKEN)
        if fits:
            return words or None
    return None
