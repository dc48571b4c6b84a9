"""`python -m tests.chaos`: CHAOS_SECONDS of faults, CHAOS_SEED for the same plan again, CHAOS_FAULTS for some kinds."""

import os
import sys
import tempfile
from pathlib import Path

# Before anything reads them: settings of the person who runs this are not settings of the run.
for name in [name for name in os.environ if name.startswith(("DATABASE_URL", "REDIS_URL", "CELERY_", "SLOTBEAT_"))]:
    del os.environ[name]

from tests.chaos.report import report  # noqa: E402
from tests.chaos.run import Wish, any_seed, chaos  # noqa: E402
from tests.proc import adopt_orphans  # noqa: E402


def main() -> int:
    adopt_orphans()
    seconds = float(os.environ.get("CHAOS_SECONDS") or 600)
    seed = int(os.environ.get("CHAOS_SEED") or any_seed())
    wish = Wish(seconds, seed, words("CHAOS_FAULTS"), words("CHAOS_PAYLOADS"))
    print(f"chaos: {seconds:.0f} s of faults with CHAOS_SEED={seed}", flush=True)
    kept = os.environ.get("CHAOS_DIR")
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as made:
        folder = Path(kept or made)
        folder.mkdir(parents=True, exist_ok=True)
        # The servers' user, who owns nothing, must be able to get through.
        folder.chmod(0o711)
        with chaos(folder, wish) as (world, result):
            print(report(world, result), flush=True)
    if not result.ok:
        print(f"the same plan again: CHAOS_SECONDS={seconds:.0f} CHAOS_SEED={seed} make chaos")
    print(f"chaos: {'ok' if result.ok else 'FAILED'}", flush=True)
    return 0 if result.ok else 1


def words(name: str) -> list[str]:
    return os.environ.get(name, "").replace(",", " ").split()


if __name__ == "__main__":
    sys.exit(main())
