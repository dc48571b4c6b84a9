"""The embedded servers: kept data, sure ends, folders of all kinds."""

import json
import os
import shutil
import signal
import stat
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from console.local import postgres, server
from console.local.leash import leashed
from console.local.postgres import install, major
from console.local.server import ServerFailed
from console.local.servers import Servers, embedded_servers
from tests.proc import is_alive
from tests.running import Start, Started
from tests.waiting import until

# Starts servers over a folder, writes, tells their pids and addresses, and stays.
OWNER = """
import json, os, sys, time
from pathlib import Path
from console.local.servers import embedded_servers
with embedded_servers(Path(sys.argv[1])) as servers:
    pids = [servers.postgres.pid, servers.redis.pid]
    urls = [servers.database_url, servers.redis_url]
    print(json.dumps({"uid": os.getuid(), "pids": pids, "urls": urls}), flush=True)
    time.sleep(600)
"""


def told(owner: Started) -> dict[str, list[str]]:
    until(lambda: owner.text.endswith("\n") or not owner.running)
    return json.loads(owner.text)


def write_a_seven(database_url: str, redis_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept values (7)")
    with redis.Redis.from_url(redis_url) as client:
        client.set("kept", 7)


def read_the_seven(database_url: str, redis_url: str) -> tuple[object, object]:
    with psycopg.connect(database_url) as connection, redis.Redis.from_url(redis_url) as client:
        return connection.execute("select number from kept").fetchone(), client.get("kept")


def test_data_outlives_a_kill_of_both_servers(own_servers: Servers) -> None:
    write_a_seven(own_servers.database_url, own_servers.redis_url)

    own_servers.redis.restart()
    own_servers.postgres.restart()

    assert read_the_seven(own_servers.database_url, own_servers.redis_url) == ((7,), b"7")


def test_a_killed_owner_leaves_no_server_and_all_data(tmp_path: Path, start: Start) -> None:
    owner = start("python", "-c", OWNER, tmp_path / "data")
    write_a_seven(*told(owner)["urls"])
    below = [process.pid for process in owner.tree()]
    assert len(below) > 2

    owner.kill()

    until(lambda: not any(map(is_alive, below)))
    with embedded_servers(tmp_path / "data") as servers:
        assert read_the_seven(servers.database_url, servers.redis_url) == ((7,), b"7")


def test_servers_that_were_all_killed_start_again(tmp_path: Path, start: Start) -> None:
    owner = start("python", "-c", OWNER, tmp_path / "data")
    write_a_seven(*told(owner)["urls"])

    owner.end_tree()

    assert (tmp_path / "data" / "postgres" / "postmaster.pid").exists()
    with embedded_servers(tmp_path / "data") as servers:
        assert read_the_seven(servers.database_url, servers.redis_url) == ((7,), b"7")


def test_a_stale_pid_file_that_names_a_living_process_does_not_prevent_a_start(tmp_path: Path) -> None:
    with embedded_servers(tmp_path) as servers:
        pid_file = tmp_path / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        servers.postgres.stop()

        # The pid of the last run belongs to Valkey now, as it may after a restart of the machine.
        pid_file.write_text("\n".join([str(servers.redis.pid), *lines[1:]]))
        servers.postgres.start()

        assert servers.postgres.running


@pytest.mark.parametrize("name", ["a folder with spaces", "ordner 'mit' \"ä\"", "long/" + "x" * 120])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    with embedded_servers(tmp_path / name, durable=False) as servers:
        write_a_seven(servers.database_url, servers.redis_url)

        assert read_the_seven(servers.database_url, servers.redis_url) == ((7,), b"7")


def test_a_checkout_in_a_closed_home_works_and_the_home_stays_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    wheel = install().parent
    program = closed / "checkout" / wheel.name / install().name
    shutil.copytree(install(), program, symlinks=True)
    libraries = f"{wheel.name}.libs"
    shutil.copytree(wheel.with_name(libraries), closed / "checkout" / libraries, symlinks=True)
    monkeypatch.setattr(postgres, "install", lambda: program)

    with embedded_servers(closed / "checkout" / "data", durable=False) as servers:
        assert servers.postgres.running
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        process = Path(f"/proc/{servers.postgres.pid}")
        assert (process / "exe").readlink().is_relative_to(closed)
        assert process.stat().st_uid != 0
        assert process.stat().st_uid == (closed / "checkout" / "data" / "postgres").stat().st_uid


def test_they_run_for_an_ordinary_user(tmp_path: Path, start: Start) -> None:
    """As root we become nobody to see it; otherwise we are ordinary ourselves."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    argv = [sys.executable, "-c", OWNER, str(folder / "data")]
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        argv = leashed(argv, signal.SIGKILL, user="65534:65534", reach=str(folder))

    owner = start(*argv)

    facts = told(owner)
    assert facts["uid"] != 0
    write_a_seven(*facts["urls"])
    assert read_the_seven(*facts["urls"]) == ((7,), b"7")


def test_two_servers_never_share_a_folder(
    own_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FREE_WITHIN_S", 0.1)
    second = Servers(tmp_path / "servers")

    for one in (second.postgres, second.redis):
        with pytest.raises(ServerFailed, match="in use by another"):
            one.start()


def test_a_port_that_was_taken_in_between_is_given_up_for_another(tmp_path: Path) -> None:
    with embedded_servers(tmp_path / "first", durable=False) as first:
        second = Servers(tmp_path / "second", durable=False)
        second.postgres.port, second.redis.port = first.redis.port, first.postgres.port
        second.start()
        second.stop()

        assert second.postgres.port not in (first.postgres.port, first.redis.port)
        assert second.redis.port not in (first.postgres.port, first.redis.port)


def test_data_of_another_postgres_version_is_left_alone_with_a_remedy(tmp_path: Path) -> None:
    servers = Servers(tmp_path, durable=False)
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n")

    with pytest.raises(ServerFailed, match="written by Postgres 9"):
        servers.postgres.start()

    assert [entry.name for entry in data.iterdir()] == ["PG_VERSION"]


def test_secrets_are_in_no_command_line_and_in_no_file_of_others(own_servers: Servers, tmp_path: Path) -> None:
    password = (tmp_path / "servers" / "password").read_text()

    for one in (own_servers.postgres, own_servers.redis):
        assert password not in Path(f"/proc/{one.pid}/cmdline").read_text()
    assert stat.S_IMODE((tmp_path / "servers" / "password").stat().st_mode) == 0o600
    with pytest.raises(redis.AuthenticationError), redis.Redis(port=own_servers.redis.port) as stranger:
        stranger.ping()
    stranger_url = own_servers.database_url.replace(password, "guessed")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stranger_url)


def test_they_listen_on_the_loopback_address_only(own_servers: Servers) -> None:
    assert listening_addresses({own_servers.postgres.port, own_servers.redis.port}) == {"0100007F"}


def listening_addresses(ports: set[int]) -> set[str]:
    lines = [line.split()[1].split(":") for name in ("tcp", "tcp6") for line in proc_net(name)]
    return {address for address, port in lines if int(port, 16) in ports}


def proc_net(name: str) -> list[str]:
    listen = "0A"
    return [line for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:] if line.split()[3] == listen]


def test_a_server_that_cannot_start_says_what_it_said(tmp_path: Path) -> None:
    servers = Servers(tmp_path, durable=False)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text(major(install()))

    with pytest.raises(ServerFailed, match="Postgres ended with status"):
        servers.postgres.start()
