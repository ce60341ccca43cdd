"""An evaluation as a table for a person, and as flat names and numbers for MLflow."""

import math
from collections.abc import Iterator, Sequence

from lake.examples import Kind
from trainer.evaluation.comparison import EvaluationResult, Score
from trainer.evaluation.numbers import DIFFERENCE, plain_name
from trainer.evaluation.user_user import USER_USER_TITLES, UserUserScore, user_user_blocks, user_user_numbers

TITLES = {
    "matched_personal_auc": "matched personal AUC", "personal_auc": "personal AUC", "recall_at_10": "recall@10", "mrr": "MRR", **USER_USER_TITLES,
}  # fmt: skip
NAME_WIDTH, CELL_WIDTH = 26, 26


def report_text(result: EvaluationResult) -> str:
    """The result as a readable text, one block a level and kind of future."""
    lines = [
        f"Encoder {result.encoder_version} (tuned) against {result.base_model} {result.base_version} (base), {result.max_tokens} tokens, "
        f"{result.people} held-out people with labels, {result.queries} cuts ({result.future_queries} of the future period); {result.title_people} asked about titles",
        f"Mean over people and {result.interval:.0%} interval. Personal AUC: a label of one's own future above one of somebody else's; 0.5 is chance, and "
        f"what any list gets that is the same for everybody. Matched: somebody else's of the same community and within {result.matched_days:g} days, where "
        f"{result.matched_min_others} other people have one, so that knowing when and where somebody writes wins nothing.",
    ]
    if result.encoder_version == result.base_version:
        lines.append("The registered encoder IS the untouched base: no training has beaten it yet.")
    for title, scores in _blocks(result):
        lines += ["", title, *_table(scores)]
    for title, of_people in user_user_blocks(result.user_user):
        lines += ["", title, *(_table(of_people) if of_people else ())]
    return "\n".join(lines)


def flat_numbers(result: EvaluationResult) -> dict[str, float]:
    """Metric name -> number, NaN left out: 'all_cuts/specific/new/personal_auc/tuned' with '_low' and '_high' beside it, and
    'all_cuts/specific/new/matched_personal_auc/share_matched'."""
    numbers = user_user_numbers(result.user_user)
    for score in result.scores:
        name = "/".join(map(plain_name, (score.cuts, score.level, score.futures, score.metric, score.scorer)))
        numbers |= {name: score.mean, f"{name}_low": score.low, f"{name}_high": score.high}
        if score.share_matched is not None:
            numbers[name.rpartition("/")[0] + "/share_matched"] = score.share_matched
    return {name: number for name, number in numbers.items() if not math.isnan(number)}


def _blocks(result: EvaluationResult) -> Iterator[tuple[str, list[Score]]]:
    by_block: dict[tuple[str, Kind, str], list[Score]] = {}
    for score in result.scores:
        by_block.setdefault((score.cuts, score.level, score.futures), []).append(score)
    for (cuts, level, futures), scores in by_block.items():
        people = max(score.people for score in scores)
        yield f"{_kind(level, futures)}, {cuts} ({people} people, {result.items[level]} items; {_matched(scores)})", scores


def _kind(kind: str, futures: str | None) -> str:
    if kind == "title":
        return "Titles of threads entered next"
    return f"{kind.capitalize()} labels, {'new threads only' if futures == 'new' else 'all futures'}"


def _matched(scores: Sequence[Score]) -> str:
    score = next(score for score in scores if score.share_matched is not None)
    return f"{score.share_matched:.0%} of the futures of {score.people} people matched"


def _table(scores: Sequence[Score | UserUserScore]) -> Iterator[str]:
    metrics = list(dict.fromkeys(score.metric for score in scores))
    scorers = [name for name in dict.fromkeys(score.scorer for score in scores) if name != DIFFERENCE]
    by_place = {(score.scorer, score.metric): score for score in scores}
    yield "  " + " " * NAME_WIDTH + "".join(f"{TITLES[metric]:<{CELL_WIDTH}}" for metric in metrics).rstrip()
    for scorer in ["tuned", "base", DIFFERENCE, *(name for name in scorers if name not in ("tuned", "base"))]:
        signed = scorer == DIFFERENCE
        yield "  " + f"{scorer:<{NAME_WIDTH}}" + "".join(f"{_cell(by_place[scorer, metric], signed):<{CELL_WIDTH}}" for metric in metrics).rstrip()


def _cell(score: Score | UserUserScore, signed: bool) -> str:
    if math.isnan(score.mean):
        return "-"
    sign = "+" if signed else ""
    if math.isnan(score.low):
        return f"{score.mean:{sign}.3f} [too few people]"
    return f"{score.mean:{sign}.3f} [{score.low:{sign}.3f}, {score.high:{sign}.3f}]"
