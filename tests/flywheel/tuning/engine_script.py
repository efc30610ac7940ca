"""An engine's server as a script: PORT MODE NOTES. It notes each start, and each thing it is told, one JSON a line."""

import hashlib
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PORT, MODE, NOTES = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])


def note(**said: Any) -> None:
    with NOTES.open("a") as file:
        file.write(json.dumps(said) + "\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    adapters: list[str] = []
    blobs: dict[str, int] = {}
    models: list[str] = []

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._say(200, {"data": [{"id": name} for name in self.adapters]})
        else:
            self._say(200, {"status": "ok"})

    def do_HEAD(self) -> None:
        self._say(200 if self.path.rpartition("/")[2] in self.blobs else 404, None)

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        if self.path.startswith("/api/blobs/"):
            digest = self.path.rpartition("/")[2]
            note(blob=digest)
            right = digest == "sha256:" + hashlib.sha256(data).hexdigest()
            self.blobs[digest] = len(data)
            self._say(201 if right else 400, None)
            return
        body = json.loads(data)
        note(path=self.path, body=body, pid=os.getpid())
        status, said = self._answer(body)
        self._say(status, said)

    def _answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        match self.path:
            case "/v1/load_lora_adapter" if MODE == "old":
                return 404, {"detail": "Not Found"}
            case "/v1/load_lora_adapter" if MODE == "full":
                return 400, {"message": "LoRA rank 128 is greater than max_lora_rank 16."}
            case "/v1/load_lora_adapter":
                self.adapters.append(body["lora_name"])
            case "/v1/unload_lora_adapter":
                self.adapters.remove(body["lora_name"])
            case "/api/show":
                return (200 if body["model"] in self.models else 404), {}
            case "/api/create":
                if not set(body["files"].values()) <= set(self.blobs):
                    return 400, {"error": "unknown blob"}
                self.models.append(body["model"])
                return 200, {"status": "success"}
            case _:
                return 200, {"model": body.get("model"), "choices": [{"message": {"content": "hello"}}]}
        return 200, {}

    def _say(self, status: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    note(start=os.getpid(), args=sys.argv[4:], lora=os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING"))
    if MODE == "broken":
        print("CUDA out of memory", flush=True)
        sys.exit(3)
    fat = bytearray(b"x" * (200 << 20)) if MODE == "fat" else b""
    print(f"ready with {len(fat)}", flush=True)
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
