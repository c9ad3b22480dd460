"""The OpenAPI 3.1 document of these routes, made from their models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from selam_agent.wire.api import models


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. ``errors``: its statuses besides 401, 403 and 500."""

    method: str
    path: str
    summary: str
    status: int = 200
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()


OPERATIONS = (
    Operation(
        method="post",
        path="/v1/agents",
        summary="Store an agent.",
        status=201,
        body=models.NewAgent,
        answer=models.Agent,
        errors=(400, 422),
    ),
    Operation(
        method="get",
        path="/v1/agents",
        summary="List the key's agents, newest first.",
        query=models.ListQuery,
        answer=models.AgentList,
        errors=(422,),
    ),
    Operation(
        method="get", path="/v1/agents/{id}", summary="Read an agent.", answer=models.Agent, errors=(404,)
    ),
    Operation(
        method="put",
        path="/v1/agents/{id}",
        summary="Change an agent; live sessions take what may change at their next turn.",
        body=models.AgentChanges,
        answer=models.Agent,
        errors=(400, 404, 422),
    ),
    Operation(method="delete", path="/v1/agents/{id}", summary="Delete an agent.", status=204, errors=(404,)),
    Operation(
        method="get",
        path="/v1/sessions",
        summary="List the key's sessions, newest first.",
        query=models.SessionQuery,
        answer=models.SessionList,
        errors=(422,),
    ),
    Operation(
        method="get",
        path="/v1/sessions/{id}",
        summary="Read a session, with links to its timeline.",
        answer=models.Session,
        errors=(404,),
    ),
    Operation(
        method="delete",
        path="/v1/sessions/{id}",
        summary="Delete what is remembered of a session.",
        status=204,
        errors=(404,),
    ),
    Operation(
        method="get",
        path="/v1/sessions/{id}/events",
        summary="Read why a session waited, answered and stopped; also while it goes on.",
        answer=models.SessionEvents,
        errors=(404,),
    ),
    Operation(
        method="get",
        path="/v1/sessions/{id}/artifacts/{kind}",
        summary="Read a timeline, its metadata, a tape or the audio, by a signed link and without a key.",
        errors=(404,),
    ),
    Operation(
        method="get",
        path="/v1/token",
        summary="Make a single-use token for one session.",
        query=models.TokenQuery,
        answer=models.Token,
        errors=(404, 422, 429),
    ),
    Operation(
        method="post",
        path="/v1/tokens",
        summary="Make a single-use token for one session.",
        body=models.TokenRequest,
        answer=models.ExpiringToken,
        errors=(400, 422, 429),
    ),
    Operation(
        method="get",
        path="/v1/builtin-tools",
        summary="List the server's own tools: there are none.",
        answer=models.BuiltinTools,
    ),
)


def document(version: str) -> dict[str, Any]:
    """The whole document of the server at this ``version``."""
    used: set[type[BaseModel]] = {models.Error}
    for each in OPERATIONS:
        used |= {model for model in (each.body, each.answer, each.query) if model is not None}
    ordered = sorted(used, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "validation") for model in ordered], ref_template="#/components/schemas/{model}"
    )
    components = schemas["$defs"]
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method] = _described(each, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "selam-agent",
            "version": version,
            "description": "Stored agents, tokens and session records.",
        },
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "The key, with or without Bearer.",
                }
            },
        },
    }


def _described(each: Operation, components: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("id", "kind")
        if f"{{{name}}}" in each.path
    ]
    if each.query is not None:
        schema = components[each.query.__name__]
        parameters += [
            {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": field}
            for name, field in schema["properties"].items()
        ]
    done: dict[str, Any] = {"description": "Done."}
    if each.answer is not None:
        done["content"] = _json(each.answer)
    problem = {"description": "What is wrong.", "content": _json(models.Error)}
    statuses = sorted({*each.errors, 401, 403, 500})
    made: dict[str, Any] = {
        "summary": each.summary,
        "parameters": parameters,
        "responses": {str(each.status): done, **{str(status): problem for status in statuses}},
    }
    if each.body is not None:
        made["requestBody"] = {"content": _json(each.body), "required": each.body is not models.TokenRequest}
    if "artifacts" in each.path:
        made["security"] = []
    return made


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
