"""What is served: one load with the encoder that it was made with. Another load is taken up as a whole, and who has begun with the old one ends with it."""

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from conf.errors import EncoderError, KindredError, NothingLoadedError, VectorStoreError
from lake import registry
from lake.config import LakeConfig
from lake.encoder import encoder_version, load_encoder, registered_folder
from lake.job_runs import in_public
from serving.api.metrics import Metrics
from serving.api.problems import NotServing
from serving.api.shared_encoder import SharedEncoder
from serving.collections import LoadName
from serving.config import ServingConfig
from serving.lite_copies import FolderOfCopies, State, copy_at_rest, state_of
from serving.milvus import VectorStore, open_lite, open_store
from serving.presence import lite_file
from serving.search import Index, served_load
from serving.searcher import HistoryParser, Searcher

LONGEST_WAIT_SECONDS = 30.0
"""Between two looks while something is wrong."""

logger = logging.getLogger(__name__)


class Served:
    """One open load and its encoder. Closed when it is retired and the last request that has it is answered."""

    def __init__(self, store: VectorStore, index: Index, encoder: SharedEncoder, searcher: Searcher, opened: ExitStack) -> None:
        self.store, self.index, self.encoder, self.searcher = store, index, encoder, searcher
        self._opened, self._lock, self._in_use, self._is_retired = opened, threading.Lock(), 0, False

    @property
    def load(self) -> LoadName:
        """Which load it is."""
        return self.index.load

    def take(self) -> bool:
        """Note that one more request has it; False where it is retired."""
        with self._lock:
            self._in_use += not self._is_retired
            return not self._is_retired

    def give_back(self) -> None:
        """Note that a request has ended."""
        with self._lock:
            self._in_use -= 1
        self._close_where_unused()

    def retire(self) -> None:
        """Give it to no more requests."""
        with self._lock:
            self._is_retired = True
        self._close_where_unused()

    def _close_where_unused(self) -> None:
        with self._lock:
            opened = self._opened.pop_all() if self._is_retired and not self._in_use else ExitStack()
        opened.close()


class Source(Protocol):
    """Where loads come from."""

    def has_changed(self, current: Served) -> bool:
        """Whether another load may be there than the one that is served. Raises VectorStoreError where Milvus does not answer."""

    def open(self, opened: ExitStack) -> VectorStore | None:
        """Milvus, closed with the stack; None where somebody is at work on it. Raises VectorStoreError."""

    def close(self) -> None:
        """Leave nothing behind."""


class Server:
    """A Milvus server, which everybody asks."""

    def __init__(self, lake: LakeConfig, config: ServingConfig) -> None:
        self._lake, self._config = lake, config

    def has_changed(self, current: Served) -> bool:
        """Whether the users' alias stands for another load."""
        return served_load(current.store) != current.load

    def open(self, opened: ExitStack) -> VectorStore:
        """A connection."""
        return opened.enter_context(open_store(self._lake, self._config))

    def close(self) -> None:
        """There is nothing."""


class Lite:
    """The lake's Milvus Lite, of which a copy is served."""

    def __init__(self, lake: LakeConfig, config: ServingConfig) -> None:
        self._folder, self._config, self._copies = lite_file(lake), config, FolderOfCopies()
        self._copied: State | None = None
        self._seen: State | None = None

    def has_changed(self, current: Served) -> bool:
        """Whether anything was written since the copy, and nothing since the last look: who writes once writes more."""
        seen, self._seen = self._seen, state_of(self._folder)
        return self._seen not in (self._copied, frozenset()) and self._seen == seen

    def open(self, opened: ExitStack) -> VectorStore | None:
        """A copy."""
        place = Path(tempfile.mkdtemp(dir=self._copies.path))
        opened.callback(shutil.rmtree, place, ignore_errors=True)
        copied = copy_at_rest(self._folder, place / self._folder.name)
        if copied is None:
            return None
        self._copied = copied
        return opened.enter_context(open_lite(place / self._folder.name, self._config, copy_of=self._folder))

    def close(self) -> None:
        """Remove the copies, also one that is being made."""
        self._copies.close()


class Keeper:
    """Holds what is served, and looks now and then whether it still is what should be."""

    def __init__(self, lake: LakeConfig, config: ServingConfig, metrics: Metrics, parse: HistoryParser | None = None) -> None:
        self._lake, self._parse = lake, parse
        self._config = config.model_copy(update={"timeout_seconds": min(config.timeout_seconds, config.request_seconds)})
        self._source: Source = Lite(lake, self._config) if config.milvus_uri is None else Server(lake, self._config)
        self._metrics = metrics
        self._current: Served | None = None
        self._is_away, self._trouble, self._failures = False, "", 0
        self._stopped, self._woken = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_serving(self) -> bool:
        """Whether requests are answered."""
        return self._current is not None and not self._is_away

    @property
    def retry_seconds(self) -> float:
        """When to ask again who was not answered."""
        return self._config.refresh_seconds

    @contextmanager
    def served(self) -> Iterator[Served]:
        """What is served, for one request. Raises NotServing where nothing is."""
        current = self._taken()
        try:
            yield current
        except VectorStoreError:
            self._woken.set()
            raise
        finally:
            current.give_back()

    def start(self, each_look: Callable[[], None] = lambda: None) -> None:
        """Begin to look, in a thread; `each_look` is called as well."""

        def look() -> None:
            while not self._stopped.is_set():
                self.refresh()
                each_look()
                self._woken.wait(self._pause_seconds())
                self._woken.clear()

        self._thread = threading.Thread(target=look, name="keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End looking, and close what is served when the last request is answered."""
        self._stopped.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(self._config.request_seconds * 4)
        if self._current is not None:
            self._current.retire()
        self._source.close()

    def refresh(self) -> None:
        """Take up another load where there is one, with its encoder; what is served stays where that fails, is given to nobody while Milvus does not answer, and ends where nothing is loaded any more."""
        try:
            if self._current is None or self._is_away or self._failures or self._source.has_changed(self._current):
                self._take_up_what_is_there()
            self._is_away, self._failures = self._current is None, 0
            self._note("")
        except Exception as error:
            self._failures += 1
            if isinstance(error, NothingLoadedError):
                self._let_go()
            self._is_away = self._current is None or not _answers(self._current.store)
            self._note(error.public if isinstance(error, KindredError) else in_public(error))
        self._metrics.index_up.set(self.is_serving)

    def _pause_seconds(self) -> float:
        return min(self._config.refresh_seconds * 2 ** min(self._failures, 10), max(self._config.refresh_seconds, LONGEST_WAIT_SECONDS))

    def _taken(self) -> Served:
        for _ in range(2):  # it may be retired between the two steps, once
            current = self._current
            if current is not None and not self._is_away and current.take():
                return current
        raise NotServing

    def _take_up_what_is_there(self) -> None:
        before = self._current
        with ExitStack() as opened:
            store = self._source.open(opened)
            if store is None:
                return
            index = Index(store)
            if before is not None and index.load == before.load and not self._is_away:
                return
            encoder = self._encoder_of(index.encoder_version)
            searcher = Searcher(self._lake, self._config, index, lambda: encoder, self._parse)
            self._current = Served(store, index, encoder, searcher, opened.pop_all())
        self._metrics.switched(self._current.load)
        logger.info("serving %s (encoder %s)", index.users, index.encoder_version)
        if before is not None:
            before.retire()

    def _let_go(self) -> None:
        """Serve nothing any more: whoever dropped the lake's load, as an erasure may, does not want a copy of it asked."""
        before, self._current = self._current, None
        if before is not None:
            before.retire()

    def _encoder_of(self, version: str) -> SharedEncoder:
        """The encoder that a load was made with: the one that is open, that of the registry's alias, or an earlier one. Raises EncoderError where it is nowhere."""
        if self._current is not None and self._current.encoder.version == version:
            return self._current.encoder
        folder = registered_folder(self._lake)
        if encoder_version(folder) != version:
            number = registry.find_version(self._lake, registry.ENCODER_VERSION, version)
            if number is None:
                raise EncoderError(
                    f"the index is of encoder {version}, which the registry does not have; run 'kindred serving embed' and 'kindred serving load'"
                )
            folder = registered_folder(self._lake, number)
        return SharedEncoder(load_encoder(folder, self._config.device), self._config.request_seconds, self._metrics.encoder_seconds.observe)

    def _note(self, trouble: str) -> None:
        """Say what has changed, once."""
        if trouble and trouble != self._trouble:
            logger.warning("not all is well: %s", trouble)
        elif self._trouble and not trouble:
            logger.info("all is well again")
        self._trouble = trouble


def _answers(store: VectorStore) -> bool:
    try:
        store.names()
    except VectorStoreError:
        return False
    return True
