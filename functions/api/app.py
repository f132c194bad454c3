"""The HTTP API's function: the check of one run now, what is watched, what is known."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.api_gateway import APIGatewayHttpResolver, Response

import runbell
from runbell import assembly
from runbell.api import views
from runbell.api.contract import contract, docs_page
from runbell.api.problems import problem
from runbell.deadline import Deadline
from runbell.errors import NotKnownError, RequestError, RunbellError
from runbell.observability import logger
from runbell.rules import Watch
from runbell.tick import CONNECTION

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
    from aws_lambda_powertools.utilities.typing import LambdaContext

app = APIGatewayHttpResolver()

FILTERS = {"status": "status", "outcome": "outcome", "taskID": "task_id"}


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    return app.resolve(event, context)


def authorize(resolver: APIGatewayHttpResolver, go_on: NextMiddleware) -> Response[Any]:
    """Let a request through if it bears the token, or asks for what is open to all."""
    event = resolver.current_event
    if event.path not in contract().open_paths and not _bears_token(event.headers):
        word = "the header Authorization: Bearer … is missing or its token is wrong"
        return _json(
            HTTPStatus.UNAUTHORIZED,
            {"error": "unauthorized", "message": word},
            {"WWW-Authenticate": "Bearer"},
        )
    return go_on(resolver)


app.use(middlewares=[authorize])


@app.post("/runs/<run_id>/check")
def check_run(run_id: str) -> Response[Any]:
    """Look at a run now."""
    _check("/runs/{runID}/check", "post", runID=run_id)
    deadline = Deadline.of(app.lambda_context)
    return _json(HTTPStatus.OK, views.check_view(_watcher().check(run_id, deadline)))


@app.get("/runs/<run_id>")
def get_run(run_id: str) -> Response[Any]:
    """Read what is known of a run."""
    _check("/runs/{runID}", "get", runID=run_id)
    item = assembly.store().get(CONNECTION, run_id)
    if item.snapshot is None:
        raise NotKnownError(f"nothing is known of the run {run_id}: check it, or watch it")
    return _json(HTTPStatus.OK, views.known_run_view(item))


@app.get("/runs")
def list_runs() -> Response[Any]:
    """List runs by their last change."""
    query = _check("/runs", "get")
    filters = {FILTERS[name]: value for name, value in query.items() if name in FILTERS}
    page = assembly.store().recent(CONNECTION, filters, query.get("cursor"))
    return _json(HTTPStatus.OK, views.run_list_view(page))


@app.put("/watches/runs/<run_id>")
def put_watch(run_id: str) -> Response[Any]:
    """Watch a run."""
    _check("/watches/runs/{runID}", "put", runID=run_id)
    wishes = _body("/watches/runs/{runID}", "put")
    notify_on = wishes.get("notifyOn")
    watch = Watch(wishes.get("channel"), None if notify_on is None else frozenset(notify_on))
    item = assembly.store().put_watch(CONNECTION, run_id, watch)
    return _json(HTTPStatus.OK, views.watch_view(item))


@app.get("/watches/runs/<run_id>")
def get_watch(run_id: str) -> Response[Any]:
    """Read the watch of a run."""
    _check("/watches/runs/{runID}", "get", runID=run_id)
    item = assembly.store().get(CONNECTION, run_id)
    if item.watch is None:
        raise NotKnownError(f"the run {run_id} is not watched")
    return _json(HTTPStatus.OK, views.watch_view(item))


@app.delete("/watches/runs/<run_id>")
def delete_watch(run_id: str) -> Response[Any]:
    """Stop watching a run."""
    _check("/watches/runs/{runID}", "delete", runID=run_id)
    if not assembly.store().delete_watch(CONNECTION, run_id):
        raise NotKnownError(f"the run {run_id} is not watched")
    return Response(HTTPStatus.NO_CONTENT.value, body="")


@app.get("/watches")
def list_watches() -> Response[Any]:
    """List what is watched."""
    query = _check("/watches", "get")
    page = assembly.store().watches(CONNECTION, query.get("cursor"))
    return _json(HTTPStatus.OK, views.watch_list_view(page))


@app.post("/test-message")
def send_test_message() -> Response[Any]:
    """Send a test message and say what Slack said."""
    _check("/test-message", "post")
    wishes = _body("/test-message", "post")
    deadline = Deadline.of(app.lambda_context)
    result = assembly.trial(CONNECTION).send(wishes.get("channel"), deadline)
    status = HTTPStatus.OK if result.is_answered else HTTPStatus.ACCEPTED
    return _json(status, views.test_result_view(result))


@app.get("/health")
def get_health() -> Response[Any]:
    """Say that the API answers."""
    return _json(HTTPStatus.OK, {"status": "ok", "version": runbell.__version__})


@app.get("/openapi.json")
def get_openapi() -> Response[Any]:
    """Serve the contract."""
    return Response(HTTPStatus.OK.value, "application/json", contract().text)


@app.get("/docs")
def get_docs() -> Response[Any]:
    """Serve the contract as a page."""
    not_framed = {
        "Content-Security-Policy": "frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(HTTPStatus.OK.value, "text/html; charset=utf-8", docs_page(), not_framed)


@app.not_found
def answer_unknown_call(_: Exception) -> Response[Any]:
    """Say that there is no such call."""
    word = f"there is no {app.current_event.http_method} {app.current_event.path}: see /docs"
    return _json(HTTPStatus.NOT_FOUND, {"error": "not_found", "message": word})


@app.exception_handler(RunbellError)  # type: ignore[untyped-decorator]
def answer_problem(error: RunbellError) -> Response[Any]:
    """Say what went wrong and what to do."""
    status, body, headers = problem(error)
    log = logger.error if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logger.info
    log("a call was refused", extra={"error": type(error).__name__, "cause": str(error)})
    return _json(status, body, headers)


def _watcher() -> Any:
    return assembly.watcher(CONNECTION)


def _check(path: str, method: str, **in_path: str) -> dict[str, str]:
    """Hold the request's parameters against the contract; answers those of the query."""
    contract().check_parameters(path, method, "path", in_path)
    query = app.current_event.query_string_parameters or {}
    return contract().check_parameters(path, method, "query", query)


def _body(path: str, method: str) -> dict[str, Any]:
    """Read the request's JSON body, decoded as API Gateway sends it; nothing means {}."""
    try:
        text = app.current_event.decoded_body
        document = json.loads(text) if text and text.strip() else {}
    except (ValueError, RecursionError):
        raise RequestError("is no JSON", "body") from None
    body: dict[str, Any] = contract().check_body(path, method, document)
    return body


def _bears_token(headers: Mapping[str, str]) -> bool:
    """Whether the request bears the token; one that was just replaced is read anew."""
    scheme, _, given = (headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        return False
    secret = assembly.api_token()
    token = secret.get()
    return _same(given, token) or _same(given, secret.anew(token))


def _same(given: str, token: str) -> bool:
    """Compare in a time that tells nothing of where the two differ."""
    return hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())


def _json(
    status: HTTPStatus, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response[Any]:
    text = json.dumps(body, ensure_ascii=False)
    return Response(status.value, "application/json", text, dict(headers or {}))
