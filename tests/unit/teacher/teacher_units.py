"""Hand-made units for the teacher's tests; what a test does not care about is filled in."""

from typing import Any


def make_unit(text: str = "the pads squeal", *, title: str | None = None, thread: str | None = None, community: str | None = "cycling") -> dict[str, Any]:
    context = []
    if thread is not None:
        context = [{"role": "root", "unit_id": "reddit:t3_a", "speaker": "other-1", "speaker_id": "a", "text": thread, "created_at": None}]
    return {"unit_id": "reddit:t1_b", "platform": "reddit", "action": "comment", "community": community, "title": title, "text": text, "context": context}
