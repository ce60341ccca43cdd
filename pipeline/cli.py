"""`kindred`: finds the command, calls the job's `main`, and turns our own errors into one line and exit status 1."""

import sys
from collections.abc import Callable, Sequence

from conf.errors import KindredError
from pipeline.commands import COMMANDS, find_command, meant_command, usage

HELP = ("-h", "--help", "help")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed with a message, 2 no such command, 130 interrupted.

    An ingest that takes some files and not others has failed: its message names those that it did not take.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    groups = {command.words.split()[0] for command in COMMANDS if " " in command.words}
    if not arguments or arguments[0] in HELP or (arguments[0] in groups and arguments[1:2] and arguments[1] in HELP):
        print(usage(arguments[0] if arguments and arguments[0] in groups else None))
        return 0
    found = find_command(arguments)
    if found is None:
        group = arguments[0] if arguments[0] in groups else None
        print(("" if arguments == [group] else f"{_no_command(arguments)}\n\n") + usage(group), file=sys.stderr)
        return 2
    command, rest = found
    sys.argv = [f"kindred {command.words}", *rest]  # what --help shows as the program
    return report_errors(f"kindred {command.words}", lambda: command.run(rest))


def _no_command(arguments: Sequence[str]) -> str:
    meant = meant_command(arguments)
    return f"kindred: no command {' '.join(arguments[:2])!r}" + (f"; did you mean 'kindred {meant}'?" if meant else "")


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
