"""`kindred serving serve`: the HTTP service for apps."""

import logging
import os
import signal
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from conf.arguments import JobArguments
from conf.errors import ConfigError
from conf.logs import log_as_json
from lake.config import LakeConfig
from serving import arguments as serving_arguments
from serving.announcement import Announcement, announce, settings_digest, withdraw
from serving.api.app import create_app
from serving.api.gate import is_loopback, own_names
from serving.api.keeper import Keeper
from serving.api.metrics import Metrics
from serving.api.tokens import Tokens
from serving.config import ServingConfig
from serving.searcher import HistoryParser

SECONDS_TO_END = 10
BACKLOG = 128

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.serve(argv))


def run_job(arguments: JobArguments, parse: HistoryParser | None = None) -> None:
    """Serve until told to end. `parse` reads the files of platforms; without it histories are acts in the universal form."""
    log_as_json()
    serve(arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig), parse)


def serve(lake: LakeConfig, config: ServingConfig, parse: HistoryParser | None = None) -> None:
    """Answer requests until SIGTERM or SIGINT. Raises ConfigError where the address is taken, or other machines reach it and no tokens are set."""
    tokens = configured_tokens(config)
    listening = listening_socket(config.host, config.port)
    port, instance, metrics = listening.getsockname()[1], uuid.uuid4().hex, Metrics()
    keeper = Keeper(lake, config, metrics, parse)
    url = f"http://{f'[{config.host}]' if ':' in config.host else config.host}:{port}"
    running = Announcement(
        url=url, pid=os.getpid(), instance=instance, settings=settings_digest(lake, config), wants_token=tokens is not None
    )  # fmt: skip
    app = create_app(keeper, config, metrics, tokens, own_names(config.host), instance)
    settings = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=SECONDS_TO_END, backlog=BACKLOG
    )
    keeper.start(each_look=tokens.refresh if tokens is not None else lambda: None)
    announce(lake, running)
    logger.info("listening on %s", url)
    for told_to_end in (signal.SIGTERM, signal.SIGINT):  # uvicorn ends in good order, and raises the signal once more for whoever had it before
        signal.signal(told_to_end, lambda *_: None)
    try:
        uvicorn.Server(settings).run(sockets=[listening])
    finally:
        withdraw(lake, running)
        keeper.stop()
        logger.info("ended")


def configured_tokens(config: ServingConfig) -> Tokens | None:
    """The tokens that are let in; None where everybody on this machine is. Raises ConfigError where others could come in, too."""
    if config.tokens_file is not None:
        return Tokens(Path(config.tokens_file).expanduser())
    if not is_loopback(config.host):
        raise ConfigError(
            f"serving.host: other machines reach {config.host!r}, and whoever does could ask about anybody; set serving.tokens_file (SERVING.md), or listen on 127.0.0.1"
        )
    return None


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket at the address. Raises ConfigError where it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"serving.host, serving.port: cannot listen on {host}:{port} ({error.strerror or error}); set another one") from None


if __name__ == "__main__":
    main()
