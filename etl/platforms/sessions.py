"""Acts of one person in a row -> the same acts with their session, which ends where nothing happens for a while.

For histories that tell no sessions themselves (searches, visits, videos). A history may run from new to old or from old to new.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from etl.platforms.records import Parsed, ParsedAct

SEARCH = "search"
RECORDS_HELD = 10_000
"""A session with more records than this is cut, so that no history fills the memory; where it is cut depends on where the history ends."""


def in_sessions(records: Iterable[Parsed], gap: timedelta, owner: str) -> Iterator[Parsed]:
    """The records in their order, each act with `session_id`, and with the search before it in its session as `parent_id` unless it is one.

    A session is named '<owner>-<second of its oldest act>', so that a history that goes further names it the same. Acts of one second stand as
    in a history from new to old: the later one first.
    """
    held: list[Parsed] = []
    last = None
    for record in records:
        at = record.created_at if isinstance(record, ParsedAct) else None
        if (at and last and abs(last - at) > gap) or len(held) >= RECORDS_HELD:
            yield from _as_session(held, owner)
            held = []
        held.append(record)
        last = at or last
    yield from _as_session(held, owner)


def _as_session(records: Sequence[Parsed], owner: str) -> Iterator[Parsed]:
    dated = [(record.created_at, -place) for place, record in enumerate(records) if isinstance(record, ParsedAct) and record.created_at]
    if not dated:
        yield from records
        return
    dated.sort()
    session_id = f"{owner}-{int(dated[0][0].timestamp())}"
    placed, search = list(records), None
    for _, place in dated:
        act = placed[-place]
        assert isinstance(act, ParsedAct)
        is_search = act.action == SEARCH
        placed[-place] = replace(act, session_id=session_id, parent_id=act.parent_id if is_search else act.parent_id or search)
        search = act.native_id if is_search else search
    yield from placed
