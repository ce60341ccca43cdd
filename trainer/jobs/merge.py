"""Entry point of `kindred trainer merge`."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from conf.arguments import JobArguments
from lake import registry
from lake.config import LakeConfig
from lake.encoder import Encoder, encoder_version, load_encoder, read_card
from lake.job_runs import Inputs, job_run
from lake.models import base_licence, local_model_folder, public_name
from trainer import arguments as trainer_arguments
from trainer import publishing, tracking
from trainer.config import TrainerConfig
from trainer.evaluation.probe import probe_scores
from trainer.fingerprint import MERGE
from trainer.merging import MERGING_VERSION, Part, merge, merged_card, shares_of
from trainer.model_card import MergedPart, Provenance
from trainer.student import base_of

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.merge(argv))


def run_job(arguments: JobArguments) -> None:
    """Merge, unless it was done; the alias `trained` names the merge either way."""
    lake, values = arguments.section("lake", LakeConfig), arguments.values
    parts = parts_of(lake, values.encoders, values.weights or [1.0] * len(values.encoders), values.with_base)
    registry.connect(lake)  # an encoder may be of another one
    version = merged_version(lake, arguments.section("trainer", TrainerConfig), parts)
    registry.move_alias(lake, publishing.TRAINED, version)
    logger.info("'%s' is version %s of %s", publishing.TRAINED, version, lake.registered_model)


def parts_of(lake: LakeConfig, names: Sequence[str], weights: Sequence[float], base_share: float) -> list[Part]:
    """What is merged, the base last where it has a share. Raises EncoderError where one is not there, ConfigError where the base is not."""
    folders = [publishing.encoder_folder(lake, name) for name in names]
    parts = [
        Part(_title(name), encoder_version(folder), share, read_card(folder), partial(load_encoder, folder))
        for name, folder, share in zip(names, folders, shares_of(weights, base_share), strict=True)
    ]
    if base_share:
        base = base_of(parts[0].load())
        parts.append(Part(f"the base {public_name(base.card.base_model)}", base.version, base_share, base.card, lambda: base))
    return parts


def _title(name: str) -> str:
    """An encoder as others read of it."""
    return f"version {name}" if name.isdigit() else public_name(name)


def merged_version(lake: LakeConfig, config: TrainerConfig, parts: Sequence[Part]) -> str:
    """Number of the registered version that is this merge, made where it is not there yet."""
    merged_card(parts)  # what does not fit is told before anything is made
    shares = sorted([part.version, f"{part.share:.9f}"] for part in parts)
    inputs = Inputs(settings={"shares": shares}, code=f"{MERGING_VERSION} merge")
    tags = {tracking.INPUTS: inputs.fingerprint}
    found = registry.find_version(lake, tracking.INPUTS, tags[tracking.INPUTS])
    if found is not None:
        logger.info("%s: this merge is registered, nothing to do", MERGE)
        return found
    _warn_of_other_tables(parts)
    with job_run(lake, MERGE, {"trainer": config, "inputs": inputs}) as record:
        encoder = merge(parts)
        record.rows["encoders"] += len(parts)
        found = registry.find_version(lake, registry.ENCODER_VERSION, encoder.version)
        return found or _register(lake, parts, encoder, tags)


def _warn_of_other_tables(parts: Sequence[Part]) -> None:
    trained = [part for part in parts if part.card.trained_on]
    if any(part.card.trained_on != trained[0].card.trained_on for part in trained):
        tables = "; ".join(f"{part.name} on {', '.join(f'{name} {version}' for name, version in part.card.trained_on.items())}" for part in trained)
        logger.warning("they were trained on different versions of the tables, and the merge will name the newest of each: %s", tables)


def _register(lake: LakeConfig, parts: Sequence[Part], encoder: Encoder, tags: dict[str, str]) -> str:
    """Number of the new version, which has a run of its own in MLflow."""
    words = "the mean of " + ", ".join(f"{part.name} ({part.share:.0%})" for part in parts)
    facts = {"encoders": ", ".join(part.version for part in parts), "shares": ", ".join(f"{part.share:.4g}" for part in parts)}
    with tracking.merge_run(f"merge {words.removeprefix('the mean of ')}", facts, tags):
        known = _provenance(parts, encoder, words)
        if known.probe is not None:
            tracking.log_metrics(known.probe.metrics())
        return publishing.register(lake, encoder, tags, known)


def _provenance(parts: Sequence[Part], encoder: Encoder, words: str) -> Provenance:
    """What is known of a merge; without a probe where the base is not on this machine."""
    merged = [MergedPart(part.name, part.version, part.share, part.card.trained_on) for part in parts]
    known = Provenance("merged", words, base_licence=base_licence(encoder.card.base_model), parts=merged)
    if local_model_folder(encoder.card.base_model) is None:
        logger.warning("the base %s is not on this machine: the merge is not compared with it", encoder.card.base_model)
        return known
    base = base_of(encoder)
    return replace(known, base_version=base.version, probe=probe_scores(encoder, base))


if __name__ == "__main__":
    main()
