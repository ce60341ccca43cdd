"""`kindred`: finds the command, calls the job's `main`, and turns our own errors into one line and exit status 1."""

import sys
from collections.abc import Callable, Sequence

from conf.errors import KindredError
from pipeline.commands import find_command, usage


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed with a message, 2 no such command, 130 interrupted.

    An ingest that takes some files and not others has failed: its message names those that it did not take.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    found = find_command(arguments)
    if found is None:
        group = usage(arguments[0])
        print(group if "\n  kindred" in group else f"kindred: no command {' '.join(arguments[:2])!r}\n\n{usage()}", file=sys.stderr)
        return 2
    command, rest = found
    sys.argv = [f"kindred {command.words}", *rest]  # what --help shows as the program
    return report_errors(f"kindred {command.words}", lambda: command.main()(rest))


def report_errors(name: str, work: Callable[[], None]) -> int:
    """Exit status of the work: our own errors are one line on stderr, all others keep their traceback."""
    try:
        work()
    except KindredError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
