"""What each command of the teacher takes. Wrong settings, an absent file and absent tables are told here, before its job imports Arrow and a model."""

from collections.abc import Sequence
from pathlib import Path

from conf.arguments import JobArguments, job_arguments, job_parser, parse_job_arguments
from conf.errors import ConfigError, TeacherError

SAMPLE = """The contents that are worth a label, under a budget: people first, from all strata, then units in windows of their histories; one of all that say the same.

Reads `sequences`, of `units` the languages, and `identities` where it is there; writes `label_sample`, whole and in one commit, to which 'kindred teacher label' then keeps. A larger
budget takes all that a smaller one takes. Does nothing where neither tables nor settings changed."""
LABEL = """Two labels of each content: the teacher reads a unit in its context and says what it is about.

Reads `units` (and `label_sample` and `identities` where they are there); writes `labels`, batch by batch: labels, and the reason where a content came to none. What this teacher has labelled before is not
labelled again; with nothing left the model is not even loaded."""
IMPORT_LABELS = """Labels that were made elsewhere: one JSON object a line, {"unit_id" or the platform's own "id", "specific", "broad"}.

Reads FILE and `units`; writes `labels` under a teacher_version of their own. A second import of the same file adds what it says of units that arrived since."""
ITEMS = """One item for each distinct label text at a level: what can be recommended.

Reads `labels`; writes `items`, whole and in one commit, where they changed. Items of other sources stay."""

AUDIT = """Labels of one or several teachers on the same contents, side by side: how often they are rejected, how much they tell apart, how far they agree in meaning.

Reads `labels` and `units`; writes nothing. What a teacher labelled, another one labels too with 'kindred teacher label --set teacher.asked_by=VERSION'."""
JUDGE = """Graded relevance of items for units and histories of people to train on: an encoder finds the nearest, the teacher ranks them by two prompts.

Reads `examples`, `items`, the vectors of `item_vectors` where they are there, and the registered encoder; writes `judgements`, of which 'kindred trainer examples' makes grades, better positives and hard
negatives. What this teacher has judged before, with these prompts and this encoder, is not judged again; with nothing left the model is not even loaded."""
DISTIL = """A small language model that labels as a strong teacher did: it learns from the labels that `teacher.distil.teacher` gave, imported ones included.

Reads `labels` and `units`; registers a model in MLflow (kindred-teacher), after it has labelled contents of people that it did not learn from into `labels`, and moves its alias where
it agrees more with the strong teacher than the one before. Killed, it goes on from its last checkpoint; the same labels with the same settings are not learned twice.
'kindred teacher label --set teacher.model=models:/kindred-teacher@distilled' labels with it."""
IMPORT_ITEMS = """An app's own items, as `teacher.catalogue` in the settings describes them: a table of ids and words, CSV, JSON lines or Parquet.

Reads FILE; writes `items` and `item_rejects`, of which it replaces those of this catalogue, where they changed. Items of labels and of other catalogues stay."""


def sample(argv: Sequence[str] | None = None) -> JobArguments:
    """--dry-run and --json; there must be sequences and units."""
    parser = job_parser(SAMPLE)
    parser.add_argument(
        "--dry-run", action="store_true", help="pick and write nothing; print by stratum what labelling the sample would take: tokens, hours, price"
    )
    parser.add_argument("--json", action="store_true", help="with --dry-run: print one JSON object and nothing else")
    arguments = parse_job_arguments(parser, argv)
    if arguments.values.json and not arguments.values.dry_run:
        raise ConfigError("--json goes with --dry-run: a sample that is written prints nothing")
    return _checked(arguments, "sequences", "units")


def label(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be units."""
    return _checked(job_arguments(argv, LABEL), "units")


def import_labels(argv: Sequence[str] | None = None) -> JobArguments:
    """FILE, which must be there, as units must."""
    parser = job_parser(IMPORT_LABELS)
    parser.add_argument("file", metavar="FILE", type=Path, help="the labels, one JSON object a line")
    arguments = parse_job_arguments(parser, argv)
    require_file(arguments.values.file, "labels")
    return _checked(arguments, "units")


def import_items(argv: Sequence[str] | None = None) -> JobArguments:
    """FILE, which must be there, and settings that say what its columns are. Raises ConfigError without them."""
    from teacher.config import TeacherConfig

    parser = job_parser(IMPORT_ITEMS)
    parser.add_argument("file", metavar="FILE", type=Path, help="the catalogue, one item a row")
    arguments = _checked(parse_job_arguments(parser, argv))
    if arguments.section("teacher", TeacherConfig).catalogue is None:
        raise ConfigError(
            "teacher.catalogue: not set; it says the catalogue's name, which column is the id, and which make the text (see 'kindred teacher import-items --help')"
        )
    require_file(arguments.values.file, "items")
    return arguments


def require_file(file: Path, what: str) -> None:
    """Raise TeacherError where a file of labels or items is not there or is none."""
    try:
        file.open("rb").close()
    except OSError as error:
        raise TeacherError(f"{file}: cannot read the {what}: {error.strerror}") from None


def audit(argv: Sequence[str] | None = None) -> JobArguments:
    """--teacher, --page, --ticks and --json; there must be labels and units."""
    parser = job_parser(AUDIT)
    parser.add_argument(
        "--teacher", metavar="VERSION", action="append", default=[], help="a teacher_version, or how it begins; may be repeated (default: all teachers)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--page", metavar="FILE", type=Path, help="write a page instead, on which a reader ticks what is right; whose labels they are is not told"
    )
    what.add_argument("--ticks", metavar="FILE", type=Path, help="count instead what was ticked on that page")
    what.add_argument(
        "--judge", action="store_true", help="ask the teacher's model besides whether labels follow from their texts, and broad ones from specific ones"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return _checked(parse_job_arguments(parser, argv), "labels", "units")


def judge(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be examples and items, and the encoder that the settings name where it is the registered one. Raises EncoderError without it."""
    from lake.config import LakeConfig
    from lake.presence import require_encoder
    from teacher.config import TeacherConfig

    arguments = _checked(job_arguments(argv, JUDGE), "examples", "items")
    if arguments.section("teacher", TeacherConfig).judge.encoder is None:
        require_encoder(arguments.section("lake", LakeConfig))
    return arguments


def distil(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be labels and units."""
    return _checked(job_arguments(argv, DISTIL), "labels", "units")


def items(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be labels."""
    return _checked(job_arguments(argv, ITEMS), "labels")


def _checked(arguments: JobArguments, *tables: str) -> JobArguments:
    """The arguments, where the settings are fine and the lake has these tables. Raises ConfigError and ContractError."""
    from lake.config import LakeConfig
    from lake.presence import require_tables
    from teacher.config import TeacherConfig

    arguments.section("teacher", TeacherConfig)
    require_tables(arguments.section("lake", LakeConfig), tables)
    return arguments
