"""`up` with parts that need nothing of ours: run as a script, FOLDER WORKERS [demo-status]."""

import sys
from pathlib import Path

from console.local.parts import API, Answers, Finishes, Part, Says, Stack
from console.local.state import State
from console.local.up import up

SITE = "from http.server import *; import sys\n" + (
    "class Ok(SimpleHTTPRequestHandler):\n"
    "    def do_GET(self): self.send_response(200); self.end_headers()\n"
    "HTTPServer(('127.0.0.1', int(sys.argv[1])), Ok).serve_forever()"
)
# Ends on SIGTERM after writing that it did, and starts a child of its own as Celery does.
WORKER = (
    "import signal, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit('asked to stop'))\n"
    "print('stand-in ready.', flush=True)\n"
    "time.sleep(600)"
)


def stand_in(code: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *map(str, arguments))


def parts(state: State, workers: int) -> list[Part]:
    return [
        *[
            Part(f"Worker {number}", stand_in(WORKER), Says("stand-in ready."), stops_first=True)
            for number in range(1, workers + 1)
        ],
        Part(API, stand_in(SITE, state.api_port), Answers(state.api_port, "/readyz"), shows=state.api_url),
        Part("Flower", stand_in(SITE, state.flower_port), Answers(state.flower_port, "/healthcheck")),
    ]


def migrate(database_url: str) -> list[str]:
    return ["0001_stand_in.sql"] if database_url else []


def first_start(status: str) -> Stack:
    demo = Part("Demo fleet", stand_in("import sys; sys.exit(int(sys.argv[1]))", status), Finishes(), shows="loaded")
    return Stack(parts=parts, migrate=migrate, first_start=lambda state: demo)


if __name__ == "__main__":
    folder, workers, demo_status = sys.argv[1:]
    sys.exit(up(Path(folder), port=None, workers=int(workers), demo=True, stack=first_start(demo_status)))
