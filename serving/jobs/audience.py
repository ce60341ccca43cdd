"""`kindred serving audience`: the people whom a text speaks to."""

from collections.abc import Sequence

from conf.arguments import JobArguments
from serving import arguments as serving_arguments
from serving.hits import PersonHit
from serving.queries import Columns, answer_and_print

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
    """Print the people nearest to a text, best first. Raises VectorStoreError where the index is of another encoder than the registered one."""
    answer_and_print(arguments, PersonHit, COLUMNS)


if __name__ == "__main__":
    main()
