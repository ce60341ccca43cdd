"""`kindred serving similar-users`: the people most like a person."""

from collections.abc import Sequence

from conf.arguments import JobArguments
from serving import arguments as serving_arguments
from serving.hits import SimilarPerson
from serving.queries import Columns, answer_and_print

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
    """Print the people nearest to a person, best first. Raises UnknownIdError on an unknown one."""
    answer_and_print(arguments, SimilarPerson, COLUMNS)


if __name__ == "__main__":
    main()
