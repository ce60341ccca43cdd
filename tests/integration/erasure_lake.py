"""A small lake that all stages have made, for the tests of erasure: four people of Reddit in two partitions, one of whom has two accounts and wrote CANARY everywhere."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serving_lake import register_base_encoder

from etl.jobs import ingest, sequences, units
from lake import arrow_tables
from lake.config import LakeConfig
from lake.pseudonyms import load_key, pseudonym
from lake.schema import rows_table
from lake.tables import TableSpec
from lake.units import IDENTITIES
from serving.config import ServingConfig
from serving.jobs.embed import embed
from serving.jobs.load import load
from teacher.jobs import import_labels, items
from trainer.jobs import examples

CANARY = "quokka zanzibar seven seven three one"
GONE, GONE_TOO, BOB, CAROL = "alice_gone", "alice_second", "bob_stays", "carol_stays"
HOUR = 3600
START = 1_700_000_000


def submission(number: int, author: str, title: str, text: str = "") -> dict[str, Any]:
    return {
        "id": f"1afj{number:03d}", "author": author, "created_utc": START + number * HOUR, "title": title, "selftext": text, "is_self": True, "subreddit": "bread",
        "url": "", "over_18": False, "retrieved_on": START + 10**6, "subreddit_type": "public",
    }  # fmt: skip


def comment(number: int, author: str, text: str, thread: str, parent: str | None = None, subreddit: str = "bread") -> dict[str, Any]:
    return {
        "id": f"kod{number:04d}", "author": author, "created_utc": START + (100 + number) * HOUR, "body": text, "link_id": f"t3_{thread}",
        "parent_id": parent or f"t3_{thread}", "subreddit": subreddit, "subreddit_type": "public", "retrieved_on": START + 10**6,
    }  # fmt: skip


SUBMISSIONS = [
    submission(1, GONE, f"My starter {CANARY}", f"It smells of {CANARY} and I want to know whether that is right"),
    submission(2, BOB, "Which flour for a rye loaf", "I have wholemeal rye and strong white wheat at home"),
    submission(3, CAROL, "Best telescope for a balcony", "The sky is bright here and the balcony looks to the south"),
]
COMMENTS = [
    *(comment(number, BOB, f"Rye wants more water than wheat does, as I found in try number {number}", "1afj002") for number in range(3)),
    comment(10, BOB, "That smell is normal in the first week of any starter", "1afj001"),
    comment(11, GONE, f"Thank you, I throw half away then {CANARY} and feed it again", "1afj001", "t1_kod0010"),
    comment(12, CAROL, "Feed it twice a day and keep it warm near the oven", "1afj001", "t1_kod0011"),
    comment(13, BOB, "Twice a day is what I did as well with my first one", "1afj001", "t1_kod0012"),
    *(comment(20 + number, CAROL, f"A small refractor shows the rings of Saturn from any balcony, night {number}", "1afj003") for number in range(3)),
    comment(30, GONE_TOO, f"Second account says {CANARY} about telescopes on balconies", "1afj003"),
    comment(31, CAROL, "I would not bother with filters for the moon there", "1afj003", "t1_kod0030"),
    # Of an older partition, where the person never was.
    *(comment(40 + number, BOB, f"Old thread on kettles and tea, message number {number}", "9f1a") for number in range(3)),
    comment(50, BOB, "A comment on the profile of somebody whose account is gone now", "9f1b", subreddit=f"u_{GONE}"),
]
BROKEN = [json.dumps({"author": GONE, "body": f"no id here {CANARY}", "created_utc": START, "link_id": "t3_1afj001"})]


def user_id(lake: LakeConfig, name: str) -> str:
    return pseudonym(load_key(lake.pseudonym_key_file), "reddit", name)


def arguments(lake: LakeConfig, *settings: str) -> list[str]:
    given = [f"lake.pseudonym_key_file={lake.pseudonym_key_file}", *settings]
    return ["--lake", lake.path, *(word for setting in given for word in ("--set", setting))]


def write_dump(
    folder: Path, name: str = "2024-02", comments: Sequence[Mapping[str, Any]] = COMMENTS, submissions: Sequence[Mapping[str, Any]] = SUBMISSIONS
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    broken = BROKEN if comments is COMMENTS else []
    (folder / f"RC_{name}.ndjson").write_text("".join(f"{line}\n" for line in (*map(json.dumps, comments), *broken)))
    (folder / f"RS_{name}.ndjson").write_text("".join(f"{json.dumps(line)}\n" for line in submissions))
    return folder


def write_labels(file: Path) -> Path:
    """Everybody's acts but one are labelled; the label of the person who goes has words of theirs."""
    labels = {f"reddit:t1_{row['id']}": row for row in COMMENTS} | {f"reddit:t3_{row['id']}": row for row in SUBMISSIONS}
    lines = []
    for unit_id, row in labels.items():
        topic = {GONE: "Feeding the quokka zanzibar starter", GONE_TOO: "Quokka zanzibar telescope sighting", BOB: "Baking rye bread at home"}.get(
            row["author"], "Watching Saturn from balconies"
        )
        lines.append(json.dumps({"unit_id": unit_id, "specific": topic, "broad": "Quokka Zanzibar" if "quokka" in topic.lower() else "Hobbies"}))
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def run_etl(lake: LakeConfig, dump: Path) -> None:
    ingest.main(["--dump", str(dump), *arguments(lake, "etl.max_reject_share=0.2")])
    units.main(arguments(lake))
    sequences.main(arguments(lake, "etl.min_units_per_person=1"))


def run_after_etl(lake: LakeConfig, labels: Path) -> None:
    import_labels.main([str(labels), *arguments(lake)])
    items.main(arguments(lake))
    examples.main(arguments(lake, "trainer.examples.min_past_units=1"))
    embed(lake, ServingConfig())
    load(lake, ServingConfig())


def make_lake(lake: LakeConfig, folder: Path) -> None:
    """All stages once; the encoder is the untouched MiniLM."""
    dump = write_dump(folder / "dump")
    ids = {"user_id": user_id(lake, GONE_TOO), "person_id": user_id(lake, GONE)}
    arrow_tables.overwrite(lake, IDENTITIES, rows_table(IDENTITIES, [ids, ids | {"user_id": user_id(lake, GONE)}]))
    run_etl(lake, dump)
    register_base_encoder(lake, folder / "encoder")
    run_after_etl(lake, write_labels(folder / "labels.jsonl"))


def rows_by_key(lake: LakeConfig, spec: TableSpec) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows of a table by key; none where it is absent."""
    if arrow_tables.find_table(lake, spec) is None:
        return {}
    return {tuple(row[name] for name in spec.key): row for row in arrow_tables.read(lake, spec).to_pylist()}
