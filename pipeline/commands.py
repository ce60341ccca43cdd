"""Every command: its words, the module that does its work, and one line of help."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from conf.errors import ConfigError
from conf.logs import PACKAGES


@dataclass(frozen=True)
class Command:
    """One command of `kindred`. Of a job (STAGE.jobs.JOB), what it takes stands in STAGE.arguments, so that --help and most errors need not import it."""

    words: str
    module: str
    help: str
    extra: str

    def run(self, arguments: Sequence[str]) -> None:
        """Do its work. Raises ConfigError where the stage's packages are not installed."""
        stage, is_job, job = self.module.partition(".jobs.")
        try:
            if is_job:
                checked = getattr(import_module(f"{stage}.arguments"), job)(arguments)
                import_module(self.module).run_job(checked)
            else:
                import_module(self.module).main(arguments)
        except ModuleNotFoundError as error:
            if error.name and error.name.split(".")[0] in PACKAGES:
                raise
            raise ConfigError(f"kindred {self.words} needs {error.name!r}, which is not installed: install kindred[{self.extra}]") from error


COMMANDS = tuple(
    Command(*entry)
    for entry in (
        ("run", "pipeline.run", "all stages in a row, on a folder of archive files", "etl,teacher,trainer,serving"),
        ("etl ingest", "etl.jobs.ingest", "archive files -> acts, rejects", "etl"),
        ("etl units", "etl.jobs.units", "acts -> units with their context", "etl"),
        ("etl sequences", "etl.jobs.sequences", "units -> one history a person, in chunks", "etl"),
        ("etl thread", "etl.jobs.thread", "one thread as a reader saw it, and its contexts", "etl"),
        ("etl user", "etl.jobs.user", "one person's history", "etl"),
        ("etl report", "etl.jobs.report", "one HTML page on what a lake holds", "etl"),
        ("teacher sample", "teacher.jobs.sample", "sequences -> the contents worth a label, under a budget", "teacher"),
        ("teacher label", "teacher.jobs.label", "units -> labels, by the teacher model", "teacher"),
        ("teacher import-labels", "teacher.jobs.import_labels", "labels made elsewhere -> labels", "teacher"),
        ("teacher audit", "teacher.jobs.audit", "labels of several teachers on the same contents, side by side", "teacher"),
        ("teacher distil", "teacher.jobs.distil", "labels of a strong teacher -> a small one that labels like it, registered", "teacher"),
        ("teacher items", "teacher.jobs.items", "labels -> items", "teacher"),
        ("teacher import-items", "teacher.jobs.import_items", "an app's own catalogue -> items", "teacher"),
        ("teacher judge", "teacher.jobs.judge", "items near units and histories -> their grades, by the teacher model", "teacher"),
        ("trainer examples", "trainer.jobs.examples", "sequences (and labels) -> examples", "trainer"),
        ("trainer train", "trainer.jobs.train", "examples -> registered encoder", "trainer"),
        ("trainer merge", "trainer.jobs.merge", "weights of several encoders -> one registered encoder", "trainer"),
        ("trainer compare", "trainer.jobs.compare", "what changes for people from one encoder to another", "trainer"),
        ("trainer evaluate", "trainer.jobs.evaluate", "the registered encoder against base and baselines", "trainer"),
        ("trainer report", "trainer.jobs.report", "one HTML page on what an encoder is worth", "trainer"),
        ("trainer ablate", "trainer.jobs.ablate", "variants of a training side by side", "trainer"),
        ("serving embed", "serving.jobs.embed", "sequences, items -> user_vectors, item_vectors", "serving"),
        ("serving load", "serving.jobs.load", "vectors -> Milvus", "serving"),
        ("serving rollback", "serving.jobs.rollback", "serve again what was served before", "serving"),
        ("serving similar-users", "serving.jobs.similar_users", "people whose vectors are nearest to a person's", "serving"),
        ("serving recommend", "serving.jobs.recommend", "items nearest to a person, at a level", "serving"),
        ("serving audience", "serving.jobs.audience", "people nearest to a text", "serving"),
        ("serving serve", "pipeline.serve", "an HTTP service that answers these questions", "serving"),
        ("erase", "pipeline.erase", "forget people and acts, everywhere", "etl,trainer,serving"),
        ("user-id", "pipeline.user_id", "the pseudonym of a name (needs the key)", "etl"),
        ("check-config", "pipeline.check_config", "check a configuration file", "etl"),
    )
)


def find_command(arguments: Sequence[str]) -> tuple[Command, Sequence[str]] | None:
    """The command that the first words name, and the arguments after them; None where they name none."""
    for length in (2, 1):
        for command in COMMANDS:
            if command.words == " ".join(arguments[:length]):
                return command, arguments[length:]
    return None


def meant_command(arguments: Sequence[str]) -> str | None:
    """The command that wrong words are closest to; None where none is close."""
    from conf.mistakes import closest

    by_words = {command.words.split()[-1]: command.words for command in COMMANDS} | {command.words: command.words for command in COMMANDS}
    found = closest(" ".join(arguments[:2]), by_words) or closest(arguments[0], by_words)
    return by_words[found] if found else None


def usage(group: str | None = None) -> str:
    """One line a command; of a group alone where one is named."""
    listed = [command for command in COMMANDS if group is None or command.words.split()[0] == group]
    lines = "\n".join(f"  kindred {command.words:<24}{command.help}" for command in listed)
    return f"usage: kindred COMMAND [--config FILE] [--set SECTION.KEY=VALUE] [--lake DIR] ...\n\n{lines}\n\n'kindred COMMAND --help' says more."
