"""What each command of the trainer takes. Wrong settings and absent tables are told here, before its job imports Arrow, MLflow and torch."""

from collections.abc import Sequence
from pathlib import Path

from conf.arguments import JobArguments, job_arguments, job_parser, parse_job_arguments

EXAMPLES = """One row a person for training, labelled or not: the history, cuts of it, the labels before and after each cut, and what is entered or acted on after it.

Reads `sequences`, and where they are `labels`, `judgements` and the apps' own `items`; writes `person_labels` and `examples`, each whole and in one commit. Does nothing where neither changed."""
TRAIN = """Fine-tune the student on examples and register it.

Reads `examples`, and `items` where there are some; writes a version of the registered encoder, and moves the alias `champion` to it if it clearly
beats its base and the champion so far (where there is none, else to the base). Does nothing where a run with the same settings on the same versions of these tables has finished."""
MODELS = "models:/"
"""How a URI of MLflow's registry begins."""
EVALUATE = """The registered encoder, or another, on held-out people, or on acts held out of everybody (trainer.examples.held_out_acts), against its untouched base and baselines that need no training.

ENCODER is a registered version (3), an alias (trained), the folder of an encoder, that of another lake, whose champion is meant, or models:/NAME/3 of the registry
that lake.mlflow_uri names: so an encoder is asked about people of a lake that it knows nothing of. Who never acted on a platform that it was trained on is a stranger to it.
Reads `examples`, `items` where there are some, and the encoder; prints a table (or JSON) and logs to MLflow. Writes no table but `job_runs`.
Where an evaluation of this encoder on these tables is in MLflow already, prints that."""

MERGE = """The mean of several encoders' weights as a new version of the registered encoder, which the alias `trained` then names; never the champion.

Takes registered versions (3), aliases (champion), folders of encoders or of other lakes, and models:/NAME/3; all must come from one base with the same settings of text and the same people held out.
Reads no table; writes none but `job_runs`. Does nothing where this merge is registered. To judge the merge:
'kindred trainer evaluate --set lake.encoder_alias=trained'."""

COMPARE = """What changes for people from one encoder to another: how many of their ten nearest people and ten best items stay, and how their vectors turn, for each two of the encoders.

Takes encoders as merge does: whoever embeds anew by another encoder, or trains with another seed, sees what that changes. Asked about are people of split test whom none of them met.
Reads `examples`, and `items` where there are some; writes nothing. Holds the vectors of all items by all encoders in memory."""

ABLATE = """Variants of a training, each trained, evaluated, and shown as one row of a table: its scores and its paired differences to the untouched base.

FILE has one mapping, variants: a name -> settings of section trainer that it changes. Everything else is as --config and --set say. Each training has a registered
model of its own, so that no alias of another moves. What was found before, with the same settings and tables, is not made again. Leaves `examples` as the configuration itself cuts them."""

REPORT = """One HTML page on the registered encoder, in one file that needs no network: what the evaluation of it found, ten people with what was recommended to them, and the worst failures.

Reads what 'kindred trainer evaluate' and 'ablate' left in MLflow, and no table; writes the page, a copy of it with the encoder's run, and its head into the encoder's card. The page holds words of people."""
REPORT_FILE = "encoder-report.html"


def examples(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be sequences."""
    return _checked(job_arguments(argv, EXAMPLES), "sequences")


def train(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be examples."""
    return _checked(job_arguments(argv, TRAIN), "examples")


def evaluate(argv: Sequence[str] | None = None) -> JobArguments:
    """ENCODER, --json; there must be examples and an encoder."""
    parser = job_parser(EVALUATE)
    parser.add_argument("encoder", nargs="?", metavar="ENCODER", help="without, the one that lake.encoder_alias names")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse_job_arguments(parser, argv)
    encoders = [arguments.values.encoder] if arguments.values.encoder else []
    _check_encoders(encoders)
    return _checked(arguments, "examples", needs_encoder=not encoders or _asks_registry(encoders))


def report(argv: Sequence[str] | None = None) -> JobArguments:
    """--out; there must be an encoder, and a folder for the page."""
    from conf.errors import ConfigError

    parser = job_parser(REPORT)
    parser.add_argument("--out", metavar="FILE", help=f"where to write the page (default: {REPORT_FILE} in a local lake, else in the folder at hand)")
    arguments = parse_job_arguments(parser, argv)
    out = arguments.values.out
    if out and not Path(out).parent.is_dir():
        raise ConfigError(f"--out {out}: no such folder {Path(out).parent}; make it, or name another file")
    return _checked(arguments, needs_encoder=True)


def merge(argv: Sequence[str] | None = None) -> JobArguments:
    """ENCODER ..., --weights, --with-base; there must be a registry where one of them is registered. Raises ConfigError where the numbers do not fit."""
    parser = job_parser(MERGE)
    parser.add_argument("encoders", nargs="+", metavar="ENCODER", help="a registered version (3), an alias (champion), or the folder of an encoder")
    parser.add_argument("--weights", nargs="+", type=float, metavar="WEIGHT", help="one for each encoder, in their order; without, all count the same")
    parser.add_argument(
        "--with-base", type=float, default=0.0, metavar="SHARE", help="what of the merge is the untouched base, e.g. 0.3; the encoders share the rest"
    )
    arguments = parse_job_arguments(parser, argv)
    _check_merge(arguments.values.encoders, arguments.values.weights, arguments.values.with_base)
    return _checked(arguments, needs_encoder=_asks_registry(arguments.values.encoders))


def compare(argv: Sequence[str] | None = None) -> JobArguments:
    """ENCODER ENCODER ..., --json; there must be examples, and a registry where one of them is registered. Raises ConfigError for less than two."""
    from conf.errors import ConfigError

    parser = job_parser(COMPARE)
    parser.add_argument(
        "encoders",
        nargs="+",
        metavar="ENCODER",
        help="a registered version (3), an alias (champion), the folder of an encoder or of another lake, or models:/NAME/3",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse_job_arguments(parser, argv)
    if len(arguments.values.encoders) < 2:
        raise ConfigError(f"{arguments.values.encoders[0]}: compared with what? expected two encoders or more")
    _check_encoders(arguments.values.encoders)
    return _checked(arguments, "examples", needs_encoder=_asks_registry(arguments.values.encoders))


def ablate(argv: Sequence[str] | None = None) -> JobArguments:
    """FILE, --launch, --json; there must be sequences."""
    parser = job_parser(ABLATE)
    parser.add_argument("file", metavar="FILE", help="YAML file of variants, e.g. benchmarks/learning_curve.yaml")
    parser.add_argument(
        "--launch", metavar="WORDS", help="how training is started, e.g. 'accelerate launch --num_processes 8 --module'; without, on one process"
    )
    parser.add_argument("--json", action="store_true", help="print all that the evaluations found as JSON and nothing else")
    return _checked(parse_job_arguments(parser, argv), "sequences")


def is_folder(encoder: str) -> bool:
    """Whether an encoder is named by its folder; a number alone is a version, whatever folders there are."""
    return not encoder.isdigit() and Path(encoder).expanduser().is_dir()


def _asks_registry(encoders: Sequence[str]) -> bool:
    """Whether one of the encoders is named as the lake's own registry knows it."""
    return not all(is_folder(encoder) or encoder.startswith(MODELS) for encoder in encoders)


def _check_encoders(encoders: Sequence[str]) -> None:
    from conf.errors import ConfigError

    absent = [encoder for encoder in encoders if len(Path(encoder).parts) > 1 and not is_folder(encoder) and not encoder.startswith(MODELS)]
    if absent:
        raise ConfigError(
            f"{absent[0]}: no such folder; expected that of an encoder or of a lake, {MODELS}NAME/3, a registered version (3) or an alias (champion)"
        )


def _check_merge(encoders: Sequence[str], weights: Sequence[float] | None, base_share: float) -> None:
    from conf.errors import ConfigError

    _check_encoders(encoders)
    if weights is not None and (len(weights) != len(encoders) or not all(0 < weight < float("inf") for weight in weights)):
        raise ConfigError(f"--weights {' '.join(map(str, weights))}: expected {len(encoders)} numbers above 0, one for each encoder")
    if not 0 <= base_share < 1:
        raise ConfigError(f"--with-base {base_share}: expected a share from 0 to below 1")


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
