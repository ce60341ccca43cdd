"""`kindred serving recommend`: what a person would want next, at a chosen level."""

from collections.abc import Sequence

from conf.arguments import JobArguments
from lake.config import LakeConfig
from lake.labels import Level
from serving import arguments as serving_arguments
from serving.config import ServingConfig
from serving.milvus import open_store
from serving.people import known_items
from serving.queries import Columns, print_hits
from serving.search import Index, Ranking, Recommendation

COLUMNS: Columns = {
    "score": lambda hit: f"{hit.score:.3f}",
    "": lambda hit: "known" if hit.known else "new",
    "item": lambda hit: hit.text,
    "labels": lambda hit: hit.label_count,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.recommend(argv))


def run_job(arguments: JobArguments) -> None:
    """Print the hits."""
    lake, config, values = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig), arguments.values
    hits = recommend(lake, config, values.user, values.level, values.top_k or config.top_k, values.new, values.by)
    print_hits(hits, COLUMNS, values.json)


def recommend(
    lake: LakeConfig, config: ServingConfig, user: str, level: Level, top_k: int, only_new: bool = False, by: Ranking = "likely"
) -> list[Recommendation]:  # fmt: skip
    """The items of a level for a person, best first, told whether the person did them already. Raises VectorStoreError on an unknown one."""
    with open_store(lake, config) as store:
        index = Index(store)
        person = index.person(user)
        return index.recommend(person, level, top_k, known_items(lake, person["person_id"]), only_new, by)


if __name__ == "__main__":
    main()
