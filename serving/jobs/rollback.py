"""`kindred serving rollback`: serve again what was served before."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from conf.arguments import JobArguments
from conf.errors import EncoderError, VectorStoreError
from conf.logs import NOTICE
from lake import registry
from lake.config import LakeConfig
from lake.encoder import encoder_version, registered_folder
from lake.job_runs import job_run
from serving import arguments as serving_arguments
from serving.collections import USERS, LoadName, load_name
from serving.config import ServingConfig
from serving.loads import lake_id, point_aliases, served_here, whole_loads
from serving.milvus import VectorStore, open_store

JOB = "serving rollback"

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.rollback(argv))


def run_job(arguments: JobArguments) -> None:
    """Go back, and print what is served now."""
    load = rollback(arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig), arguments.values.to)
    print(f"{load.of(USERS)} of {load.started_at:%Y-%m-%d %H:%M:%S} UTC (encoder {load.encoder_version})")


def rollback(lake: LakeConfig, config: ServingConfig, to: str | None = None) -> LoadName:
    """Serve the load before the one that is served, or that of whose users' collection `to` is the name; and let the registry's alias name the encoder that it was made with.

    The registry's alias moves first: who is killed between the two runs it again, and it goes back to the same load. Raises VectorStoreError where no such load is there any
    more, EncoderError where the registry does not have its encoder.
    """
    with open_store(lake, config) as store, job_run(lake, JOB, {"lake": lake, "serving": config}):
        wanted = load_to_serve(store, lake, to)
        name_encoder(lake, wanted.encoder_version)
        point_aliases(store, wanted)
    logger.log(NOTICE, "%s: %s is served again; the next 'kindred serving load' serves what the tables hold", JOB, wanted.of(USERS))
    return wanted


def load_to_serve(store: VectorStore, lake: LakeConfig, to: str | None) -> LoadName:
    """The load to go back to. Raises VectorStoreError where there is none."""
    ours = load_name(lake_id(lake), "", datetime.now(UTC), "")
    served, whole = served_here(store, ours), whole_loads(store, lake, ours)
    before = whole_loads(store, lake, ours, store.alias_prefix)  # under another prefix somebody else tries another encoder
    if to is None:
        loads = [load for load in before if served is not None and load.started_at < served.started_at]
    else:
        loads = [load for load in whole if load.of(USERS) == to]
    if not loads:
        kept = ", ".join(load.of(USERS) for load in whole) or "none"
        raise VectorStoreError(
            f"{store.place}: {'no earlier load' if to is None else f'no load {to}'} is there to go back to; there are: {kept}. What was served stays for serving.keep_hours"
        )
    return loads[-1]


def name_encoder(lake: LakeConfig, version: str) -> None:
    """Let the registry's alias name this encoder, with which texts are asked about and the next load is made. Raises EncoderError where the registry does not have it."""
    if encoder_version(registered_folder(lake)) == version:
        return
    number = registry.find_version(lake, registry.ENCODER_VERSION, version)
    if number is None:
        raise EncoderError(f"the registry has no encoder {version} any more, with which that load was made; nothing was changed")
    registry.move_alias(lake, lake.encoder_alias, number)
    logger.log(NOTICE, "'%s' names version %s of %s again (encoder %s)", lake.encoder_alias, number, lake.registered_model, version)


if __name__ == "__main__":
    main()
