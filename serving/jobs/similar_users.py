"""`kindred serving similar-users`: the people most like a person."""

from collections.abc import Sequence

from conf.arguments import job_parser, parse_job_arguments
from conf.logs import configure_logs
from lake.config import LakeConfig
from serving.config import ServingConfig
from serving.milvus import open_store
from serving.queries import Columns, add_output_arguments, add_person_arguments, identifier, print_hits
from serving.search import Index, SimilarPerson

DESCRIPTION = """The people most like a person, and the topics near to both.

Reads the Milvus collections `users` and `items`; writes nothing."""
COLUMNS: Columns = {
    "score": lambda hit: f"{hit.score:.3f}",
    "person": lambda hit: hit.person_id,
    "units": lambda hit: hit.unit_count,
    "communities": lambda hit: ", ".join(hit.communities[:3]),
    "both near": lambda hit: "; ".join(topic.text for topic in hit.shared),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the hits."""
    configure_logs()
    parser = job_parser(DESCRIPTION)
    add_person_arguments(parser)
    add_output_arguments(parser)
    arguments = parse_job_arguments(parser, argv)
    lake, config = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig)
    hits = similar_users(lake, config, identifier(lake, arguments.values), arguments.values.top_k or config.top_k)
    print_hits(hits, COLUMNS, arguments.values.json)


def similar_users(lake: LakeConfig, config: ServingConfig, user: str, top_k: int) -> list[SimilarPerson]:
    """The people nearest to a person (by `person_id` or `user_id`), best first. Raises VectorStoreError on an unknown one."""
    with open_store(lake, config) as store:
        index = Index(store)
        return index.similar_users(index.person(user), top_k, config.shared_topics)


if __name__ == "__main__":
    main()
