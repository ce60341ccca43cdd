"""Whether anything changed: the fingerprint of what decides a run."""

from lake.job_runs import Inputs

SAME = Inputs(settings={"size": 1}, tables={"user_vectors": ("id-1", 4), "item_vectors": ("id-2", 7)}, encoder_version="e", code="1")


def changed(**parts: object) -> str:
    return SAME.model_copy(update=parts).fingerprint


def test_fingerprint_changes_with_each_of_its_parts_and_not_with_their_order() -> None:
    assert changed(tables=dict(reversed(SAME.tables.items()))) == SAME.fingerprint
    newer, made_anew = SAME.tables | {"user_vectors": ("id-1", 5)}, SAME.tables | {"user_vectors": ("id-3", 4)}
    others = [changed(tables=newer), changed(tables=made_anew), changed(settings={"size": 2}), changed(encoder_version="f"), changed(code="2")]
    assert len({SAME.fingerprint, *others}) == 6
    assert len(SAME.fingerprint) == 32
