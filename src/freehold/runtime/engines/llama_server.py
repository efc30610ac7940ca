"""llama.cpp's own server from the package `xllamacpp`, in this process: FILE PORT NAME CONTEXT."""

import signal
import sys
from importlib import import_module
from typing import Any

xllamacpp: Any = import_module("xllamacpp")


def main() -> None:
    file, port, name, context = sys.argv[1:5]
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.model_alias = [name]
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_ctx = int(context)
    server = xllamacpp.Server(params)
    print(f"serving {name} at {server.listening_address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
