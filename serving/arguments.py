"""What each command of serving takes. Wrong settings, unknown names and what is absent are told here, before its job imports Milvus and torch."""

import argparse
from collections.abc import Sequence

from conf.arguments import JobArguments, job_arguments, job_parser, parse_job_arguments
from conf.errors import ConfigError

EMBED = """Encode people and items with the registered encoder.

Reads `sequences`, `items`, the registered encoder, and `person_labels` where that reads labels; writes `user_vectors` and `item_vectors`.
Who is unchanged is not encoded again; who vanished is removed. A killed run goes on from what is written."""
LOAD = """Load the vectors of the registered encoder into Milvus and let apps see them.

Reads `user_vectors` and `item_vectors`; writes fresh Milvus collections, checks them, and moves the aliases `users` and `items`.
A load that fails or is killed leaves the old collections in place; the next one drops its leftovers."""
SIMILAR_USERS = """The people most like a person, and the topics near to both.

Reads the Milvus collections `users` and `items`; writes nothing."""
RECOMMEND = """The items nearest to a person, at a level.

Reads the Milvus collections `users` and `items`, and `person_labels` for what the person did already; writes nothing."""
AUDIENCE = """The people nearest to a text, which is read as a specific item.

Reads the registered encoder and the Milvus collections `users` and `items`; writes nothing."""


def embed(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be sequences, items and an encoder."""
    return _checked(job_arguments(argv, EMBED), "sequences", "items", needs_encoder=True)


def load(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be vectors and an encoder."""
    return _checked(job_arguments(argv, LOAD), "user_vectors", "item_vectors", needs_encoder=True)


def similar_users(argv: Sequence[str] | None = None) -> JobArguments:
    """--user or --name, --top-k, --json; there must be an index."""
    parser = job_parser(SIMILAR_USERS)
    _add_person(parser)
    _add_output(parser)
    return _with_user(_checked(parse_job_arguments(parser, argv), needs_index=True))


def recommend(argv: Sequence[str] | None = None) -> JobArguments:
    """--user or --name, --level, --new, --top-k, --json; there must be an index."""
    from lake.labels import LEVELS

    parser = job_parser(RECOMMEND)
    _add_person(parser)
    parser.add_argument("--level", choices=LEVELS, default="specific", help="how specific the items are (default: specific)")
    parser.add_argument(
        "--by", choices=("likely", "alike"), default="likely",
        help="rank by how likely the person does an item next, which popular ones are, or by likeness alone (default: likely)",
    )  # fmt: skip
    parser.add_argument("--new", action="store_true", help="leave out what the person's own units are labelled with")
    _add_output(parser)
    return _with_user(_checked(parse_job_arguments(parser, argv), needs_index=True))


def audience(argv: Sequence[str] | None = None) -> JobArguments:
    """TEXT, --top-k, --json; there must be an encoder and an index."""
    parser = job_parser(AUDIENCE)
    parser.add_argument("text", metavar="TEXT", help="what they should care about, e.g. 'Repairing old bicycles'")
    _add_output(parser)
    return _checked(parse_job_arguments(parser, argv), needs_encoder=True, needs_index=True)


def user_id_of_name(arguments: JobArguments, platform_and_name: str) -> str:
    """The `user_id` of 'PLATFORM:NAME'. Raises ConfigError without the key, where the lake was made with another one, or has nothing of the platform."""
    from lake.config import LakeConfig
    from lake.presence import check_lake_key, check_platform
    from lake.pseudonyms import load_key, pseudonym

    platform, colon, name = platform_and_name.partition(":")
    if not (platform and colon and name):
        raise ConfigError(f"--name {platform_and_name}: expected PLATFORM:NAME, e.g. reddit:some_name")
    lake = arguments.section("lake", LakeConfig)
    check_platform(lake, platform)
    key = load_key(lake.pseudonym_key_file)
    check_lake_key(lake, key)
    return pseudonym(key, platform, name)


def _add_output(parser: argparse.ArgumentParser) -> None:
    """--top-k and --json."""
    parser.add_argument("--top-k", "--limit", type=_positive, metavar="N", help="how many hits (default: serving.top_k)")
    parser.add_argument("--json", action="store_true", help="one JSON list on stdout, best first, and nothing else")


def _add_person(parser: argparse.ArgumentParser) -> None:
    """--user and --name, of which one is given."""
    person = parser.add_mutually_exclusive_group(required=True)
    person.add_argument("--user", metavar="ID", help="a person_id, or any user_id of the person")
    person.add_argument("--name", metavar="PLATFORM:NAME", help="an account's name; needs the pseudonym key")


def _positive(text: str) -> int:
    number = int(text)
    if not 0 < number <= 1000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1000, found {text}")
    return number


def _with_user(arguments: JobArguments) -> JobArguments:
    """The arguments with the id that --name stands for as `user`."""
    if arguments.values.user is None:
        arguments.values.user = user_id_of_name(arguments, arguments.values.name)
    return arguments


def _checked(arguments: JobArguments, *tables: str, needs_encoder: bool = False, needs_index: bool = False) -> JobArguments:
    """The arguments, where the settings are fine and what they need is there. Raises ConfigError, ContractError, EncoderError and VectorStoreError."""
    from lake.config import LakeConfig
    from lake.presence import require_encoder, require_tables
    from serving.config import ServingConfig
    from serving.presence import require_index

    lake, config = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig)
    require_tables(lake, tables)
    if needs_encoder:
        require_encoder(lake)
    if needs_index:
        require_index(lake, config)
    return arguments
