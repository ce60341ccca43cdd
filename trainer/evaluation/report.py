"""An evaluation as a table for a person, and as flat names and numbers for MLflow."""

import math
import textwrap
from collections.abc import Iterator, Sequence

from lake.examples import Kind
from trainer.evaluation.comparison import EvaluationResult, Score
from trainer.evaluation.features.found import FeatureScore, Guesses, feature_title, guess_numbers, privacy_title, task_lines
from trainer.evaluation.kept import KeptGain
from trainer.evaluation.numbers import DIFFERENCE, MINUS, plain_name, with_interval
from trainer.evaluation.parts import LENGTHS, POPULARITIES
from trainer.evaluation.shape import shape_blocks, shape_numbers
from trainer.evaluation.user_user import USER_USER_TITLES, UserUserScore, user_user_blocks, user_user_numbers

TITLES = {
    "matched_personal_auc": "matched personal AUC", "personal_auc": "personal AUC", "recall_at_10": "recall@10",
    "recall_by_meaning_at_10": "recall@10 by meaning", "recall_at_50": "recall@50", "ndcg_at_10": "NDCG@10", "mrr": "MRR", **USER_USER_TITLES,
}  # fmt: skip
TABLES = (("matched_personal_auc", "personal_auc", "recall_at_10"), ("recall_by_meaning_at_10", "recall_at_50", "ndcg_at_10", "mrr"))
"""Metrics that stand side by side, of the kinds that have them: no line is longer than a screen."""
LINE_WIDTH, NAME_WIDTH, CELL_WIDTH, PAIR_WIDTH = 150, 28, 26, 34
HELD_OUT_ACTS = {
    "last": "each person's last item, and the one before it to choose by",
    "later": "what people do after a moment, the same for all, and some of the time before it to choose by",
}
KEPT_TITLE = "Of the lead over the base on the other topics, the share that it has on those told apart (-: it has no clear lead there)"
AnyScore = Score | UserUserScore | FeatureScore
SLICED = (*LENGTHS, *POPULARITIES)


def report_text(result: EvaluationResult) -> str:
    """The result as a readable text, one block a level and kind of future."""
    lines = [
        f"Encoder {result.encoder_version} (tuned) against {result.base_model} {result.base_version} (base), {result.max_tokens} tokens",
        f"{result.people} held-out people with labels, {result.queries} cuts ({result.future_queries} of the future period); {result.title_people} asked about titles",
        *textwrap.wrap(explained(result), LINE_WIDTH),
    ]
    if result.encoder_version == result.base_version:
        lines.append("The registered encoder IS the untouched base: no training has beaten it yet.")
    for title, scores in blocks_of_cuts(result):
        lines += ["", title, *_tables(scores)]
    if result.kept:
        lines += ["", KEPT_TITLE, *_table_of_kept(result.kept)]
    for title, scores in blocks_of_slices(result):
        lines += ["", title, *_table_of_slices(scores)]
    for title, of_people in user_user_blocks(result.user_user) if result.user_user else ():
        lines += ["", *textwrap.wrap(title, LINE_WIDTH, subsequent_indent="  "), *(_tables(of_people, _side_by_side(of_people)) if of_people else ())]
    for title, guesses in guess_blocks(result):
        told = [line for each in task_lines(guesses) for line in textwrap.wrap(each, LINE_WIDTH - 2)]
        lines += ["", *textwrap.wrap(title, LINE_WIDTH, subsequent_indent="  "), *(f"  {line}" for line in told)]
        lines += _tables(guesses.scores, _side_by_side(guesses.scores)) if guesses.scores else ()
    for title, of_shape in shape_blocks(result.shape):
        lines += ["", *textwrap.wrap(title, LINE_WIDTH, subsequent_indent="  "), *of_shape]
    return "\n".join(lines)


def guess_blocks(result: EvaluationResult) -> Iterator[tuple[str, Guesses]]:
    """Title of use as a feature, and of what is given away, where they were asked about."""
    if result.as_feature is not None:
        yield feature_title(result.as_feature), result.as_feature
    if result.given_away is not None:
        yield privacy_title(result.given_away), result.given_away


def explained(result: EvaluationResult) -> str:
    """What the numbers mean, and whom they are of, in a few sentences."""
    sentences = [
        f"Mean over people and {result.interval:.0%} interval. Personal AUC: a label of one's own future above one of somebody else's; 0.5 is chance, and "
        f"what any list gets that is the same for everybody. Matched: somebody else's of the same community and within {result.matched_days:g} days, where "
        f"{result.matched_min_others} other people have one, so that knowing when and where somebody writes wins nothing. By meaning: found is what the base "
        f"puts at a cosine of {result.same_meaning_cosine:g} or more to one of the ten best."
    ]
    sentences += _with_popularity(result)
    sentences += [*_whom_it_met(result), *_topics_told_apart(result), *_asked_about_items(result)]
    if result.held_out_part == "validation":
        sentences.append("ASKED ARE THOSE TO CHOOSE SETTINGS BY (split validation), not those to judge by.")
    return " ".join(sentences)


def _with_popularity(result: EvaluationResult) -> list[str]:
    """What is added to the scores of encoder and base in the rows with popularity; nothing where there are none."""
    weights = {"encoder": result.popularity_weights, "base": result.popularity_weights_of_base}
    fitted = [f"{weight:g} for the {name}'s {level} labels" for name, levels in weights.items() for level, weight in levels.items()]
    tempered = [] if result.temperature is None else [f"{result.temperature:.3g}{' elsewhere' if fitted else ''}, the temperature of its loss"]
    how = [f"{', '.join(fitted)}, which does best for people to choose by"] if fitted else []
    return (
        [f"With popularity: to a cosine log(1 + how often training people have the item) is added times {'; '.join(how + tempered)}."] if how + tempered else []
    )


def _whom_it_met(result: EvaluationResult) -> Iterator[str]:
    if result.platforms_met and result.platforms_asked:
        elsewhere = "" if set(result.platforms_met).intersection(result.platforms_asked) else ", of which it never saw anything"
        yield f"Trained on {', '.join(result.platforms_met)}, asked on {', '.join(result.platforms_asked)}{elsewhere}."


def _topics_told_apart(result: EvaluationResult) -> Iterator[str]:
    topics = result.topics
    if topics is not None:
        what = f"{topics.broad} of {topics.broad_in_all} broad labels with all specific ones beside them"
        yield (
            f"New topics: {what} were held out from this encoder's training; under that name they alone meet, and are looked for among the labels of all topics. Of units that nobody labelled no topic is known."
            if topics.are_held_out
            else f"The same topics, trained on: {what}. They were NOT held out from this encoder, which is the control of one that was trained without them."
        )


def _asked_about_items(result: EvaluationResult) -> Iterator[str]:
    if not result.catalogue_people:
        return
    yield f"{result.catalogue_people} people asked about an app's own items, {result.catalogue_queries} cuts; what they acted on before is no candidate."
    if result.held_out_acts is not None:
        yield f"Everybody was TRAINED ON; held out were acts: {HELD_OUT_ACTS[result.held_out_acts]}."


def flat_numbers(result: EvaluationResult) -> dict[str, float]:
    """Metric name -> number, NaN left out: 'all_cuts/specific/new/personal_auc/tuned' with '_low' and '_high' beside it, and
    'all_cuts/specific/new/matched_personal_auc/share_matched'."""
    numbers = (user_user_numbers(result.user_user) if result.user_user else {}) | shape_numbers(result.shape)
    for place, guesses in (("as_feature", result.as_feature), ("privacy", result.given_away)):
        numbers |= guess_numbers(place, guesses) if guesses else {}
    for score in result.scores:
        name = "/".join(map(plain_name, (score.cuts, score.level, score.futures, score.metric, score.scorer)))
        numbers |= {name: score.mean, f"{name}_low": score.low, f"{name}_high": score.high}
        if score.share_matched is not None:
            numbers[name.rpartition("/")[0] + "/share_matched"] = score.share_matched
    for gain in result.kept:
        name = f"kept/{gain.level}/{gain.metric}"
        numbers |= {name: gain.mean, f"{name}_low": gain.low, f"{name}_high": gain.high}
    return {name: number for name, number in numbers.items() if not math.isnan(number)}


def blocks_of_cuts(result: EvaluationResult) -> Iterator[tuple[str, list[Score]]]:
    """Title and scores of all cuts and of the future period, one block a level and kind of future."""
    by_block: dict[tuple[str, Kind, str], list[Score]] = {}
    for score in (score for score in result.scores if score.cuts not in SLICED):
        by_block.setdefault((score.cuts, score.level, score.futures), []).append(score)
    for (cuts, level, futures), of_block in by_block.items():
        people = max(score.people for score in of_block)
        yield f"{kind_words(level, futures)}, {cuts} ({people} people, {result.items[level]} items{_matched(of_block)})", of_block


def kind_words(kind: str, futures: str | None) -> str:
    """Of what the answers are, and which of them."""
    if kind == "title":
        return "Titles of threads entered next"
    if kind == "catalogue":
        return "An app's own items acted on next"
    return f"{kind.capitalize()} labels, {'new threads only' if futures == 'new' else 'all futures'}"


def _matched(scores: Sequence[Score]) -> str:
    score = next((score for score in scores if score.share_matched is not None), None)
    return "" if score is None else f"; {score.share_matched:.0%} of the futures of {score.people} people matched"


def _tables(scores: Sequence[AnyScore], tables: Sequence[Sequence[str]] = TABLES) -> Iterator[str]:
    """A line a row, a column a metric."""
    by_place = {(score.scorer, score.metric): score for score in scores}
    named = dict.fromkeys(score.metric for score in scores)
    for metrics in ([metric for metric in table if metric in named] for table in tables):
        yield "  " + " " * NAME_WIDTH + "".join(f"{TITLES.get(metric, metric):<{CELL_WIDTH}}" for metric in metrics).rstrip()
        for scorer in rows_in_order(scores):
            cells = [_cell(by_place[scorer, metric], signed=MINUS in scorer) for metric in metrics]
            yield "  " + f"{scorer:<{NAME_WIDTH}}" + "".join(f"{cell:<{CELL_WIDTH}}" for cell in cells).rstrip()


def rows_in_order(scores: Sequence[AnyScore]) -> list[str]:
    """Encoder, base and their difference first, then the baselines, best first by the first metric that tells them apart."""
    by_place = {(score.scorer, score.metric): score for score in scores}
    named = dict.fromkeys(score.metric for score in scores)
    first = ["tuned", "base", DIFFERENCE]
    others = {score.scorer for score in scores}.difference(first)
    return first + sorted(others, key=lambda scorer: ([_worse_last(by_place[scorer, metric]) for metric in named], scorer))


def _side_by_side(scores: Sequence[UserUserScore | FeatureScore]) -> list[list[str]]:
    """Metrics in the order of the scores, in several tables where they are too many for a line."""
    named = list(dict.fromkeys(score.metric for score in scores))
    tables = -(-len(named) // ((LINE_WIDTH - NAME_WIDTH) // CELL_WIDTH))
    in_one = -(-len(named) // max(1, tables))
    return [named[start : start + in_one] for start in range(0, len(named), max(1, in_one))]


def blocks_of_slices(result: EvaluationResult) -> Iterator[tuple[str, list[Score]]]:
    """Title and scores by slice, one block a level."""
    scores = [score for score in result.scores if score.cuts in SLICED]
    for level in dict.fromkeys(score.level for score in scores):
        yield f"{kind_words(level, 'all')}, by slice: tuned, and how far it is ahead of the base", [score for score in scores if score.level == level]


def _table_of_slices(scores: Sequence[Score]) -> Iterator[str]:
    """A line a slice; of each metric what the encoder reaches there, and its paired difference to the base."""
    by_place = {(score.cuts, score.metric, score.scorer): score for score in scores}
    named = [metric for metric in TITLES if metric in {score.metric for score in scores}]
    yield "  " + " " * NAME_WIDTH + "".join(f"{TITLES[metric]:<{PAIR_WIDTH}}" for metric in named) + "people"
    for cuts in dict.fromkeys(score.cuts for score in scores):
        cells = [_pair(by_place[cuts, metric, "tuned"], by_place[cuts, metric, DIFFERENCE]) for metric in named]
        people = max(score.people for score in scores if score.cuts == cuts)
        yield "  " + f"{cuts:<{NAME_WIDTH}}" + "".join(f"{cell:<{PAIR_WIDTH}}" for cell in cells) + str(people)


def _pair(tuned: Score, difference: Score) -> str:
    return "-" if math.isnan(tuned.mean) else f"{tuned.mean:.3f}  {_cell(difference, signed=True)}"


def _table_of_kept(kept: Sequence[KeptGain]) -> Iterator[str]:
    named = list(dict.fromkeys(gain.metric for gain in kept))
    by_place = {(gain.level, gain.metric): gain for gain in kept}
    yield "  " + " " * NAME_WIDTH + "".join(f"{TITLES[metric]:<{CELL_WIDTH}}" for metric in named).rstrip()
    for level in dict.fromkeys(gain.level for gain in kept):
        yield "  " + f"{level:<{NAME_WIDTH}}" + "".join(f"{by_place[level, metric]!s:<{CELL_WIDTH}}" for metric in named).rstrip()


def _worse_last(score: AnyScore) -> float:
    return math.inf if math.isnan(score.mean) else -score.mean


def _cell(score: AnyScore, signed: bool) -> str:
    if math.isnan(score.mean):
        return "-"
    return with_interval(score, signed) + (" [too few people]" if math.isnan(score.low) else "")
