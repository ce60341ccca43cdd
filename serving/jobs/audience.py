"""`kindred serving audience`: the people whom a text speaks to."""

from collections.abc import Sequence

from conf.arguments import job_parser, parse_job_arguments
from conf.errors import VectorStoreError
from conf.logs import configure_logs
from lake.config import LakeConfig
from lake.encoder import load_registered
from serving.config import ServingConfig
from serving.milvus import open_store
from serving.queries import Columns, add_output_arguments, print_hits
from serving.search import Index, PersonHit

DESCRIPTION = """The people nearest to a text, which is read as a specific item.

Reads the registered encoder and the Milvus collections `users` and `items`; writes nothing."""
COLUMNS: Columns = {
    "score": lambda hit: f"{hit.score:.3f}",
    "person": lambda hit: hit.person_id,
    "units": lambda hit: hit.unit_count,
    "communities": lambda hit: ", ".join(hit.communities[:5]),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the hits."""
    configure_logs()
    parser = job_parser(DESCRIPTION)
    parser.add_argument("text", metavar="TEXT", help="what they should care about, e.g. 'Repairing old bicycles'")
    add_output_arguments(parser)
    arguments = parse_job_arguments(parser, argv)
    lake, config = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig)
    hits = audience(lake, config, arguments.values.text, arguments.values.top_k or config.top_k)
    print_hits(hits, COLUMNS, arguments.values.json)


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
