"""Write archive dumps of invented people with planted interests: the demo's input, and big files for benchmarks.

Files are in the archive's own format: RC_YYYY-MM.zst and RS_YYYY-MM.zst, one JSON object a line in time order, one zstd frame with a
2 GiB window. People belong to circles (interests.yaml) whose interests go together without sharing words; a person begins with two
interests of a circle and takes up others later, so that what they do next can be learned from other people of the circle.
Deterministic for given arguments.

    python -m pipeline.archive_generator --out DIR --people 1000 --months 6
"""

import argparse
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

import yaml
import zstandard

from etl.platforms.reddit.ids import base36

WINDOW_LOG = 31
OFF_CIRCLE_SHARE = 0.06
DELETED_SHARE = 0.015
REMOVED_SHARE = 0.015
POST_SHARE = 0.12
OPEN_THREADS = 12

OPENERS = (
    "I spent the weekend on {}", "My advice on {}:", "I finally understand {}", "Still struggling with {}", "I have strong opinions about {}",
    "Last month I got serious about {}", "You are right about {}", "I made a mistake with {}", "I keep learning about {}", "I keep reading about {}",
)  # fmt: skip
REMARKS = (
    "and it was worth it.", "and it went better this time.", "and it takes patience.", "and I would do it again.", "slowly but surely.", "again.",
    "and I am happy with it.", "no rush.",
)  # fmt: skip
TITLES = ("What is your approach to {}?", "Beginner question about {}", "What finally worked for me: {}", "Let's talk about {}", "How do you do it: {}")
BODIES = ("", "", "Tell me how you do it.")
ADJECTIVES = (
    "quiet", "amber", "brisk", "clever", "dusty", "eager", "fuzzy", "gentle", "hidden", "ivory", "jolly", "keen", "lucky", "mellow", "nimble", "olive",
)  # fmt: skip
ANIMALS = ("otter", "heron", "badger", "lynx", "marten", "robin", "salmon", "toad", "viper", "walrus", "yak", "zebra", "crane", "dormouse", "egret", "ferret")


@dataclass(frozen=True)
class Person:
    """An invented account: a name, the interests in the order of being taken up, and the circle that they come from."""

    name: str
    circle: str
    interests: tuple[str, ...]


@dataclass
class Thread:
    """An open thread of a community: its id and the acts that can be answered."""

    link_id: str
    acts: deque[str] = field(default_factory=lambda: deque(maxlen=6))


class Archive:
    """The growing archive: ids in use and open threads, month after month."""

    def __init__(self, people: int, months: int, acts_per_month: float, seed: int) -> None:
        self.random = Random(seed)
        self.circles: dict[str, dict[str, list[str]]] = yaml.safe_load((files("pipeline") / "interests.yaml").read_text(encoding="utf-8"))
        self.subjects = {name: subjects for circle in self.circles.values() for name, subjects in circle.items()}
        self.people = [self._person(number) for number in range(people)]
        self.months, self.acts_per_month = months, acts_per_month
        self.threads: dict[str, deque[Thread]] = {name: deque(maxlen=OPEN_THREADS) for name in self.subjects}
        self.next_id = 1_000_000_000

    def month(self, index: int, start: datetime, end: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
        """('RS' or 'RC', row) of one month in time order."""
        first, last = int(start.timestamp()), int(end.timestamp()) - 1
        times = [(self.random.randint(first, last), person) for person in self.people for _ in range(self._acts())]
        for created_utc, person in sorted(times, key=lambda entry: (entry[0], entry[1].name)):
            progress = (index + (created_utc - first) / (last - first)) / self.months
            yield self._act(person, created_utc, progress)

    def _acts(self) -> int:
        whole = int(self.acts_per_month)
        return whole + (self.random.random() < self.acts_per_month - whole)

    def _person(self, number: int) -> Person:
        circle = self.random.choice(sorted(self.circles))
        interests = self.random.sample(sorted(self.circles[circle]), 4)
        name = f"{ADJECTIVES[number % 16]}_{ANIMALS[number // 16 % 16]}_{number}"
        return Person(name, circle, tuple(interests))

    def _act(self, person: Person, created_utc: int, progress: float) -> tuple[str, dict[str, Any]]:
        """One act: on an interest that the person has by now, a post or an answer in an open thread."""
        taken_up = person.interests[: 2 + (progress > 0.35) + (progress > 0.6)]
        interest = self.random.choice(taken_up if self.random.random() > OFF_CIRCLE_SHARE else sorted(self.subjects))
        subject = self.random.choice(self.subjects[interest])
        self.next_id += self.random.randint(1, 9)
        native_id = base36(self.next_id)
        row = {
            "id": native_id, "author": person.name, "created_utc": created_utc, "subreddit": interest, "subreddit_id": f"t5_{base36(2_000_000 + len(interest))}",
            "score": self.random.randint(1, 60), "retrieved_on": created_utc + 5_000_000, "edited": False, "stickied": False, "distinguished": None,
            "author_fullname": f"t2_{base36(10_000_000 + hash_number(person.name))}",
        }  # fmt: skip
        threads = self.threads[interest]
        if not threads or self.random.random() < POST_SHARE:
            threads.append(Thread(f"t3_{native_id}"))
            return "RS", self._gone(row | self._post(interest, native_id, subject), "selftext")
        thread = self.random.choice(threads)
        parent = self.random.choice(thread.acts) if thread.acts and self.random.random() < 0.5 else thread.link_id
        thread.acts.append(f"t1_{native_id}")
        body = f"{self.random.choice(OPENERS).format(subject)} {self.random.choice(REMARKS)}"
        comment = {"link_id": thread.link_id, "parent_id": parent, "body": body, "controversiality": 0, "is_submitter": False}
        return "RC", self._gone(row | comment, "body")

    def _post(self, interest: str, native_id: str, subject: str) -> dict[str, Any]:
        return {
            "title": self.random.choice(TITLES).format(subject), "selftext": self.random.choice(BODIES), "is_self": True, "over_18": False,
            "domain": f"self.{interest}", "num_comments": 0, "permalink": f"/r/{interest}/comments/{native_id}/", "spoiler": False,
            "url": f"https://www.reddit.com/r/{interest}/comments/{native_id}/",
        }  # fmt: skip

    def _gone(self, row: dict[str, Any], text_field: str) -> dict[str, Any]:
        draw = self.random.random()
        if draw < DELETED_SHARE:
            return row | {"author": "[deleted]", text_field: "[deleted]"}
        return row | {text_field: "[removed]"} if draw < DELETED_SHARE + REMOVED_SHARE else row


def write_archive(out: Path, people: int, months: int, acts_per_month: float, seed: int = 20_230_101, start_year: int = 2023) -> list[Person]:
    """Write the months' RC_ and RS_ files below `out` and return the people whom they hold."""
    archive = Archive(people, months, acts_per_month, seed)
    out.mkdir(parents=True, exist_ok=True)
    for index in range(months):
        start, end = (datetime(start_year + number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in (index, index + 1))
        writers = {kind: open_dump(out / f"{kind}_{start:%Y-%m}.zst") for kind in ("RC", "RS")}
        for kind, row in archive.month(index, start, end):
            writers[kind].write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        for writer in writers.values():
            writer.close()
    return archive.people


def open_dump(path: Path) -> BinaryIO:
    """A writer of one zstd frame with the archive's 2 GiB window."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=WINDOW_LOG, write_checksum=True)
    return zstandard.ZstdCompressor(compression_params=parameters).stream_writer(path.open("wb"), closefd=True)  # type: ignore[return-value]


def hash_number(name: str) -> int:
    """A stable number of a name, for ids that need not be unique."""
    return sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 2_000_000_000


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of the generator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=160)
    parser.add_argument("--months", type=int, default=6)
    parser.add_argument("--acts-per-month", type=float, default=2.0, help="acts of each person in a month; about 450 bytes of JSON each")
    parser.add_argument("--seed", type=int, default=20_230_101)
    values = parser.parse_args(argv)
    write_archive(values.out, values.people, values.months, values.acts_per_month, values.seed)


if __name__ == "__main__":
    main()
