"""Entry point of `kindred trainer ablate`."""

import json
import logging
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conf.arguments import JobArguments
from conf.errors import ContractError
from conf.settings import Settings, read_mappings
from lake import registry
from lake.job_runs import inputs_now
from lake.judgements import JUDGEMENTS
from lake.labels import ITEMS, LABELS, NORMALISING_VERSION
from lake.rendering import RENDERING_VERSION
from lake.units import SEQUENCES
from trainer import arguments as trainer_arguments
from trainer import tracking
from trainer.ablation import Outcome, Variant, ablation_table, variants_of
from trainer.config import TrainerConfig
from trainer.evaluation.comparison import EvaluationResult
from trainer.fingerprint import ABLATE, EVALUATION_VERSION, EXAMPLES_VERSION, TRAINING_VERSION, examples_settings, training_settings
from trainer.publishing import TRAINED

logger = logging.getLogger(__name__)
STDERR = 2
"""Where jobs of a variant print: standard output is for the table."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.ablate(argv))


def run_job(arguments: JobArguments) -> None:
    """Train and evaluate each variant that was not yet, and print what all of them found."""
    file, launch = arguments.values.file, shlex.split(arguments.values.launch or "") or [sys.executable, "-m"]
    variants = variants_of(read_mappings(Path(file)), arguments.settings, file)
    outcomes, failed = outcomes_of(variants, launch)
    cut_examples_anew(arguments.settings, variants)
    if arguments.values.json:
        print(json.dumps([{"variant": outcome.name, **json.loads(outcome.result.model_dump_json())} for outcome in outcomes], indent=2))
    elif outcomes:
        print(ablation_table(outcomes))
    if failed:
        raise ContractError(
            f"{len(failed)} of {len(outcomes) + len(failed)} variants failed: {', '.join(failed)}; their errors stand above; run it again to go on"
        )


def outcomes_of(variants: Sequence[Variant], launch: Sequence[str]) -> tuple[list[Outcome], list[str]]:
    """What each variant found, in their order, and the names of those that failed. `launch`: words before the module that trains."""
    found: dict[str, Outcome] = {}
    for variant in sorted(variants, key=lambda variant: variant.trainer.examples.model_dump_json()):  # the same examples one after the other
        if (outcome := _outcome(variant, launch)) is not None:
            found[variant.name] = outcome
    return [found[variant.name] for variant in variants if variant.name in found], [variant.name for variant in variants if variant.name not in found]


def _outcome(variant: Variant, launch: Sequence[str]) -> Outcome | None:
    tags = {tracking.INPUTS: _fingerprint(variant)}
    known = tracking.finished_evaluation(tags, ABLATE)
    if known is not None:
        logger.info("variant %r: nothing changed since it was evaluated", variant.name)
        return Outcome(variant.name, EvaluationResult(**known), variant.but_for_seed)
    logger.info("variant %r: examples, train, evaluate", variant.name)
    try:
        result = _made(variant, launch)
    except subprocess.CalledProcessError as error:
        logger.error("variant %r: %s ended with status %d", variant.name, error.cmd[-3:], error.returncode)
        return None
    with tracking.ablation_run(variant.name, tags):
        tracking.log_evaluation(result.model_dump())
    return Outcome(variant.name, result, variant.but_for_seed)


def cut_examples_anew(settings: Settings, variants: Sequence[Variant]) -> None:
    """Leave `examples` as the configuration itself, without a variant's changes, has them: the next training is not to be of a variant's people."""
    own = settings.section("trainer", TrainerConfig).examples
    if all(variant.trainer.examples == own for variant in variants):
        return
    try:
        _run_with(settings, [sys.executable, "-m", "trainer.jobs.examples"])
    except subprocess.CalledProcessError:
        logger.error("examples: left as a variant has them; run 'kindred trainer examples' before the next training")


def _fingerprint(variant: Variant) -> str:
    """What decides an outcome. Not the version of `examples`, which another variant may have cut otherwise since."""
    lake, config = variant.lake, variant.trainer
    registry.connect(lake)
    settings = training_settings(config) | {"examples": examples_settings(config.examples), "evaluation": config.evaluation.model_dump()}
    code = " ".join((EXAMPLES_VERSION, NORMALISING_VERSION, TRAINING_VERSION, RENDERING_VERSION, EVALUATION_VERSION))
    return inputs_now(lake, reads=(SEQUENCES,), optional=(LABELS, ITEMS, JUDGEMENTS), settings=settings, code=code).fingerprint


def _made(variant: Variant, launch: Sequence[str]) -> EvaluationResult:
    """The evaluation of a variant, each job in a process of its own, so that none leaves memory or settings to the next."""
    settings = variant.settings.with_value("lake.registered_model", variant.lake.registered_model)
    _run_with(settings, [sys.executable, "-m", "trainer.jobs.examples"])
    _run_with(settings, [*launch, "trainer.jobs.train"])
    evaluation = [sys.executable, "-m", "trainer.jobs.evaluate", "--json", "--set", f"lake.encoder_alias={TRAINED}"]
    return EvaluationResult.model_validate_json(_run_with(settings, evaluation, subprocess.PIPE))


def _run_with(settings: Settings, command: Sequence[str], stdout: int = STDERR) -> str:
    """Run a job with these settings; what it printed where `stdout` is a pipe."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "variant.yaml"
        config.write_text(settings.as_yaml(), encoding="utf-8")
        return subprocess.run([*command, "--config", str(config)], check=True, stdout=stdout, text=True).stdout


if __name__ == "__main__":
    main()
