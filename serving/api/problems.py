"""What is told to an app whose request is not answered: a status, a short code for programs, one sentence, and nothing of what was sent or of where things are."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from conf.errors import ArchiveError, EncoderError, NoNamesError, UnknownIdError, UnreadableHistoryError, VectorStoreError
from lake.rendering import plain

REQUEST_ID = "X-Request-ID"
PROBLEMS_TOLD = 20
CHARS_OF_PLACE = 80
_CODES = {400: "bad_request", 405: "wrong_method", 415: "wrong_type"}
_SENTENCES = {
    400: "the body is not JSON that can be read",
    405: "this route has another method; /openapi.json lists all",
}


class NotServing(Exception):
    """Nothing is open that a request could be answered from."""


class Busy(Exception):
    """Too many are asking at once."""


class Wrong(BaseModel):
    """What is wrong with a part of a request."""

    where: str = Field(description="The field, e.g. 'acts.0.text'.")
    what: str


class Problem(BaseModel):
    """Why a request is not answered."""

    code: str = Field(description="For programs: invalid, unknown_id, unauthorized, forbidden, too_large, too_many_requests, unavailable, busy, ...")
    message: str = Field(description="For people.")
    request_id: str = Field(description="As in the header X-Request-ID, and in the service's log.")
    wrong: list[Wrong] = Field([], description="Of a request that cannot be understood: what is wrong with it.")


class Refusal(Exception):
    """A request that is answered with a problem."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None, wrong: Sequence[Wrong] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers, self.wrong = status, code, message, dict(headers or {}), list(wrong)

    def response(self, request_id: str) -> JSONResponse:
        """What is sent."""
        problem = Problem(code=self.code, message=self.message, request_id=request_id, wrong=self.wrong)
        return JSONResponse(problem.model_dump(), self.status, headers=self.headers)


def refusal_of(error: Exception, retry_seconds: float) -> Refusal | None:
    """The problem that an exception is to an app; None of one that is our own mistake."""
    retry = {"Retry-After": str(max(1, math.ceil(retry_seconds)))}
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestValidationError):
        return Refusal(422, "invalid", "the request cannot be understood", wrong=what_is_wrong(error.errors()))
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, _CODES.get(error.status_code, "refused"), _SENTENCES.get(error.status_code, "refused"), error.headers)
    if isinstance(error, UnknownIdError):
        return Refusal(404, "unknown_id", "the index has no such person or item")
    if isinstance(error, NoNamesError):
        return Refusal(
            422, "no_names", "names of this platform cannot be looked up here: the lake has none of it, or the service lacks the lake's pseudonym key"
        )
    if isinstance(error, ArchiveError):
        return Refusal(422, "unreadable_archive", error.public)
    if isinstance(error, UnreadableHistoryError):
        return Refusal(422, "unreadable_history", "there is nothing in this history that the encoder reads")
    if isinstance(error, Busy):
        return Refusal(503, "busy", "too many requests wait for the encoder; ask again", retry)
    if isinstance(error, VectorStoreError | NotServing):
        return Refusal(503, "unavailable", "the index does not answer at the moment; ask again", retry)
    if isinstance(error, EncoderError):
        return Refusal(503, "unavailable", "the encoder of the index is not there; ask again", retry)
    return None


def what_is_wrong(errors: Sequence[Any]) -> list[Wrong]:
    """What is wrong with which field, without the values: they may be somebody's words."""
    told = []
    for error in errors[:PROBLEMS_TOLD]:
        is_json = error["type"] != "json_invalid"
        steps = [str(step) for step in error["loc"] if step != "body"] if is_json else []
        what = str(error["msg"]).removeprefix("Value error, ") if is_json else "is no JSON"
        told.append(Wrong(where=plain(".".join(steps), CHARS_OF_PLACE) or "body", what=plain(what, 200)))
    return told
