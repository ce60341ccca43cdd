"""Entry point of `kindred trainer train`, and of `accelerate launch --module trainer.jobs.train` on several processes."""

import logging
import os
from collections.abc import Sequence

from conf.arguments import JobArguments
from lake import registry
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.job_runs import inputs_now
from lake.labels import ITEMS
from lake.presence import has_table
from lake.rendering import RENDERING_VERSION
from trainer import arguments as trainer_arguments
from trainer.config import TrainerConfig
from trainer.fingerprint import TRAIN, TRAINING_VERSION, Plan, training_settings

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.train(argv))


def run_job(arguments: JobArguments) -> None:
    """Train, unless it was done."""
    lake, config = arguments.section("lake", LakeConfig), arguments.section("trainer", TrainerConfig)
    # accelerate launch and torchrun tell a process who it is by these two.
    is_main, is_alone = int(os.environ.get("RANK", "0")) == 0, int(os.environ.get("WORLD_SIZE", "1")) == 1
    plan = plan_run(lake, config) if is_main else None
    if plan is None and is_alone:
        return
    from trainer.run import train_registered
    from trainer.training.loop import make_accelerator

    accelerator = make_accelerator(config)
    plan = _same_everywhere(plan)
    if plan is not None:
        train_registered(lake, config, plan, accelerator)
    accelerator.end_training()


def plan_run(lake: LakeConfig, config: TrainerConfig) -> Plan | None:
    """What to train on; None where a run with the same settings and table versions has finished. Raises ContractError where a table is absent."""
    from trainer import publishing, tracking

    reads = (EXAMPLES, ITEMS) if has_table(lake, ITEMS) else (EXAMPLES,)
    inputs = inputs_now(lake, reads=reads, settings=training_settings(config), code=f"{TRAINING_VERSION} {RENDERING_VERSION}")
    registry.connect(lake)
    tracking.close_dead_runs()
    tags = {tracking.INPUTS: inputs.fingerprint}
    if tracking.is_finished(tags) and publishing.champion_version(lake) is not None:
        logger.info("%s: an encoder of these settings and table versions is registered, nothing to do", TRAIN)
        return None
    return Plan(inputs.versions, tags)


def _same_everywhere(plan: Plan | None) -> Plan | None:
    """The main process's plan."""
    from accelerate.utils import broadcast_object_list

    found: list[Plan | None] = [plan]
    broadcast_object_list(found)
    return found[0]


if __name__ == "__main__":
    main()
