"""A machine of stand-in services: `stand_in.py FOLDER PORT` supervises, `stand_in.py serve PORT` is one of them."""

import asyncio
import http.server
import sys
from pathlib import Path

from ops.machine import Machine
from ops.ports import free_port
from ops.problem import Problem
from ops.programs import Program, Servers


class _Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def table(servers: Servers, host: str, port: int) -> list[Program]:
    return [_program("parties", free_port()), _program("gateway", port)]


def _program(name: str, port: int) -> Program:
    command = (sys.executable, __file__, "serve", str(port))
    return Program(name, command, {"NATS_URL": "nats://somewhere"}, f"http://127.0.0.1:{port}/readyz")


if __name__ == "__main__":
    first, second = sys.argv[1:]
    if first == "serve":
        http.server.HTTPServer(("127.0.0.1", int(second)), _Ready).serve_forever()
    try:
        asyncio.run(Machine(Path(first), "127.0.0.1", int(second), table).run())
    except Problem as problem:
        sys.exit(str(problem))
