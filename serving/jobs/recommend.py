"""`kindred serving recommend`: what a person would want next, at a chosen level."""

from collections.abc import Sequence

from conf.arguments import JobArguments
from serving import arguments as serving_arguments
from serving.hits import Recommendation
from serving.queries import Columns, answer_and_print

COLUMNS: Columns = {
    "score": lambda hit: f"{hit.score:.3f}",
    "": lambda hit: "known" if hit.known else "done later" if hit.later else "new",
    "item": lambda hit: hit.text,
    "labels": lambda hit: hit.label_count,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.recommend(argv))


def run_job(arguments: JobArguments) -> None:
    """Print items for a person, best first, told whether the person did them already. Raises UnknownIdError on an unknown one."""
    answer_and_print(arguments, Recommendation, COLUMNS)


if __name__ == "__main__":
    main()
