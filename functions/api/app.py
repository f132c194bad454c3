"""The HTTP API's function: the check of one run now, what is watched, what is known."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.api_gateway import APIGatewayHttpResolver, Response

import runbell
from runbell import assembly
from runbell.api import views, watching
from runbell.api.access import bears_token
from runbell.api.bodies import read_body
from runbell.api.connecting import Connecting
from runbell.api.contract import contract, docs_page
from runbell.api.problems import problem
from runbell.connections import DEFAULT
from runbell.deadline import Deadline
from runbell.errors import NotKnownError, RequestError, RunbellError
from runbell.metering import meter, metered
from runbell.observability import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
    from aws_lambda_powertools.utilities.typing import LambdaContext

assembly.prepare(assembly.call_parts)

app = APIGatewayHttpResolver()

FILTERS = {"status": "status", "outcome": "outcome", "taskID": "task_id"}


@logger.inject_lambda_context(clear_state=True, log_event=False)  # the token is in it
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    asked = event["requestContext"]["http"]
    if asked["method"] != "HEAD":
        return app.resolve(event, context)
    about = {**event["requestContext"], "http": {**asked, "method": "GET"}}
    return app.resolve({**event, "requestContext": about}, context) | {"body": ""}


def authorize(resolver: APIGatewayHttpResolver, go_on: NextMiddleware) -> Response[Any]:
    """Let a request through if it bears the token, or asks for what is open to all."""
    event = resolver.current_event
    is_open = event.path in contract().open_paths
    try:
        may_pass = is_open or bears_token(event.headers, assembly.api_tokens())
    except RunbellError as error:
        return _problem(error, to_stranger=True)
    if not may_pass:
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
    connection = _connection(_check("/runs/{runID}/check", "post", runID=run_id))
    deadline = Deadline.of(app.lambda_context)
    return _ok(views.check_view(assembly.watcher(connection).check(run_id, deadline)))


@app.get("/runs/<run_id>")
def get_run(run_id: str) -> Response[Any]:
    """Read what is known of a run."""
    connection = _connection(_check("/runs/{runID}", "get", runID=run_id))
    item = assembly.store().get(connection, run_id)
    if item.snapshot is None:
        raise NotKnownError(f"nothing is known of the run {run_id}: check it, or watch it")
    return _ok(views.known_run_view(item))


@app.get("/runs")
def list_runs() -> Response[Any]:
    """List runs by their last change."""
    query = _check("/runs", "get")
    filters = {FILTERS[name]: value for name, value in query.items() if name in FILTERS}
    page = assembly.listings().recent(_connection(query), filters, query.get("cursor"))
    return _ok(views.run_list_view(page))


@app.get("/tasks/<task_id>")
def get_task(task_id: str) -> Response[Any]:
    """Read what is known of a task."""
    connection = _connection(_check("/tasks/{taskID}", "get", taskID=task_id))
    task = assembly.tasks().get(connection, task_id)
    if task.info is None and not task.story.ends:
        raise NotKnownError(f"nothing is known of the task {task_id} yet")
    return _ok(views.task_view(task))


@app.put("/watches/runs/<run_id>")
def put_run_watch(run_id: str) -> Response[Any]:
    """Watch a run."""
    connection = _connection(_check("/watches/runs/{runID}", "put", runID=run_id))
    body = _body("/watches/runs/{runID}", "put")
    return _ok(watching.put_watch(assembly.store(), connection, run_id, body))


@app.get("/watches/runs/<run_id>")
def get_run_watch(run_id: str) -> Response[Any]:
    """Read the watch of a run."""
    connection = _connection(_check("/watches/runs/{runID}", "get", runID=run_id))
    return _ok(watching.get_watch(assembly.store(), connection, run_id))


@app.delete("/watches/runs/<run_id>")
def delete_run_watch(run_id: str) -> Response[Any]:
    """Stop watching a run."""
    connection = _connection(_check("/watches/runs/{runID}", "delete", runID=run_id))
    watching.delete_watch(assembly.store(), connection, run_id)
    return _nothing()


@app.put("/watches/tasks/<task_id>")
def put_task_watch(task_id: str) -> Response[Any]:
    """Watch a task."""
    connection = _connection(_check("/watches/tasks/{taskID}", "put", taskID=task_id))
    body = _body("/watches/tasks/{taskID}", "put")
    return _ok(watching.put_watch(assembly.tasks(), connection, task_id, body))


@app.get("/watches/tasks/<task_id>")
def get_task_watch(task_id: str) -> Response[Any]:
    """Read the watch of a task."""
    connection = _connection(_check("/watches/tasks/{taskID}", "get", taskID=task_id))
    return _ok(watching.get_watch(assembly.tasks(), connection, task_id))


@app.delete("/watches/tasks/<task_id>")
def delete_task_watch(task_id: str) -> Response[Any]:
    """Stop watching a task."""
    connection = _connection(_check("/watches/tasks/{taskID}", "delete", taskID=task_id))
    watching.delete_watch(assembly.tasks(), connection, task_id)
    return _nothing()


@app.get("/watches")
def list_watches() -> Response[Any]:
    """List what is watched."""
    query = _check("/watches", "get")
    page = assembly.listings().watches(_connection(query), query.get("cursor"))
    return _ok(views.watch_list_view(page))


@app.put("/watches")
def put_watches() -> Response[Any]:
    """Apply a whole file of task watches."""
    query = _check("/watches", "put")
    connection = _connection(query)
    body = _body("/watches", "put")
    dry_run = query.get("dryRun") == "true"
    tasks, listings = assembly.tasks(), assembly.listings()
    return _ok(watching.put_watches(tasks, listings, connection, body, dry_run=dry_run))


@app.put("/connections/<name>")
def put_connection(name: str) -> Response[Any]:
    """Make a connection, or change one."""
    _check("/connections/{name}", "put", name=name)
    return _ok(_connecting().put(name, _body("/connections/{name}", "put")))


@app.get("/connections/<name>")
def get_connection(name: str) -> Response[Any]:
    """Read a connection."""
    _check("/connections/{name}", "get", name=name)
    return _ok(_connecting().get(name))


@app.delete("/connections/<name>")
def delete_connection(name: str) -> Response[Any]:
    """Forget a connection."""
    _check("/connections/{name}", "delete", name=name)
    _connecting().delete(name)
    return _nothing()


@app.get("/connections")
def list_connections() -> Response[Any]:
    """List the connections."""
    return _ok(_connecting().list(_check("/connections", "get").get("cursor")))


@app.post("/test-message")
def send_test_message() -> Response[Any]:
    """Send a test message and say what Slack said."""
    _check("/test-message", "post")
    wishes = _body("/test-message", "post")
    deadline = Deadline.of(app.lambda_context)
    result = assembly.trial(DEFAULT).send(wishes.get("channel"), deadline)
    status = HTTPStatus.OK if result.is_answered else HTTPStatus.ACCEPTED
    return _json(status, views.test_result_view(result))


@app.get("/health")
def get_health() -> Response[Any]:
    """Say that the API answers."""
    return _ok({"status": "ok", "version": runbell.__version__})


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
    method, path = app.current_event.http_method, app.current_event.path
    methods = contract().methods(path)
    if methods and method not in methods:
        word = f"{path} takes {', '.join(methods)}: see /docs"
        return _json(
            HTTPStatus.METHOD_NOT_ALLOWED,
            {"error": "method_not_allowed", "message": word},
            {"Allow": ", ".join(methods)},
        )
    word = f"there is no {method} {path}: see /docs"
    return _json(HTTPStatus.NOT_FOUND, {"error": "not_found", "message": word})


@app.exception_handler(RunbellError)  # type: ignore[untyped-decorator]
def answer_problem(error: RunbellError) -> Response[Any]:
    """Say what went wrong and what to do."""
    return _problem(error)


def _problem(error: RunbellError, *, to_stranger: bool = False) -> Response[Any]:
    status, body, headers = problem(error, to_stranger=to_stranger)
    log = logger.error if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logger.info
    log("a call was refused", extra={"error": type(error).__name__, "cause": str(error)})
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        meter.fail(error)
    return _json(status, body, headers)


def _connecting() -> Connecting:
    return Connecting(
        assembly.connections(),
        assembly.schedules,
        assembly.settings().connection_secrets_prefix,
        assembly.check_connection_secret,
    )


def _connection(query: Mapping[str, str]) -> str:
    """Name the connection that a call is about; raises if there is none of the name."""
    name = query.get("connection", DEFAULT)
    if name != DEFAULT:
        assembly.connections().get(name)
    return name


def _check(path: str, method: str, **in_path: str) -> dict[str, str]:
    """Hold the request's parameters against the contract; answers those of the query."""
    contract().check_parameters(path, method, "path", in_path)
    query = app.current_event.query_string_parameters or {}
    return contract().check_parameters(path, method, "query", query)


def _body(path: str, method: str) -> dict[str, Any]:
    """Read the request's body, decoded as API Gateway sends it; nothing means {}."""
    event = app.current_event
    text = event.body
    try:
        if text and event.is_base64_encoded:
            text = base64.b64decode(text, validate=True).decode()
    except ValueError:
        raise RequestError("is no text", "body") from None
    kind = event.headers.get("content-type") or ""
    document = read_body(text, kind if contract().takes_yaml(path, method) else None)
    body: dict[str, Any] = contract().check_body(path, method, document)
    return body


def _ok(body: Mapping[str, Any]) -> Response[Any]:
    return _json(HTTPStatus.OK, body)


def _nothing() -> Response[Any]:
    return Response(HTTPStatus.NO_CONTENT.value, body="")


def _json(
    status: HTTPStatus, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response[Any]:
    # Half of a surrogate pair, which a caller may have sent, is no text that Lambda could pass on.
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace").decode()
    return Response(status.value, "application/json", text, dict(headers or {}))
