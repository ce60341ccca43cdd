"""What each command of serving takes. Wrong settings, unknown names and what is absent are told here, before its job imports Milvus and torch."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from conf.arguments import JobArguments, job_arguments, job_parser, parse_job_arguments
from conf.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

EMBED = """Encode people and items with the registered encoder.

Reads `sequences`, `items`, the registered encoder, and `person_labels` where that reads labels; writes `user_vectors` and `item_vectors`.
Who is unchanged is not encoded again; who vanished is removed. A killed run goes on from the buckets that are written. With serving.embed.runner=spark each bucket is a task (VECTORS.md)."""
LOAD = """Load the vectors of the registered encoder into Milvus and let apps see them.

Reads `user_vectors` and `item_vectors`; writes fresh Milvus collections, checks them, and moves the aliases `users` and `items`.
A load that fails or is killed leaves the old collections in place; the next one drops its leftovers."""
ROLLBACK = """Serve again what was served before the last load, and let the registry's alias name the encoder that it was made with.

Reads and moves the aliases in Milvus and the registry; copies nothing, and so takes a moment. People who left the lake since, are in it again until the next 'kindred serving load', which serves
what the tables hold."""
SIMILAR_USERS = """The people most like a person, and the topics near to both.

Reads the Milvus collections `users` and `items`; writes nothing."""
RECOMMEND = """The items nearest to a person, at a level.

Reads the Milvus collections `users` and `items`, and `person_labels` for what the person did already; writes nothing."""
AUDIENCE = """The people nearest to a text, which is read as a specific item.

Reads the registered encoder and the Milvus collections `users` and `items`; writes nothing."""
SERVE = """An HTTP service that answers the questions of apps, until it is told to end (SIGTERM, Ctrl-C).

Reads the registered encoder and the Milvus collections `users` and `items`, and `person_labels` for what a person did already; of Milvus Lite it holds a copy.
Writes `_local/service.json`, by which queries of the command line find it. It listens on serving.host and serving.port; SERVING.md says what it answers."""


def embed(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be sequences, items and an encoder."""
    return _checked(job_arguments(argv, EMBED), "sequences", "items", needs_encoder=True)


def load(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be vectors and an encoder."""
    return _checked(job_arguments(argv, LOAD), "user_vectors", "item_vectors", needs_encoder=True)


def rollback(argv: Sequence[str] | None = None) -> JobArguments:
    """--to; there must be an encoder and an index."""
    parser = job_parser(ROLLBACK)
    parser.add_argument("--to", metavar="COLLECTION", help="name of the users' collection to serve (default: that of the load before the one that is served)")
    return _checked(parse_job_arguments(parser, argv), needs_encoder=True, needs_index=True)


def similar_users(argv: Sequence[str] | None = None) -> JobArguments:
    """--user or --name, whom to find, --json, as a `question`; there must be an index."""
    parser = job_parser(SIMILAR_USERS)
    _add_person(parser)
    _add_people_filter(parser)
    _add_output(parser)
    arguments = _asking(parse_job_arguments(parser, argv))
    from serving.questions import SimilarUsers

    return _with_question(arguments, SimilarUsers, user=_user(arguments), **_people_filter(arguments))


def recommend(argv: Sequence[str] | None = None) -> JobArguments:
    """--user or --name, --level, --source, --new, --json, as a `question`; there must be an index."""
    from lake.labels import LEVELS

    parser = job_parser(RECOMMEND)
    _add_person(parser)
    parser.add_argument("--level", choices=LEVELS, help="how specific the items are (default: specific, or all that a --source has)")
    parser.add_argument("--source", action="append", default=[], metavar="NAME", help="'labels', or the name of an app's catalogue; may be repeated")
    parser.add_argument(
        "--by", choices=("likely", "alike"), default="likely",
        help="rank by how likely the person does an item next, which popular ones are, or by likeness alone (default: likely)",
    )  # fmt: skip
    parser.add_argument("--new", action="store_true", help="leave out what the person's own units are labelled with")
    parser.add_argument("--as-of", metavar="TIME", help="what would have been recommended then, e.g. 2024-01-31T00:00:00Z; told beside it what was done later")
    _add_output(parser)
    arguments = _asking(parse_job_arguments(parser, argv))
    from serving.questions import Recommendations

    values = arguments.values
    return _with_question(
        arguments, Recommendations, user=_user(arguments), level=values.level, sources=values.source, by=values.by, only_new=values.new, as_of=values.as_of
    )


def audience(argv: Sequence[str] | None = None) -> JobArguments:
    """TEXT, whom to find, --json, as a `question`; there must be an encoder and an index."""
    parser = job_parser(AUDIENCE)
    parser.add_argument("text", metavar="TEXT", help="what they should care about, e.g. 'Repairing old bicycles'")
    _add_people_filter(parser)
    _add_output(parser)
    arguments = _asking(parse_job_arguments(parser, argv), needs_encoder=True)
    from serving.questions import Audience

    return _with_question(arguments, Audience, text=arguments.values.text, **_people_filter(arguments))


def serve(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be an encoder and an index."""
    return _checked(job_arguments(argv, SERVE), needs_encoder=True, needs_index=True)


def user_id_of_account(arguments: JobArguments, platform_and_name: str) -> str:
    """The `user_id` of 'PLATFORM:NAME'. Raises ConfigError without the key, where the lake was made with another one, or has nothing of the platform."""
    from lake.config import LakeConfig
    from lake.presence import user_id_of_name

    platform, colon, name = platform_and_name.partition(":")
    if not (platform and colon and name):
        raise ConfigError(f"--name {platform_and_name}: expected PLATFORM:NAME, e.g. reddit:some_name")
    return user_id_of_name(arguments.section("lake", LakeConfig), platform, name)


def _add_output(parser: argparse.ArgumentParser) -> None:
    """Which of the hits, and how they are printed."""
    parser.add_argument("--top-k", "--limit", type=int, metavar="N", help="how many hits, 1000 at most (default: serving.top_k)")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="how many of the best hits are passed over, for a next page")
    parser.add_argument("--min-score", type=float, metavar="X", help="the least score of a hit")
    parser.add_argument("--json", action="store_true", help="one JSON list on stdout, best first, and nothing else")


def _add_people_filter(parser: argparse.ArgumentParser) -> None:
    """Whom to find."""
    parser.add_argument("--platform", action="append", default=[], metavar="NAME", help="people who acted there; may be repeated: on one of them")
    parser.add_argument("--community", action="append", default=[], metavar="NAME", help="people of whose most frequent communities it is one; may be repeated")
    parser.add_argument("--min-units", type=int, default=0, metavar="N", help="people with so many units or more")
    parser.add_argument("--active-since", metavar="TIME", help="people whose newest unit is not older, e.g. 2024-01-31T00:00:00Z")


def _people_filter(arguments: JobArguments) -> dict[str, object]:
    values = arguments.values
    return {"platforms": values.platform, "communities": values.community, "min_units": values.min_units, "active_since": values.active_since}


def _add_person(parser: argparse.ArgumentParser) -> None:
    """--user and --name, of which one is given."""
    person = parser.add_mutually_exclusive_group(required=True)
    person.add_argument("--user", metavar="ID", help="a person_id, or any user_id of the person")
    person.add_argument("--name", metavar="PLATFORM:NAME", help="an account's name; needs the pseudonym key")


def _asking(arguments: JobArguments, needs_encoder: bool = False) -> JobArguments:
    """The arguments, where there is what answers: an index and maybe an encoder here, or a service elsewhere."""
    from serving.config import ServingConfig

    if arguments.section("serving", ServingConfig).service_url is not None:
        return _checked(arguments)
    return _checked(arguments, needs_encoder=needs_encoder, needs_index=True)


def _user(arguments: JobArguments) -> str:
    """--user, or the id that --name stands for."""
    values = arguments.values
    return str(values.user) if values.user is not None else user_id_of_account(arguments, values.name)


def _with_question(arguments: JobArguments, kind: "type[BaseModel]", **what: object) -> JobArguments:
    """The arguments with the checked question. Raises ConfigError where it cannot be asked."""
    from serving.config import ServingConfig
    from serving.questions import asked

    values = arguments.values
    limit = arguments.section("serving", ServingConfig).top_k if values.top_k is None else values.top_k
    arguments.values.question = asked(kind, "question", **what, limit=limit, offset=values.offset, min_score=values.min_score)
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
