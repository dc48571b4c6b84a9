"""Settings over HTTP: each with its source, so that a variable that masks the table is seen."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from console.api.allowed import needs
from console.api.fields import Body
from console.api.paging import Listing
from console.api.state import Actor, Rows, Slots
from console.deeds import settings as deeds
from console.problems import Wrong, invalid
from shared.rules.scopes import Scope
from shared.settings import Setting, environment_name

router = APIRouter(prefix="/api/settings", tags=["settings"])


class Shown(BaseModel):
    """One setting: its value, where that came from, its default, what it means, and its variable."""

    key: str
    value: Any
    source: str
    default: Any
    meaning: str
    variable: str


class SettingForm(Body):
    """A setting's new value, typed as the setting is; its `key` may be said again."""

    value: Any
    key: str | None = None


@router.get("")
def list_settings(rows: Rows) -> Listing[Shown]:
    """Every setting."""
    return Listing(items=[_shown(it) for it in deeds.every(rows)], next_cursor=None)


@router.get("/{key}")
def get_setting(rows: Rows, key: str) -> Shown:
    """One setting."""
    return _shown(deeds.one(rows, key))


@router.put("/{key}", openapi_extra=needs(Scope.ADMIN))
def set_setting(slots: Slots, actor: Actor, key: str, form: SettingForm) -> Shown:
    """Writes it into the table; where `source` still is environment, the variable masks it."""
    if form.key not in (None, key):
        raise invalid(Wrong("key", "other_key", f"key is {key} at this address: leave it out."))
    return _shown(deeds.write(slots, key, form.value, actor))


def _shown(it: Setting) -> Shown:
    return Shown(**vars(it), variable=environment_name(it.key))
