"""`kindred serving recommend`: the items nearest to a person at a chosen level."""

from collections.abc import Sequence

from conf.arguments import job_parser, parse_job_arguments
from conf.logs import configure_logs
from lake.config import LakeConfig
from lake.labels import LEVELS, Level
from serving.config import ServingConfig
from serving.milvus import open_store
from serving.people import known_items
from serving.queries import Columns, add_output_arguments, add_person_arguments, identifier, print_hits
from serving.search import Index, Recommendation

DESCRIPTION = """The items nearest to a person, at a level.

Reads the Milvus collections `users` and `items`, and `sequences` and `labels` for what the person did already; writes nothing."""
COLUMNS: Columns = {
    "score": lambda hit: f"{hit.score:.3f}",
    "": lambda hit: "known" if hit.known else "new",
    "item": lambda hit: hit.text,
    "labels": lambda hit: hit.label_count,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the hits."""
    configure_logs()
    parser = job_parser(DESCRIPTION)
    add_person_arguments(parser)
    parser.add_argument("--level", choices=LEVELS, default="specific", help="how specific the items are (default: specific)")
    parser.add_argument("--new", action="store_true", help="leave out what the person's own units are labelled with")
    add_output_arguments(parser)
    arguments = parse_job_arguments(parser, argv)
    lake, config, values = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig), arguments.values
    hits = recommend(lake, config, identifier(lake, values), values.level, values.top_k or config.top_k, values.new)
    print_hits(hits, COLUMNS, values.json)


def recommend(lake: LakeConfig, config: ServingConfig, user: str, level: Level, top_k: int, only_new: bool = False) -> list[Recommendation]:
    """The items of a level nearest to a person, best first, told whether the person did them already. Raises VectorStoreError on an unknown one."""
    with open_store(lake, config) as store:
        index = Index(store)
        person = index.person(user)
        return index.recommend(person, level, top_k, known_items(lake, person["person_id"]), only_new)


if __name__ == "__main__":
    main()
