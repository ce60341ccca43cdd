"""`kindred user-id PLATFORM NAME`: the pseudonym of a name."""

from collections.abc import Sequence

from conf.arguments import job_parser, parse_job_arguments
from conf.logs import configure_logs
from lake.arrow_tables import check_lake_key
from lake.config import LakeConfig
from lake.pseudonyms import load_key, pseudonym

DESCRIPTION = "Print the user_id of an account's name, e.g. kindred user-id reddit some_name. Needs the key that the lake was made with."


def main(argv: Sequence[str] | None = None) -> None:
    """Print the `user_id` on stdout."""
    configure_logs()
    parser = job_parser(DESCRIPTION)
    parser.add_argument("platform", help="e.g. reddit")
    parser.add_argument("name", help="the account's name; case does not matter")
    arguments = parse_job_arguments(parser, argv)
    lake = arguments.section("lake", LakeConfig)
    key = load_key(lake.pseudonym_key_file)
    check_lake_key(lake, key)
    print(pseudonym(key, arguments.values.platform, arguments.values.name))
