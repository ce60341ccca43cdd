"""Memory that decoders share."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from etl.ingest import decoders
from etl.ingest.decoders import MemoryBudget, free_bytes


def most_at_once(budget: MemoryBudget, wanted: list[float]) -> float:
    """Bytes held at once at most, where each of four threads holds what it wants for a moment."""
    held, most, lock = 0.0, 0.0, threading.Lock()

    def hold(share: float) -> None:
        nonlocal held, most
        with budget.held(share):
            with lock:
                held += share
                most = max(most, held)
            time.sleep(0.02)
            with lock:
                held -= share

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, wanted))
    return most


def test_no_more_is_held_at_once_than_there_is():
    assert most_at_once(MemoryBudget(5), [2.5] * 8) == 5
    assert most_at_once(MemoryBudget(5), [2.5, 1, 1, 1, 1, 2.5, 4]) <= 5
    assert most_at_once(MemoryBudget(float("inf")), [2.5] * 4) == 10


def test_who_wants_more_than_there_is_goes_alone():
    assert most_at_once(MemoryBudget(2), [2.5] * 4) == 2.5


def test_memory_is_given_back_after_a_failure():
    budget = MemoryBudget(1)
    with pytest.raises(ZeroDivisionError), budget.held(1):
        1 / 0  # noqa: B018
    assert most_at_once(budget, [1]) == 1


@pytest.mark.parametrize(("limit", "expected"), [("max\n", None), (None, None), ("1000000\n", 750_000)])
def test_free_memory_is_that_of_the_machine_or_of_its_container(tmp_path, monkeypatch, limit, expected):
    monkeypatch.setattr(decoders, "_CGROUP_LIMIT", tmp_path / "memory.max")
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    found = free_bytes()
    assert found == expected if expected else 0 < found < psutil.virtual_memory().total
