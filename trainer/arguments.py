"""What each command of the trainer takes. Wrong settings and absent tables are told here, before its job imports Arrow, MLflow and torch."""

from collections.abc import Sequence

from conf.arguments import JobArguments, job_arguments, job_parser, parse_job_arguments

EXAMPLES = """One row a person for training, labelled or not: the history, cuts of it, the labels before and after each cut, and what is entered after it.

Reads `sequences`, and `labels` where they are; writes `person_labels` and `examples`, each whole and in one commit. Does nothing where neither changed."""
TRAIN = """Fine-tune the student on examples and register it.

Reads `examples`, and `items` where there are some; writes a version of the registered encoder, and moves the alias `champion` to it if it clearly
beats its base and the champion so far (where there is none, else to the base). Does nothing where a run with the same settings on the same versions of these tables has finished."""
EVALUATE = """The registered encoder on held-out people, against its untouched base and baselines that need no training.

Reads `examples`, `items` and the registered encoder; prints a table (or JSON) and logs to MLflow. Writes no table but `job_runs`.
Where an evaluation of this encoder on these tables is in MLflow already, prints that."""


def examples(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be sequences."""
    return _checked(job_arguments(argv, EXAMPLES), "sequences")


def train(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be examples."""
    return _checked(job_arguments(argv, TRAIN), "examples")


def evaluate(argv: Sequence[str] | None = None) -> JobArguments:
    """--json; there must be examples, items and an encoder."""
    parser = job_parser(EVALUATE)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return _checked(parse_job_arguments(parser, argv), "examples", "items", needs_encoder=True)


def _checked(arguments: JobArguments, *tables: str, needs_encoder: bool = False) -> JobArguments:
    """The arguments, where the settings are fine and the lake has these tables. Raises ConfigError, ContractError and EncoderError."""
    from lake.config import LakeConfig
    from lake.presence import require_encoder, require_tables
    from trainer.config import TrainerConfig

    arguments.section("trainer", TrainerConfig)
    lake = arguments.section("lake", LakeConfig)
    require_tables(lake, tables)
    if needs_encoder:
        require_encoder(lake)
    return arguments
