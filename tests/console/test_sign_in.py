"""The dashboard's sign-in: with a token, by a cookie, each change with what only our pages know (SEC-1)."""

import re

import pytest
from httpx import Response

from console.deeds import sign_ins
from shared.rules.scopes import hash_of
from tests.console.conftest import Api, form
from tests.console.test_api_tokens import bearer, refusal, token

HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


def signed_in(wide: Api, text: str, where: str = "/") -> Response:
    return wide.ask("POST", "/sign-in", data={"token": text, "next": where}, headers=HTML)


def test_a_browser_signs_in_with_a_token_and_comes_back_to_where_it_was(wide: Api) -> None:
    text = token(wide, "alice", "operate")

    asked = wide.ask("GET", "/?q=a%20b", headers=HTML)
    assert (asked.status_code, asked.headers["Location"]) == (303, "/sign-in?next=%2F%3Fq%3Da%2520b")
    assert wide.ask("GET", asked.headers["Location"], headers=HTML).status_code == 200
    wrong = signed_in(wide, "not a token")
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    right = signed_in(wide, text, "/?q=a")

    assert (right.status_code, right.headers["Location"]) == (303, "/?q=a")
    cookie = right.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert text not in cookie
    assert wide.ask("GET", "/", headers=HTML).status_code == 200
    assert wide.ask("GET", "/api/slots").status_code == 200
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "x"):
        assert signed_in(wide, text, elsewhere).headers["Location"] == "/", elsewhere
    foreign = {**HTML, "Sec-Fetch-Site": "cross-site"}
    assert wide.ask("POST", "/sign-in", data={"token": text}, headers=foreign).status_code == 403


def test_a_change_by_a_browser_carries_what_only_our_pages_know(wide: Api) -> None:
    text = token(wide, "alice", "admin")
    place = wide.ask("POST", "/api/workspaces", json={"name": "lab"}, headers=bearer(text)).json()["id"]
    made = wide.ask("POST", "/api/schedules", json=form(place), headers=bearer(text)).json()["schedule"]["id"]
    signed_in(wide, text)
    page = wide.ask("GET", "/", headers=HTML).text
    [csrf] = set(re.findall('name="csrf" value="([0-9a-f]+)"', page))
    pause = f"/schedules/{made}/pause"

    for given in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": "é"}):
        assert wide.ask("POST", pause, data={"note": "x", **given}, headers=HTML).status_code == 403, given
        head = {"X-CSRF-Token": given["csrf"].encode()} if "csrf" in given else {}
        assert refusal(wide.ask("POST", f"/api{pause}", headers=head)) == (403, "csrf"), given
    assert wide.rows("select status from schedules") == [("active",)]
    assert wide.ask("POST", pause, data={"csrf": csrf}, headers=HTML).status_code == 303
    assert wide.rows("select status, paused_by from schedules") == [("paused", "token:alice (dashboard)")]
    assert wide.ask("POST", f"/api/schedules/{made}/resume", headers={"X-CSRF-Token": csrf}).status_code == 200


def test_a_sign_in_ends_with_its_token_by_hand_and_by_time(wide: Api) -> None:
    text, page = token(wide, "alice", "read"), HTML
    signed_in(wide, text)
    [csrf] = re.findall('name="csrf" value="([0-9a-f]+)"', wide.ask("GET", "/", headers=page).text)

    kept = wide.client.cookies["slotbeat_sign_in"]
    assert wide.rows("select hash from sign_ins") == [(hash_of(kept),)]
    assert wide.ask("POST", "/sign-out", data={"csrf": "x"}, headers=page).status_code == 403
    assert wide.ask("POST", "/sign-out", data={"csrf": csrf}, headers=page).headers["Location"] == "/sign-in"
    assert wide.ask("GET", "/api/slots", headers={"Cookie": f"slotbeat_sign_in={kept}"}).status_code == 401
    for end in (
        "update sign_ins set expires_at = now() - interval '1 second' returning 1",
        "update api_tokens set revoked_at = now() returning 1",
    ):
        signed_in(wide, text)
        assert wide.ask("GET", "/api/slots").status_code == 200
        wide.rows(end)
        assert wide.ask("GET", "/api/slots").status_code == 401


def test_the_dashboards_buttons_need_the_scope(wide: Api) -> None:
    admin = token(wide, "admin", "admin")
    place = wide.ask("POST", "/api/workspaces", json={"name": "lab"}, headers=bearer(admin)).json()["id"]
    made = wide.ask("POST", "/api/schedules", json=form(place), headers=bearer(admin)).json()["schedule"]["id"]

    def press(how: str) -> int:
        csrf = sign_ins.csrf_of(wide.client.cookies["slotbeat_sign_in"])
        return wide.ask("POST", f"/schedules/{made}/run", data={"how": how, "csrf": csrf}, headers=HTML).status_code

    signed_in(wide, token(wide, "reader", "read"))
    assert press("") == 403
    signed_in(wide, token(wide, "operator", "operate"))
    assert [press("queue"), press("force")] == [303, 403]
    signed_in(wide, token(wide, "forcer", "force"))
    assert press("force") == 303
    signed_in(wide, token(wide, "guest", "admin", workspace=place))
    assert [wide.ask("GET", it, headers=HTML).status_code for it in ("/schedules", "/settings")] == [200, 403]
    assert press("queue") == 303


def test_a_browser_that_is_not_let_in_reads_a_page_and_a_program_json(wide: Api) -> None:
    text = token(wide, "alice", "operate")
    signed_in(wide, text)
    wide.client.cookies.set("slotbeat_sign_in", "slotbeat_over")
    pause = "/schedules/0199c6a3-0000-7000-8000-000000000000/pause"

    over = wide.ask("POST", pause, headers=HTML)
    foreign = wide.ask("POST", pause, headers={**HTML, "Sec-Fetch-Site": "cross-site"})

    assert (over.status_code, "Signed out" in over.text, "Bearer" in over.text) == (401, True, False)
    assert (foreign.status_code, "Another site" in foreign.text) == (403, True)
    assert {it.headers["Content-Type"] for it in (over, foreign)} == {"text/html; charset=utf-8"}
    assert refusal(wide.ask("POST", pause)) == (401, "token_needed")
    assert refusal(wide.ask("POST", f"/api{pause}", headers=HTML)) == (401, "token_needed")


def test_behind_a_token_a_browser_reads_a_page_while_postgres_is_away(
    wide: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(wide, token(wide, "alice", "operate"))
    # Each connection from now on is one to nobody.
    database = wide.app.state.database
    monkeypatch.setattr(database, "url", "postgresql://nobody@127.0.0.1:1/none")
    wide.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'slotbeat api'")

    page, listed = (wide.ask("GET", path, headers=HTML) for path in ("/", "/api/schedules"))

    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "Postgres cannot be reached" in page.text
    assert refusal(listed) == (503, "database_unavailable")
