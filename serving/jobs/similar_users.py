"""`kindred serving similar-users`: the people most like a person."""

from collections.abc import Sequence

from conf.arguments import JobArguments
from lake.config import LakeConfig
from serving import arguments as serving_arguments
from serving.config import ServingConfig
from serving.milvus import open_store
from serving.queries import Columns, print_hits
from serving.search import Index, SimilarPerson

COLUMNS: Columns = {
    "score": lambda hit: f"{hit.score:.3f}",
    "person": lambda hit: hit.person_id,
    "units": lambda hit: hit.unit_count,
    "communities": lambda hit: ", ".join(hit.communities[:3]),
    "both near": lambda hit: "; ".join(topic.text for topic in hit.shared),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.similar_users(argv))


def run_job(arguments: JobArguments) -> None:
    """Print the hits."""
    lake, config, values = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig), arguments.values
    print_hits(similar_users(lake, config, values.user, values.top_k or config.top_k), COLUMNS, values.json)


def similar_users(lake: LakeConfig, config: ServingConfig, user: str, top_k: int) -> list[SimilarPerson]:
    """The people nearest to a person (by `person_id` or `user_id`), best first. Raises VectorStoreError on an unknown one."""
    with open_store(lake, config) as store:
        index = Index(store)
        return index.similar_users(index.person(user), top_k, config.shared_topics)


if __name__ == "__main__":
    main()
