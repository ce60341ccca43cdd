"""Acts of a thread -> the thread as a reader saw it: a tree, with what the units job made of each act."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from etl.report.words import with_known_times
from lake.acts import known_time
from lake.units import ChainState, ContextEntry, RootState

Rows = Iterable[Mapping[str, Any]]


class ThreadAct(BaseModel):
    """One act of a thread in its place. Words are the unit's where there is one, else those that the archive kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit_id: str
    parent_unit_id: str | None
    depth: int = Field(description="0 for what opened the thread, and for an act whose parent is not in the archive.")
    parent_is_missing: bool = Field(description="Whether it answers an act that the archive lacks.")
    action: str
    user_id: str | None = Field(description="None where the account is deleted.")
    created_at: datetime | None = Field(description="None where the source told no time.")
    title: str | None
    text: str | None
    state: str = Field(description="What became of the act on its platform: kept, deleted, removed.")
    copies: int = Field(description="Acts of this id in the archive.")
    is_unit: bool
    root_state: RootState | None = Field(description="As in `units`; None where the act makes no unit.")
    chain_state: ChainState | None
    context: list[ContextEntry]


def thread_tree(acts: Rows, units: Rows) -> list[ThreadAct]:
    """Every act of a thread once, each followed by its answers, siblings by time.

    Of several copies of an act without a unit the first kept one is shown. What no opening act leads to (a cycle) comes last.
    """
    by_id: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for act in acts:
        by_id[act["unit_id"]].append(act)
    unit_of = {unit["unit_id"]: unit for unit in units}
    shown = {unit_id: min(copies, key=lambda act: act["state"] != "kept") for unit_id, copies in by_id.items()}
    in_time = sorted(shown.values(), key=lambda act: (act["created_at"], act["unit_id"]))
    answers: dict[str, list[str]] = defaultdict(list)
    tops: list[str] = []
    for act in in_time:
        parent = act["parent_unit_id"]
        (answers[parent] if parent in shown else tops).append(act["unit_id"])
    tree: list[ThreadAct] = []
    placed: set[str] = set()
    for top in (*tops, *(act["unit_id"] for act in in_time)):
        for unit_id, depth in _below(top, answers, placed):
            is_missing = depth == 0 and shown[unit_id]["parent_unit_id"] is not None and shown[unit_id]["parent_unit_id"] not in shown
            tree.append(_placed(shown[unit_id], unit_of.get(unit_id), depth, is_missing, len(by_id[unit_id])))
    return tree


def _below(top: str, answers: Mapping[str, Sequence[str]], placed: set[str]) -> Iterable[tuple[str, int]]:
    """An act and all below it that are not `placed` yet, with their depth, each followed by its answers."""
    waiting = [(top, 0)]
    while waiting:
        unit_id, depth = waiting.pop()
        if unit_id not in placed:
            placed.add(unit_id)
            yield unit_id, depth
            waiting += [(answer, depth + 1) for answer in reversed(answers.get(unit_id, ()))]


def _placed(act: Mapping[str, Any], unit: Mapping[str, Any] | None, depth: int, parent_is_missing: bool, copies: int) -> ThreadAct:
    words = unit or act
    return ThreadAct(
        unit_id=act["unit_id"],
        parent_unit_id=act["parent_unit_id"],
        depth=depth,
        parent_is_missing=parent_is_missing,
        action=act["action"],
        user_id=act["user_id"],
        created_at=known_time(act["created_at"]),
        title=words["title"],
        text=words["text"] or None,
        state=act["state"],
        copies=copies,
        is_unit=unit is not None,
        root_state=unit["root_state"] if unit else None,
        chain_state=unit["chain_state"] if unit else None,
        context=with_known_times(unit["context"]) if unit else [],
    )
