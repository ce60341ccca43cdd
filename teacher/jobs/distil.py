"""Entry point of `kindred teacher distil`: a small model that labels as a strong teacher does, for a fraction of its price."""

from collections.abc import Sequence

from conf.arguments import JobArguments
from lake.config import LakeConfig
from teacher import arguments as teacher_arguments
from teacher.config import TeacherConfig


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.distil(argv))


def run_job(arguments: JobArguments) -> None:
    """Distil, unless it was done."""
    from teacher.distil.distillation import distil  # MLflow, which no other job of the teacher needs

    distil(arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig))


if __name__ == "__main__":
    main()
