"""Entry point of `kindred trainer report`."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from conf.arguments import JobArguments
from conf.errors import ContractError
from lake.config import LakeConfig
from lake.encoder import encoder_version, registered_folder
from trainer import arguments as trainer_arguments
from trainer import publishing, tracking
from trainer.evaluation.comparison import EvaluationResult
from trainer.evaluation.shown import ShownPerson
from trainer.report.headline import card_section
from trainer.report.page import EncoderReport, render_page

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.report(argv))


def run_job(arguments: JobArguments) -> None:
    """Write the page, keep it with the encoder's run and its head in the encoder's card, and print where it is."""
    lake, values = arguments.section("lake", LakeConfig), arguments.values
    version = encoder_version(registered_folder(lake))
    kept = kept_evaluation(lake, version)
    report = encoder_report(lake, kept)
    page, out = render_page(report), Path(values.out) if values.out else default_path(lake)
    out.write_text(page, encoding="utf-8")
    made_by = publishing.quote_in_card(lake, card_section(report.result, kept.made_at))
    tracking.keep_page(made_by or kept.run_id, version, page)
    logger.info("trainer report: %s has %d bytes; encoder %s, evaluation of %s", out, len(page.encode()), version, kept.made_at)
    print(out)


def kept_evaluation(lake: LakeConfig, version: str) -> tracking.KeptEvaluation:
    """The newest evaluation of an encoder. Raises ContractError where there is none."""
    kept = tracking.newest_evaluation(version)
    if kept is None:
        alias = f" --set lake.encoder_alias={lake.encoder_alias}" if lake.encoder_alias != LakeConfig.model_fields["encoder_alias"].default else ""
        raise ContractError(f"MLflow has no evaluation of encoder {version} ('{lake.encoder_alias}') to report; run 'kindred trainer evaluate{alias}'")
    return kept


def encoder_report(lake: LakeConfig, kept: tracking.KeptEvaluation) -> EncoderReport:
    """The report on what was kept, with the variants of ablations that were found. Raises ContractError where another program kept it otherwise."""
    try:
        result, people = EvaluationResult(**kept.found), [ShownPerson(**person) for person in kept.people]
    except ValidationError as error:
        problem = error.errors()[0]
        raise ContractError(
            f"MLflow run {kept.run_id}: an evaluation by another version of this program ({'.'.join(map(str, problem['loc']))}: {problem['msg']}); run 'kindred trainer evaluate'"
        ) from None
    return EncoderReport(lake.registered_model, kept.made_at, result, people, readable_variants())


def readable_variants() -> list[tuple[str, EvaluationResult]]:
    """Variants of ablations and what they found; those of another version of this program are left out."""
    found = []
    for name, outcome in tracking.variants_found().items():
        try:
            found.append((name, EvaluationResult(**outcome)))
        except ValidationError:
            logger.warning("variant %r was judged by another version of this program and is left out; 'kindred trainer ablate' judges it anew", name)
    return found


def default_path(lake: LakeConfig) -> Path:
    """Beside the tables of a local lake; of an object store's, in the folder at hand."""
    return Path(trainer_arguments.REPORT_FILE) if "://" in lake.path else Path(lake.path).expanduser() / trainer_arguments.REPORT_FILE


if __name__ == "__main__":
    main()
