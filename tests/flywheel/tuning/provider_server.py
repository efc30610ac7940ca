"""The tuning APIs of four providers on loopback, as their references describe them, strict about what they are sent."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

Json = dict[str, Any]


class World:
    """What a provider holds. `faults` are answers (status, headers, body) given before anything else, one a call."""

    def __init__(self) -> None:
        self.key = "sk-right"
        self.files: dict[str, bytes] = {}
        self.forms: list[dict[str, str]] = []
        self.jobs: dict[str, Json] = {}
        self.calls: list[str] = []
        self.faults: list[tuple[int, dict[str, str], Json]] = []
        self.states: list[str] = []
        self.refuse: str | None = None
        self.datasets: dict[str, str] = {}
        self.url = ""


def _rows(data: bytes) -> int:
    """Each line a conversation whose last word is the assistant's; ValueError where one is not."""
    rows = [msgspec.json.decode(line) for line in data.splitlines()]
    for row in rows:
        if row.keys() != {"messages"} or row["messages"][-1]["role"] != "assistant":
            raise ValueError("Invalid file format. Input file must have an assistant message as last message.")
    return len(rows)


def _openai(world: World, method: str, path: str, body: Json, form: Json) -> tuple[int, Json]:
    return _jobs(world, method, path, body, form, files="/files", jobs="/fine_tuning/jobs", error=_openai_error)


def _openai_error(text: str) -> Json:
    return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}}


def _mistral(world: World, method: str, path: str, body: Json, form: Json) -> tuple[int, Json]:
    if "training_files" in body:
        assert all(f.keys() == {"file_id", "weight"} for f in body["training_files"])
        body = {**body, "training_file": body["training_files"][0]["file_id"]}
        body["training_files"] = [f["file_id"] for f in body["training_files"]]
    return _jobs(
        world, method, path, body, form, files="/files", jobs="/fine_tuning/jobs", error=lambda t: {"detail": t}
    )


def _together(world: World, method: str, path: str, body: Json, form: Json) -> tuple[int, Json]:
    if form:
        assert form.keys() == {"purpose", "file_name", "file_type", "file"}
    return _jobs(world, method, path, body, form, files="/files/upload", jobs="/fine-tunes", error=_openai_error)


def _jobs(
    world: World, method: str, path: str, body: Json, form: Json, *, files: str, jobs: str, error: Callable[[str], Json]
) -> tuple[int, Json]:
    where = path.partition("?")[0]
    if (method, where) == ("POST", files):
        try:
            _rows(form["file"])
        except ValueError as wrong:
            return 400, error(str(wrong))
        id = f"file-{len(world.files) + 1}"
        world.files[id] = form["file"]
        world.forms.append({k: v for k, v in form.items() if k != "file"})
        return 200, {"id": id, "object": "file", "purpose": form["purpose"]}
    if (method, where) == ("POST", jobs):
        if world.refuse or body["training_file"] not in world.files:
            return 400, error(world.refuse or "No such file")
        id = f"ft-{len(world.jobs) + 1}"
        world.jobs[id] = {**body, "id": id, "status": world.states[0]}
        return 200, world.jobs[id]
    if (method, where) == ("GET", jobs):
        return 200, {"object": "list", "data": list(world.jobs.values())}
    id = where.removeprefix(jobs + "/").removesuffix("/cancel")
    if id not in world.jobs:
        return 404, error("No such job")
    if method == "POST" and where.endswith("/cancel"):
        world.jobs[id]["status"] = "cancelled"
    else:
        _advance(world, world.jobs[id], "status")
    return 200, world.jobs[id]


def _fireworks(world: World, method: str, path: str, body: Json, form: Json) -> tuple[int, Json]:
    where, _, query = path.partition("?")
    assert where.startswith("/accounts/acme/"), where
    kind, _, id = where.removeprefix("/accounts/acme/").partition("/")
    if kind == "datasets":
        return _fireworks_dataset(world, method, id, body, form)
    if method == "POST":
        id = query.removeprefix("supervisedFineTuningJobId=")
        if world.refuse or body["dataset"] not in world.files:
            return 400, {"code": 3, "message": world.refuse or "no such dataset"}
        world.jobs[id] = {**body, "name": f"accounts/acme/supervisedFineTuningJobs/{id}", "state": world.states[0]}
    elif id not in world.jobs:
        return 404, {"code": 5, "message": "not found"}
    elif method == "DELETE":
        return 200, world.jobs.pop(id) and {}
    else:
        _advance(world, world.jobs[id], "state")
    return 200, world.jobs[id]


def _fireworks_dataset(world: World, method: str, id: str, body: Json, form: Json) -> tuple[int, Json]:
    if method == "POST" and id.endswith(":upload"):
        name = id.removesuffix(":upload")
        assert world.datasets[name] == str(_rows(form["file"]))
        world.files[f"accounts/acme/datasets/{name}"] = form["file"]
        return 200, {"id": name}
    if method == "POST":
        if body["datasetId"] in world.datasets:
            return 409, {"code": 6, "message": "dataset already exists"}
        world.datasets[body["datasetId"]] = body["dataset"]["exampleCount"]
        return 200, {"state": "UPLOADING"}
    return 200, {"state": "READY" if f"accounts/acme/datasets/{id}" in world.files else "UPLOADING"}


def _advance(world: World, job: Json, member: str) -> None:
    """Each look finds the job one state further."""
    at = world.states.index(job[member]) if job[member] in world.states else len(world.states)
    if at + 1 < len(world.states):
        job[member] = world.states[at + 1]
    if job[member] in {"succeeded", "SUCCESS", "completed", "JOB_STATE_COMPLETED"}:
        job |= {"fine_tuned_model": "ft:tuned", "model_output_name": "me/tuned", "trained_tokens": 2_000_000}
        job |= {"total_price": 1_500_000_000, "token_count": 850_000}
        job["metadata"] = {"cost": 2.5, "cost_currency": "USD"}
    if job[member] in {"failed", "FAILED", "error", "JOB_STATE_FAILED"}:
        job |= {"error": {"message": "too few rows"}, "status_": 1}
        job["events"] = [{"message": "too few rows", "data": {"error": "too few rows"}}]
        if member == "state":
            job["status"] = {"code": "INVALID", "message": "too few rows"}


SPOKEN = {"openai": _openai, "together": _together, "mistral": _mistral, "fireworks": _fireworks}


@contextmanager
def provider(service: str) -> Generator[World]:
    world = World()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            world.calls.append(f"{self.command} {self.path}")
            status, headers, body = self._said(data)
            text = msgspec.json.encode(body)
            self.send_response(status)
            for name, value in {**headers, "content-type": "application/json", "content-length": len(text)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(text)

        def _said(self, data: bytes) -> tuple[int, dict[str, str], Json]:
            if self.headers["authorization"] != f"Bearer {world.key}":
                return 401, {}, _openai_error("Incorrect API key provided")
            if world.faults:
                return world.faults.pop(0)
            kind = self.headers["content-type"]
            form = _form(kind, data) if kind.startswith("multipart/") else {}
            body = {} if form or not data else msgspec.json.decode(data)
            status, said = SPOKEN[service](world, self.command, self.path, body, form)
            return status, {}, said

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    world.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _form(kind: str, data: bytes) -> Json:
    """A form as a strict reader takes it apart (RFC 7578)."""
    message = BytesParser().parsebytes(f"content-type: {kind}\r\n\r\n".encode() + data)
    found: Json = {}
    for part in message.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found[str(name)] = payload if name == "file" else payload.decode()
    return found
