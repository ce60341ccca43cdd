"""`kindred serving audience`: the people whom a text speaks to."""

from collections.abc import Sequence

from conf.arguments import JobArguments
from conf.errors import VectorStoreError
from lake.config import LakeConfig
from lake.encoder import load_registered
from serving import arguments as serving_arguments
from serving.config import ServingConfig
from serving.milvus import open_store
from serving.queries import Columns, print_hits
from serving.search import Index, PersonHit

COLUMNS: Columns = {
    "score": lambda hit: f"{hit.score:.3f}",
    "person": lambda hit: hit.person_id,
    "units": lambda hit: hit.unit_count,
    "communities": lambda hit: ", ".join(hit.communities[:5]),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.audience(argv))


def run_job(arguments: JobArguments) -> None:
    """Print the hits."""
    lake, config, values = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig), arguments.values
    print_hits(audience(lake, config, values.text, values.top_k or config.top_k), COLUMNS, values.json)


def audience(lake: LakeConfig, config: ServingConfig, text: str, top_k: int) -> list[PersonHit]:
    """The people nearest to a text, best first. Raises VectorStoreError where the index is of another encoder than the registered one."""
    encoder = load_registered(lake, config.device)
    (vector,) = encoder.encode_items([text], "specific")
    with open_store(lake, config) as store:
        index = Index(store)
        if index.encoder_version != encoder.version:
            raise VectorStoreError(
                f"{store.place}: vectors of encoder {index.encoder_version}, but the registered one is {encoder.version}; "
                "run 'kindred serving embed' and 'kindred serving load'"
            )
        return index.audience(vector.tolist(), top_k)


if __name__ == "__main__":
    main()
