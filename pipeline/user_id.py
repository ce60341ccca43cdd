"""`kindred user-id PLATFORM NAME`: the pseudonym of a name."""

from collections.abc import Sequence

from conf.arguments import JobArguments, job_parser, parse_job_arguments

DESCRIPTION = "Print the user_id of an account's name, e.g. kindred user-id reddit some_name. Needs the key that the lake was made with."


def main(argv: Sequence[str] | None = None) -> None:
    """Print the `user_id` on stdout."""
    parser = job_parser(DESCRIPTION)
    parser.add_argument("platform", help="e.g. reddit; of tables that settings describe, their etl.platforms.generic.name")
    parser.add_argument("name", help="the account's name; case does not matter")
    print(user_id(parse_job_arguments(parser, argv)))


def user_id(arguments: JobArguments) -> str:
    """The pseudonym of the name. Raises ConfigError without the lake's key, and where neither a parser nor the lake has such a platform."""
    from etl.config import EtlConfig
    from lake.config import LakeConfig
    from lake.presence import check_lake_key, check_platform
    from lake.pseudonyms import load_key, pseudonym

    lake, etl, values = arguments.section("lake", LakeConfig), arguments.section("etl", EtlConfig), arguments.values
    from etl.platforms import names_of_acts  # brings Arrow

    check_platform(lake, values.platform, names_of_acts(etl.platforms))
    key = load_key(lake.pseudonym_key_file)
    check_lake_key(lake, key)
    return pseudonym(key, values.platform, values.name)
