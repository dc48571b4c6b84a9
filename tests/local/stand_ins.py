"""`up` with parts that need nothing of ours, run as a script: FOLDER WORKERS DEMO_STATUS."""

import sys
from pathlib import Path

from console.local.parts import API, Answers, Finishes, Part, Says, Stack
from console.local.state import State
from console.local.up import up

SITE = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Ok(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
HTTPServer(("127.0.0.1", int(sys.argv[1])), Ok).serve_forever()
"""
# It starts a child of its own, as Celery does, which ends with it as Celery's does.
WORKER = """
import os, signal, subprocess, sys, time
from console.local.leash import leashed
subprocess.Popen(leashed([sys.executable, "-c", "import time; time.sleep(600)"], signal.SIGKILL))
stubborn = "STAND_IN_STUBBORN" in os.environ
signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: sys.exit("asked to stop"))
if "STAND_IN_SILENT" not in os.environ:
    print("stand-in ready.", flush=True)
time.sleep(600)
"""


def parts(state: State, workers: int) -> list[Part]:
    names = [f"Worker {number}" for number in range(1, workers + 1)]
    return [
        *[Part(name, code(WORKER), Says("stand-in ready."), stops_first=True) for name in names],
        Part(API, code(SITE, state.api_port), Answers(state.api_port, "/readyz"), shows=state.api_url),
        Part("Flower", code(SITE, state.flower_port), Answers(state.flower_port, "/healthcheck")),
    ]


def code(text: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-c", text, *map(str, arguments))


def migrate(database_url: str) -> list[str]:
    return ["0001_stand_in.sql"] if database_url else []


def stack(demo_status: str) -> Stack:
    demo = Part("Demo fleet", code("import sys; sys.exit(int(sys.argv[1]))", demo_status), Finishes(), "loaded")
    return Stack(parts=parts, migrate=migrate, first_start=lambda *_: demo)


if __name__ == "__main__":
    folder, workers, demo_status = sys.argv[1:]
    sys.exit(up(Path(folder), port=None, workers=int(workers), demo=True, stack=stack(demo_status)))
