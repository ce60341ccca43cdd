"""Entry point of `kindred trainer evaluate`."""

import logging
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ContractError, EncoderError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import Encoder, EncoderCard, encoder_version, load_encoder, registered_folder
from lake.examples import EXAMPLES, HeldOut
from lake.job_runs import Inputs, inputs_now, job_run
from lake.labels import ITEMS
from lake.rendering import READS_LABELS
from trainer import arguments as trainer_arguments
from trainer import tracking
from trainer.config import TrainerConfig
from trainer.evaluation.baselines import label_counts
from trainer.evaluation.comparison import EvaluationResult, half_scores, item_scores
from trainer.evaluation.halves import split_halves
from trainer.evaluation.people import BATCH_ROWS, askable_people, examples_of
from trainer.evaluation.questions import Example, questions_of, with_labels
from trainer.evaluation.report import flat_numbers, report_text
from trainer.fingerprint import EVALUATE, EVALUATION_VERSION
from trainer.student import base_encoder

logger = logging.getLogger(__name__)
READS = (EXAMPLES, ITEMS)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.evaluate(argv))


def run_job(arguments: JobArguments) -> None:
    """Evaluate, and print what was found."""
    result = evaluate(arguments.section("lake", LakeConfig), arguments.section("trainer", TrainerConfig))
    print(result.model_dump_json(indent=2) if arguments.values.json else report_text(result))


def evaluate(lake: LakeConfig, config: TrainerConfig) -> EvaluationResult:
    """What the people of split test say of the registered encoder; what was found before where nothing that decides it has changed.

    Raises ContractError without such people, EncoderError without encoder, or with one that does not say whom it met.
    """
    folder = registered_folder(lake)
    read = inputs_now(lake, READS, settings=config.evaluation.model_dump(), encoder_version=encoder_version(folder), code=EVALUATION_VERSION)
    tags = {tracking.INPUTS: read.fingerprint}
    found = tracking.finished_evaluation(tags)
    if found is not None:
        logger.info("%s: nothing changed since this encoder was evaluated", EVALUATE)
        return EvaluationResult(**found)
    with job_run(lake, EVALUATE, {"trainer": config}) as record:
        record.versions_read.update(read.versions)
        result = judged(lake, config, read, load_encoder(folder))
        record.rows.update({"people": result.people, "queries": result.queries, "halves": result.halves})
        log_result(lake, config, read, tags, result)
    return result


def judged(lake: LakeConfig, config: TrainerConfig, read: Inputs, tuned: Encoder) -> EvaluationResult:
    """Scores of the encoder, its base and the baselines on these versions of the tables."""
    if tuned.card.may_have_met_anybody:
        raise EncoderError(f"encoder {tuned.version} does not say who was held out from its training: it may have met anybody; run 'kindred trainer train'")
    base = base_encoder(config.model_copy(update=_same_text(tuned.card)))
    items = arrow_tables.read(lake, ITEMS, ("item_id", "level", "text"), ds.field("source") == "labels", read.version(ITEMS))
    people = read_people(lake, read.version(EXAMPLES), items, tuned.card.held_out, config.evaluation.max_people, config.evaluation.max_other_people)
    asked, others = (list(map(with_labels, each)) for each in people) if tuned.card.query_format in READS_LABELS else people
    query_format = tuned.card.query_format
    questions = questions_of(asked, items, [query_format])
    if questions.unread:
        logger.warning("%d cuts are not asked about: nothing before them has a label, and this encoder reads nothing else", questions.unread)
    if not questions.people:
        raise ContractError("examples: nobody of split 'test' has a label before a cut, and this encoder reads nothing else; label more of their units")
    train_cuts = arrow_tables.read_batches(lake, EXAMPLES, ("cuts",), ds.field("split") == "train", read.version(EXAMPLES), BATCH_ROWS)
    counts = label_counts((cuts for batch in train_cuts for cuts in batch["cuts"].to_pylist()), questions)
    halves = split_halves(
        [example["history"] for example in asked], [example["history"] for example in others], config.evaluation.min_half_units, query_format
    )  # fmt: skip
    scores = [*item_scores(tuned, base, questions, counts, config.evaluation), *half_scores(tuned, base, halves, config.evaluation)]
    return EvaluationResult(
        encoder_version=tuned.version,
        base_version=base.version,
        base_model=tuned.card.base_model,
        max_tokens=tuned.card.max_tokens,
        versions_read=read.versions,
        people=questions.people,
        queries=len(questions.histories),
        future_queries=int((questions.periods == "future").sum()),
        items={level: len(answers.texts) for level, answers in questions.levels.items()},
        halves=len(halves.firsts),
        half_candidates=len(halves.seconds) + len(halves.others),
        interval=config.evaluation.interval,
        matched_days=config.evaluation.matched_days,
        matched_min_others=config.evaluation.matched_min_others,
        scores=scores,
    )


def read_people(
    lake: LakeConfig, version: int, items: pa.Table, held_out: HeldOut | None, max_people: int | None, max_others: int | None
) -> tuple[list[Example], list[Example]]:  # fmt: skip
    """Examples of the people of split test who can be asked and whom the encoder never met, and of other people; both in the order of their ids, at
    most so many.

    `held_out` is what the encoder says of itself: `examples` may have been cut anew since, with other shares. Raises ContractError where nobody is left.
    """
    test = askable_people(lake, version, "test", items)
    asked = [person_id for person_id in test if held_out is None or held_out.split_of(person_id) == "test"]
    if len(asked) < len(test):
        logger.warning("%d of %d people of split 'test' are not asked: this encoder was trained or chosen on them", len(test) - len(asked), len(test))
    if not asked:
        met = f", and this encoder met all {len(test)} that there are" if test else ""
        raise ContractError(
            f"examples: nobody of split 'test' with a label after a cut to evaluate on{met}; label more people, raise trainer.examples.test_share, or train anew"
        )
    asked = asked[:max_people]
    everybody = arrow_tables.read(lake, EXAMPLES, ("person_id",), version=version)["person_id"].to_pylist()
    others = sorted(set(everybody) - set(asked))[:max_others]
    return (
        examples_of(lake, version, asked, ("person_id", "history", "labelled", "cuts")).to_pylist(),
        examples_of(lake, version, others, ("person_id", "history", "labelled")).to_pylist(),
    )


def _same_text(card: EncoderCard) -> dict[str, Any]:
    """Settings that let the base read what the tuned encoder reads."""
    return {name: getattr(card, name) for name in ("base_model", "max_tokens", "own_chars", "context_chars", "query_format")}


def log_result(lake: LakeConfig, config: TrainerConfig, read: Inputs, tags: dict[str, str], result: EvaluationResult) -> None:
    """One MLflow run named 'evaluate' with the settings, what was read, and every number."""
    facts = result.model_dump(include={"encoder_version", "base_version", "base_model", "max_tokens", "people", "queries", "half_candidates"})
    with tracking.evaluation_run({**facts, **config.evaluation.model_dump()}, tags):
        tracking.log_inputs(lake, {spec: read.version(spec) for spec in READS}, context="evaluation")
        tracking.log_metrics(flat_numbers(result))
        tracking.log_evaluation(result.model_dump())


if __name__ == "__main__":
    main()
