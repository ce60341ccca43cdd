"""The JVM of a local Spark (edge): where Delta's jars are, and how much of what it says is heard.

Spark finds jars by their Maven coordinates through Ivy, which looks all of them up at every start and says so in ninety lines. The paths that it found
are kept in the cache; from then on they are named to Spark as they are.
"""

import hashlib
import json
import logging
import os
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from conf.errors import ConfigError
from conf.logs import NOTICE

if TYPE_CHECKING:
    from pyspark import SparkContext

logger = logging.getLogger(__name__)

PACKAGES, JARS = "spark.jars.packages", "spark.jars"
SCALA = "2.13"
STDERR = 2
SECONDS_OF_LAST_WORDS = 2.0


def start_context(settings: Mapping[str, str], cache_dir: str) -> "SparkContext":
    """A context with Delta in a new JVM, or in the one that this process has already. Raises ConfigError where the JVM does not start.

    What the JVM says while it starts is heard with --verbose, or where it fails; what it says later is always passed on.
    """
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    is_verbose, kept_paths = logger.isEnabledFor(logging.DEBUG), _paths_file(settings, cache_dir)
    conf = SparkConf().setAll(list(with_delta(settings, kept_paths).items()))
    if SparkContext._gateway is not None:
        return SparkContext(conf=conf)
    if conf.contains(PACKAGES):
        logger.log(NOTICE, "fetching jars for Spark, once on this machine: %s", conf.get(PACKAGES))
    talk = _Talk(is_heard=is_verbose)
    try:
        gateway = launch_gateway(conf, {"stdout": talk.writable, "stderr": talk.writable})
        context = SparkContext(conf=conf, gateway=gateway)
    except (PySparkRuntimeError, Py4JError) as error:  # no JVM, or one that makes no context of these settings
        talk.tell_held()
        raise ConfigError("Spark does not start; what it said stands above, see lake.spark_settings and lake.driver_memory") from error
    except BaseException:
        talk.tell_held()
        raise
    if not is_verbose:
        context.setLogLevel("ERROR")
    talk.hear_from_now_on(gateway.jvm)
    if conf.contains(PACKAGES):
        _keep_paths(context.getConf().get(JARS) or "", kept_paths)
    return context


def with_delta(settings: Mapping[str, str], kept_paths: Path) -> dict[str, str]:
    """The settings with jars by the paths that are kept, else (also where a jar is gone) by the coordinates."""
    try:
        paths = json.loads(kept_paths.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        paths = []
    if not paths or not all(Path(path).exists() for path in paths):
        return {**settings, PACKAGES: _coordinates(settings)}
    own = [settings[JARS]] if JARS in settings else []
    return {**{name: value for name, value in settings.items() if name != PACKAGES}, JARS: ",".join([*paths, *own])}


def _coordinates(settings: Mapping[str, str]) -> str:
    """Delta's for this Spark, and those that settings name."""
    spark = ".".join(version("pyspark").split(".")[:2])
    own = [settings[PACKAGES]] if PACKAGES in settings else []
    return ",".join([f"io.delta:delta-spark_{spark}_{SCALA}:{version('delta-spark')}", *own])


def _paths_file(settings: Mapping[str, str], cache_dir: str) -> Path:
    """Where the paths of these coordinates are kept; how they are looked up (spark.jars.ivy, spark.jars.repositories, ...) counts, too."""
    sought = {name: value for name, value in settings.items() if name.startswith("spark.jars.")} | {PACKAGES: _coordinates(settings)}
    digest = hashlib.sha256(json.dumps(sought, sort_keys=True).encode()).hexdigest()[:16]
    return Path(cache_dir).expanduser() / "jars" / f"{digest}.json"


def _keep_paths(jars: str, kept_paths: Path) -> None:
    """Keep the local paths among URIs of jars, in one step: another process may read them. A cache that takes nothing costs the next start a look-up."""
    paths = [unquote(urlparse(jar).path) for jar in jars.split(",") if jar.startswith("file:")]
    draft = kept_paths.with_name(f"{kept_paths.name}.{os.getpid()}")
    try:
        kept_paths.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(paths), encoding="utf-8")
        draft.replace(kept_paths)
    except OSError as error:
        logger.warning("where Spark's jars are cannot be kept in %s (%s): each start looks them up; correct lake.cache_dir", kept_paths.parent, error.strerror)


class _Talk:
    """What a JVM writes on stdout and stderr, on its way to our stderr: held back at first, unless it is to be heard."""

    def __init__(self, is_heard: bool) -> None:
        readable, self.writable = os.pipe()
        self._held: list[bytes] | None = None if is_heard else []
        self._lock = threading.Lock()
        self._end_of_start = f"{uuid.uuid4()}\n".encode()
        self._has_started = threading.Event()
        threading.Thread(target=self._pass_on, args=(readable,), daemon=True).start()

    def hear_from_now_on(self, jvm: Any) -> None:
        """Forget what was held back, and pass on all that the JVM says after this."""
        os.close(self.writable)
        jvm.java.lang.System.out.flush()
        jvm.java.lang.System.err.print(self._end_of_start.decode())
        self._has_started.wait()

    def tell_held(self) -> None:
        """Say what was held back, since the start has failed; a JVM that has ended said it all."""
        os.close(self.writable)
        self._has_started.wait(timeout=SECONDS_OF_LAST_WORDS)
        with self._lock:
            _say(b"".join(self._held or []))
            self._held = None

    def _pass_on(self, readable: int) -> None:
        with os.fdopen(readable, "rb") as lines:
            for line in lines:
                with self._lock:
                    if line.endswith(self._end_of_start):
                        self._held = None
                        self._has_started.set()
                    elif self._held is not None:
                        self._held.append(line)
                    else:
                        _say(line)
        self._has_started.set()


def _say(words: bytes) -> None:
    """Write to stderr; where nobody reads it any more (`2>&1 | head`) the JVM must be heard to its end all the same: who starts it waits for that."""
    with suppress(OSError):
        os.write(STDERR, words)
