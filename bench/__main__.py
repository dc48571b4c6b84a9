"""`make bench`: runs the benchmarks, or those named in BENCH, and writes their table."""

import importlib
import os
import sys
from pathlib import Path

from bench.figures import as_table, write

ALL = ("claim", "tick", "handover", "throughput", "upkeep", "growth", "recovery", "memory", "forecast", "scaling")
RESULTS = Path(__file__).resolve().parent / "results"


def main() -> int:
    """0 when every bar is reached."""
    wanted = os.environ.get("BENCH", "").split() or list(ALL)
    unknown = sorted(set(wanted) - set(ALL))
    if unknown:
        print(f"no benchmark named {', '.join(unknown)}: BENCH takes some of {', '.join(ALL)}", file=sys.stderr)
        return 2
    figures = []
    for name in wanted:
        print(f"--- {name}", flush=True)
        found = importlib.import_module(f"bench.{name}").run()
        print(as_table(found), flush=True)
        figures += found
    print(f"written: {write(figures, RESULTS)}")
    return 0 if all(it.ok for it in figures) else 1


sys.exit(main())
