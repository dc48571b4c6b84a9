"""Whoever has a thing already is told so in a few bytes: ETag and If-None-Match."""

import pytest

from tests.console.conftest import Api


@pytest.mark.parametrize("kind", ["schedules", "workspaces"])
def test_what_the_caller_has_is_not_sent_again_until_anything_of_it_changes(api: Api, kind: str) -> None:
    place = api.workspace()
    path = f"/api/{kind}/{place if kind == 'workspaces' else api.schedule(place)['id']}"
    first = api.ask("GET", path)
    tag = first.headers["ETag"]

    for told in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = api.ask("GET", path, headers={"If-None-Match": told})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag), told
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"] == "private, no-cache"
    for told in ('"1"', "1", "", tag.strip('"')):
        assert api.ask("GET", path, headers={"If-None-Match": told}).status_code == 200, told
    # Moved by itself, not by an edit: there is something to send, and an edit of what was read is as good as before.
    table, column = ("workspaces", "current_task") if kind == "workspaces" else ("schedules", "last_error")
    api.rows(f"update {table} set {column} = 'moved' returning 1")
    fresh = api.ask("GET", path, headers={"If-None-Match": tag})
    assert (fresh.status_code, fresh.json()[column]) == (200, "moved")
    assert fresh.headers["ETag"] != tag
    assert api.ask("PATCH", path, json={"name": "new"}, headers={"If-Match": tag}).status_code == 200
    assert api.ask("PATCH", path, json={"name": "newer"}, headers={"If-Match": tag}).status_code == 412
