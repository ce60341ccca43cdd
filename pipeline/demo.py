"""`make demo`: an invented archive through every stage, and what one held-out person looks like at the end."""

import argparse
import io
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.labels import LABELS, is_label
from lake.rendering import own_words
from pipeline import run
from pipeline.archive_generator import write_archive
from pipeline.cli import report_errors
from pipeline.commands import find_command
from serving.config import ServingConfig
from trainer.ablation import Outcome, ablation_table
from trainer.evaluation.comparison import EvaluationResult

PEOPLE, MONTHS, ACTS_PER_MONTH = 124, 6, 1.5


def main(argv: Sequence[str] | None = None) -> None:
    """Write the archive, run all stages, and show one person on stdout."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path(".demo"), help="folder of the archive and the lake (default: .demo)")
    folder: Path = parser.parse_args(argv).dir
    write_archive(folder / "dump", PEOPLE, MONTHS, ACTS_PER_MONTH)
    shared = ["--config", str(files("conf") / "demo.yaml"), "--lake", str(folder / "lake")]
    run.main(["--dump", str(folder / "dump"), *shared])
    show_answers(shared)
    show_person(LakeConfig(path=str(folder / "lake")), shared)
    print(f"The encoder on one page, for a browser:\n  {printed('trainer report', *shared)}")
    print(f"These people in a browser, at {explorer_address()} while it runs:\n  .venv/bin/kindred serving serve --lake {folder / 'lake'}")


def explorer_address() -> str:
    """Where the service shows its page unless settings say otherwise."""
    config = ServingConfig()
    return f"http://{config.host}:{config.port}/"


def show_answers(shared: list[str]) -> None:
    """Print what titles bring by themselves, one more training judged like the first, and what labels after them add."""
    print("\nWhat titles of threads alone bring, and labels after them (in brackets: the paired difference to the base, with its interval)\n")
    alone = [Outcome(found.pop("variant"), EvaluationResult(**found)) for found in ask("trainer ablate", str(files("pipeline") / "demo_answers.yaml"), *shared)]
    both: Any = ask("trainer evaluate", *shared)  # of the run above: nothing changed since, so that it is only looked up
    print(ablation_table([*alone, Outcome("titles, then labels", EvaluationResult(**both))]))


def show_person(lake: LakeConfig, shared: list[str]) -> None:
    """Print one held-out person: the history in words, similar people and what they share, recommendations at both levels."""
    person = held_out_person(lake)
    labels = {row["unit_hash"]: row for row in arrow_tables.read(lake, LABELS, ["unit_hash", "specific", "broad"], is_label()).to_pylist()}
    print(f"\nOne person whom the training never saw: {short(person['person_id'])}\n\n  What they did, oldest first, and what the teacher said of it")
    for unit in person["history"]:
        label = labels.get(unit["duplicate_group"] or unit["unit_hash"])
        said = f"{label['specific']} / {label['broad']}" if label else "(no label)"
        print(f"    {unit['created_at']:%Y-%m-%d}  {unit['community']:<20.20} {own_words(unit, 70):<72} -> {said}")
    print("\n  Similar people, and what they share")
    for hit in ask("serving similar-users", "--user", person["person_id"], "--top-k", "5", *shared):
        print(f"    {short(hit['person_id'])}  {hit['score']:.3f}  {'; '.join(topic['text'] for topic in hit['shared'])}")
    for level in ("specific", "broad"):
        print(f"\n  What they would want next ({level})")
        for hit in ask("serving recommend", "--user", person["person_id"], "--level", level, "--top-k", "8", *shared):
            print(f"    {hit['score']:.3f}  {hit['text']}{'  (known)' if hit['known'] else ''}")
    print(f"\nAsk for yourself, e.g.:\n  .venv/bin/kindred serving audience 'bread baking' --lake {lake.path}\n")


def held_out_person(lake: LakeConfig) -> dict[str, Any]:
    """The person of the test split with the longest history; ties go by id."""
    people = arrow_tables.read(lake, EXAMPLES, ["person_id", "history"], where=ds.field("split") == "test").to_pylist()
    return max(people, key=lambda person: (len(person["history"]), person["person_id"]))


def ask(*words: str) -> list[dict[str, Any]]:
    """The answer of a command, as a program gets it: with --json."""
    return json.loads(printed(*words, "--json"))


def printed(*words: str) -> str:
    """What a command prints on stdout."""
    found = find_command(words)
    if found is None:
        raise ValueError(f"no command {words}")
    command, arguments = found
    answer = io.StringIO()
    with redirect_stdout(answer):
        command.run(list(arguments))
    return answer.getvalue()


def short(person_id: str) -> str:
    """The first digits of a pseudonym, for people to read."""
    return person_id[:10]


if __name__ == "__main__":
    sys.exit(report_errors("make demo", main))
