"""The HTTP service: a route for each kind of question, and what those who run it ask."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import AwareDatetime, BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse

from serving.api.bodies import BoundedBodies
from serving.api.gate import OPEN_PATHS, Gate
from serving.api.keeper import Keeper
from serving.api.metrics import Metrics
from serving.api.pages import PAGES, page_routes
from serving.api.problems import NotServing, Problem
from serving.api.rates import Rates
from serving.api.request_log import RequestLog
from serving.api.tokens import Tokens
from serving.config import ServingConfig
from serving.questions import Scope
from serving.searcher import ANSWERS, Answer

METRICS_PATH = "/metrics"
DESCRIPTION = "Similar people, recommendations and audiences out of one load of vectors. Questions are bodies, so that no id and no text stands in an address."
Found = TypeVar("Found")


class IndexInfo(BaseModel):
    """Which load was asked. Scores, and pages of one answer, can be compared where it is the same."""

    encoder_version: str
    loaded_at: AwareDatetime


class Answered(BaseModel, Generic[Found]):
    """What was found, best first."""

    index: IndexInfo
    hits: list[Found]


class Encoded(BaseModel, Generic[Found]):
    """What was made."""

    index: IndexInfo
    result: Found


class Health(BaseModel):
    """That the process is there."""

    status: str = Field(description="'ok', or of /ready 'not ready'.")
    instance: str = Field(description="Made when the service was started.")


def create_app(keeper: Keeper, config: ServingConfig, metrics: Metrics, tokens: Tokens | None, own_names: frozenset[str], instance: str) -> FastAPI:
    """The service's app. `instance` tells this start of it from others."""
    app = FastAPI(title="Kindred", description=DESCRIPTION, version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    bearer = [] if tokens is None else [Security(HTTPBearer(auto_error=False, description="One of those that serving.tokens_file lets in."))]
    app.include_router(_of_operators(keeper, metrics, instance, bearer))
    app.include_router(_of_apps(keeper), dependencies=bearer)
    app.include_router(page_routes())
    for kind in (RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _passed_on)
    scopes: dict[str, tuple[Scope, ...]] = {answer.question.path: answer.question.scopes for answer in ANSWERS} | {METRICS_PATH: ("metrics",)}
    # The last one is asked first.
    app.add_middleware(BoundedBodies, max_bytes=config.max_body_kb * 1024, seconds=config.request_seconds)
    app.add_middleware(Gate, scopes=scopes, open_paths=OPEN_PATHS | PAGES.keys(), tokens=tokens, own_names=own_names, rates=Rates(config.requests_per_minute))
    app.add_middleware(RequestLog, metrics=metrics, routes={*scopes, *OPEN_PATHS, *PAGES}, retry_seconds=keeper.retry_seconds)
    return app


def _of_apps(keeper: Keeper) -> APIRouter:
    """A route for each kind of question."""
    router = APIRouter(responses=_problems(400, 401, 403, 404, 408, 413, 422, 429, 500, 503))
    for answer in ANSWERS:
        router.add_api_route(
            answer.question.path, _route(keeper, answer), methods=["POST"], summary=answer.question.__doc__, operation_id=answer.answer.__name__, tags=["questions"],
            description=f"Scopes: {', '.join(answer.question.scopes)}.", response_model=(Answered if answer.is_list else Encoded)[answer.hit],  # type: ignore[name-defined]
        )  # fmt: skip
    return router


def _route(keeper: Keeper, answer: Answer) -> Callable[[Any], Any]:
    def route(asked: Any) -> Any:
        with keeper.served() as served:
            index = IndexInfo(encoder_version=served.load.encoder_version, loaded_at=served.load.started_at)
            found = answer.answer(served.searcher, asked)
        return Answered[Any](index=index, hits=found) if answer.is_list else Encoded[Any](index=index, result=found)

    route.__annotations__["asked"] = answer.question
    return route


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the description says of answers that are none."""
    return {status: {"model": Problem} for status in statuses}


def _of_operators(keeper: Keeper, metrics: Metrics, instance: str, bearer: Sequence[Any]) -> APIRouter:
    router = APIRouter(responses=_problems(403), tags=["operators"], generate_unique_id_function=lambda route: route.name)

    @router.get("/health", response_model=Health)
    async def health() -> Health:
        """Whether the process is there."""
        return Health(status="ok", instance=instance)

    @router.get("/ready", response_model=Health, responses=_problems(503))
    async def ready() -> Health:
        """Whether questions are answered: a load and its encoder are open, and Milvus answered when it was asked last."""
        if not keeper.is_serving:
            raise NotServing
        return Health(status="ok", instance=instance)

    @router.get(METRICS_PATH, response_class=PlainTextResponse, responses=_problems(401, 429), dependencies=bearer)
    async def figures() -> Response:
        """Figures for Prometheus. Scope: metrics."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _passed_on(_: Request, error: Exception) -> JSONResponse:
    """One place makes problems of exceptions: the outermost middleware."""
    raise error
