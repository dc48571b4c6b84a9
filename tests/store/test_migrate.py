"""Migrations: forward only, once, whoever starts them at the same time."""

import threading

import pytest

from shared.store import migrate
from shared.store.connection import connect


def test_three_processes_that_migrate_at_once_apply_each_file_once(empty_database_url: str) -> None:
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate.migrate(empty_database_url))) for _ in range(3)]

    for it in threads:
        it.start()
    for it in threads:
        it.join(50)

    names = [name for name, _ in migrate.migrations()]
    assert sorted(map(len, done)) == [0, 0, len(names)]
    with connect(empty_database_url) as connection:
        assert migrate.lacking(connection) == set()
        assert sorted(migrate.applied(connection)) == names


def test_a_database_without_a_table_lacks_all_of_them(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        assert migrate.lacking(connection) == {name for name, _ in migrate.migrations()}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("update schema_migrations set checksum = 'x' where name = '0001_initial.sql'", "0001_initial.sql was edited"),
        ("insert into schema_migrations (name, checksum) values ('9999_later.sql', 'x')", "newer than this code"),
    ],
)
def test_a_database_that_does_not_fit_is_refused_and_left_alone(database_url: str, change: str, says: str) -> None:
    with connect(database_url) as connection:
        connection.execute(change)  # pyright: ignore[reportArgumentType, reportCallIssue]
        before = migrate.applied(connection)

        with pytest.raises(migrate.SchemaMismatch, match=says):
            migrate.migrate(database_url)

        assert migrate.applied(connection) == before
