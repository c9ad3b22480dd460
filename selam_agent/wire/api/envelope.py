"""How these routes say errors: their own envelope, and in it the one of our other routes."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_hex
from typing import Any, TypeVar

import orjson
import pydantic
from aiohttp import web
from pydantic import BaseModel

from selam_agent.errors import SelamError, ValidationError

_M = TypeVar("_M", bound=BaseModel)

_AUTHENTICATION = ("missing_authorization", "unauthorized")
REQUEST_ID = "X-Request-Id"


class ApiError(SelamError):
    """``detail`` is what older clients read; ``errors``: each field that is wrong."""

    type = "invalid_request_error"

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        errors: list[dict[str, Any]] | None = None,
        detail: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        # What the same is called at our other routes.
        self.kind = "authentication_error" if code in _AUTHENTICATION else self.type
        self.param = param
        self.errors = errors
        self.detail = message if detail is None else detail
        self.headers = dict(headers or {})


def answer(data: Any, status: int = 200) -> web.Response:
    """JSON."""
    return web.Response(status=status, body=orjson.dumps(data), content_type="application/json")


def told(error: ApiError) -> web.Response:
    """The response that says this error."""
    request_id = f"req_{token_hex(12)}"
    body = {
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "request_id": request_id,
        "errors": error.errors,
        "detail": error.detail,
        "error": {"message": error.message, "type": error.kind, "code": error.code},
    }
    response = answer(body, error.status)
    response.headers.update({REQUEST_ID: request_id, **error.headers})
    return response


def invalid(message: str, param: str | None = None, errors: list[dict[str, Any]] | None = None) -> ApiError:
    """422."""
    errors = errors or [{"message": message, "param": param}]
    return ApiError(422, "validation_error", message, param=param, errors=errors)


def not_found(code: str, what: str) -> ApiError:
    """404."""
    return ApiError(404, code, f"There is no such {what}.")


def of_mistake(error: ValidationError) -> ApiError:
    """A wrong parameter that the code behind the route found."""
    return invalid(error.message, getattr(error, "param", None))


async def body_of(request: web.Request, model: type[_M], *, optional: bool = False) -> _M:
    """The request's body, checked. Raises ApiError."""
    raw = await request.read()
    if not raw and optional:
        return model()
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ApiError(400, "invalid_request", "The body is not JSON.") from None
    return check(model, given)


def query_of(request: web.Request, model: type[_M]) -> _M:
    """The query string, checked. Raises ApiError."""
    return check(model, dict(request.query), strict=False)


def check(model: type[_M], given: Any, *, strict: bool | None = None) -> _M:
    """Raises ApiError (422) that names every field."""
    try:
        return model.model_validate(given, strict=strict)
    except pydantic.ValidationError as error:
        problems = [
            {"message": each["msg"].removeprefix("Value error, "), "param": _path(each["loc"])}
            for each in error.errors()
        ]
        first = problems[0]
        raise invalid(str(first["message"]), first["param"], problems) from None


def _path(loc: tuple[int | str, ...]) -> str | None:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or None
