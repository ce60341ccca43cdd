"""Loads of a lake in Milvus: which is served, which stay beside it, and what may go."""

import json
import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from conf.errors import VectorStoreError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS, JobRun, done_runs
from serving.collections import COLLECTIONS, ITEMS, USERS, LoadName, parse_name
from serving.milvus import VectorStore

LOAD_JOB = "serving load"

logger = logging.getLogger(__name__)


def lake_id(lake: LakeConfig) -> str:
    """What tells this lake from others for as long as it is there, wherever it is moved: the Delta id of the table that every job writes to and none makes anew."""
    return str(arrow_tables.create_table(lake, JOB_RUNS).metadata().id)


def served_here(store: VectorStore, new: LoadName) -> LoadName | None:
    """The load that is served; None where nothing is. Raises VectorStoreError where it is another lake's, or nobody's that we know."""
    alias = store.alias(USERS)
    target = store.target(alias)
    name = parse_name(target) if target else None
    if target is not None and not store.is_lite and (name is None or name.lake not in (new.lake, None)):
        raise VectorStoreError(
            f"{store.place}: alias {alias!r} stands for {target}, which is not of this lake; give its aliases another name by serving.alias_prefix"
        )
    return name


def serve(store: VectorStore, load: LoadName, keep_hours: float) -> None:
    """Let apps see a load, at once by the move of the users' alias, from which the name of its items follows; the items' alias is for people who look around."""
    point_aliases(store, load)
    drop_unused(store, load, load, keep_hours)


def point_aliases(store: VectorStore, load: LoadName) -> None:
    """Let the aliases stand for a load, the users' first, which alone decides."""
    for collection in (USERS, ITEMS):
        alias = store.alias(collection)
        if store.target(alias) != load.of(collection):
            store.point(alias, load.of(collection))


def whole_loads(store: VectorStore, lake: LakeConfig, one: LoadName, alias_prefix: str | None = None) -> list[LoadName]:
    """The loads of the lake that `one` is of which a run has finished and whose collections are both there, oldest first; those made under an `alias_prefix`, or all.

    Of a killed load both collections may be there, too, half filled.
    """
    names = set(store.names())
    runs = [run for run in done_runs(lake, LOAD_JOB) if alias_prefix in (None, json.loads(run.config)["serving"]["alias_prefix"])]
    loads = sorted(_loads_of(store, names, one), key=lambda load: load.started_at)
    next_began = [*(load.started_at for load in loads[1:]), datetime.max.replace(tzinfo=UTC)]
    return [
        load
        for load, until in zip(loads, next_began, strict=True)
        if all(load.of(collection) in names for collection in COLLECTIONS) and any(_is_run_of(run, load, until) for run in runs)
    ]


def _is_run_of(run: JobRun, load: LoadName, until: datetime) -> bool:
    """Whether a run made a load, the next of which began at a time: it begins right after its load is named, and says of what that is made."""
    return run.inputs is not None and load.is_made_from(run.inputs.fingerprint) and load.started_at <= run.started_at < until


def drop_unused(store: VectorStore, served: LoadName | None, new: LoadName, keep_hours: float) -> None:
    """Remove this lake's collections that nobody serves any more: leftovers of a killed load, and what was served before, `keep_hours` after the load that took its place
    began, since apps may still ask it and somebody may want to go back. On a server the youngest stay as long, too: another process may be filling them.

    Other lakes' stay, and on a server those of an older program, which did not say whose they are; so does what an alias stands for, be it of another `alias_prefix`.
    """
    names = store.names()
    staying = _staying(_loads_of(store, names, new), served, store.is_lite, timedelta(hours=keep_hours))
    for name in names:
        load = parse_name(name)
        if load is None or not _is_ours(store, load, new) or name in staying:
            continue
        if aliases := store.aliases(name):
            logger.warning("%s stays, since the alias %s stands for it", name, ", ".join(aliases))
        else:
            store.drop(name)
            logger.info("dropped %s, which nobody serves", name)


def _staying(loads: Collection[LoadName], served: LoadName | None, is_lite: bool, kept: timedelta) -> set[str]:
    """Names of the collections that stay."""
    by_time = sorted(loads, key=lambda load: load.started_at)
    now, staying = datetime.now(UTC), {served} - {None}
    for load, successor in pairwise(by_time):
        if now - successor.started_at < kept and not (is_lite and served is not None and load.started_at > served.started_at):
            staying.add(load)
    if by_time and not is_lite and now - by_time[-1].started_at < kept:
        staying.add(by_time[-1])
    return {load.of(collection) for load in staying if load is not None for collection in COLLECTIONS}


def _loads_of(store: VectorStore, names: Iterable[str], one: LoadName) -> set[LoadName]:
    """Loads by the name of their users' collection, whichever of their collections are there."""
    found = (parse_name(name) for name in names)
    return {replace(load, alias=USERS.alias) for load in found if load is not None and _is_ours(store, load, one)}


def _is_ours(store: VectorStore, load: LoadName, one: LoadName) -> bool:
    """Whether a load is of the lake that another is of; whatever Milvus Lite has is."""
    return store.is_lite or load.lake == one.lake
