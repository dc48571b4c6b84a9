"""What a schedule may run, as it is written: one model a kind of target."""

import re
import warnings
from typing import Annotated, Any, Literal, get_args

from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from console.api.fields import Body, SomeSeconds, by_rule
from shared.rules.addresses import checked_url
from shared.rules.allowed import check_callable, check_command
from shared.rules.text import clean, clean_json
from shared.settings import read

# Linux takes no longer argument, nor a longer variable.
_LONGEST_ARGUMENT = 128 * 1024 - 1
_HEADER = re.compile(r"[A-Za-z0-9-]{1,200}")
_HEADERS_OF_OURS = ("host", "content-length", "transfer-encoding", "connection", "idempotency-key")
_CALLABLE = r"^[A-Za-z_][\w-]*([.:][A-Za-z_]\w*)*$"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _argument(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("argument_nul", "no argument can have a NUL: take it out")
    if len(value.encode(errors="replace")) > _LONGEST_ARGUMENT:
        raise PydanticCustomError("argument_length", "an argument takes at most 128 KiB: use the prompt, or a file")
    return value


def _program(value: list[str]) -> list[str]:
    if not value[0]:
        raise PydanticCustomError("program_empty", 'the first argument is the program, for example ["agent", "run"]')
    return value


def _folder(value: str) -> str:
    if not value.startswith("/") or ".." in value.split("/"):
        raise PydanticCustomError("folder", "needs a folder's full path, without .., for example /srv/agent")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise PydanticCustomError("variable", "a variable's name has letters, digits and _ only")
    return value


def _callable(value: str) -> str:
    if not re.fullmatch(_CALLABLE, value):
        raise PydanticCustomError("callable", "needs a callable's path, for example agents.daily:report")
    return value


def _open_url(value: str) -> str:
    return checked_url(value, read().allowed.networks)


def _bounded_json(value: Any) -> Any:
    if clean_json(value) != value:
        raise PydanticCustomError("json", "takes JSON of at most 32 levels, without NUL, NaN and lone surrogates")
    return value


Argument = Annotated[str, AfterValidator(_argument)]
Argv = Annotated[list[Argument], Field(min_length=1, max_length=1000), AfterValidator(_program)]


class Secret(Body):
    """A value that only workers know, by the name of their variable; it is in no row, log or page."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: Annotated[str, AfterValidator(_variable), Field(alias="$env", max_length=200)]


def _which(value: Any) -> str:
    return "secret" if isinstance(value, dict | Secret) else "text"


# Told apart before they are read, so that what is wrong is said of one of them.
Value = Annotated[Annotated[Argument, Tag("text")] | Annotated[Secret, Tag("secret")], Discriminator(_which)]
Env = Annotated[dict[Annotated[str, AfterValidator(_variable)], Value], Field(max_length=1000)]
Folder = Annotated[Argument, Field(max_length=4000), AfterValidator(_folder)]


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise PydanticCustomError("header", "a header's name has letters, digits and - only")
    if value.lower() in _HEADERS_OF_OURS or value.lower().startswith("slotbeat-"):
        raise PydanticCustomError("header_ours", "this header is written by the worker: leave it out")
    return value


def _header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise PydanticCustomError("header_value", "a header is one line of plain ASCII")
    return value


Headers = Annotated[
    dict[
        Annotated[str, AfterValidator(_header)],
        Annotated[
            Annotated[str, Field(max_length=8000), AfterValidator(_header_value), Tag("text")]
            | Annotated[Secret, Tag("secret")],
            Discriminator(_which),
        ],
    ],
    Field(max_length=100),
]
TargetUrl = Annotated[str, Field(max_length=100_000), AfterValidator(by_rule(_open_url))]
_Json = Annotated[Any, AfterValidator(_bounded_json)]


class Command(Body):
    """A program under a guard: an argument list, never a shell's line; the prompt goes to its standard input."""

    kind: Literal["command"]
    argv: Argv
    env: Env = Field({})
    cwd: Folder | None = None
    adapter: Literal["generic", "claude-code", "codex"] = "generic"

    @model_validator(mode="after")
    def _is_allowed(self) -> "Command":
        by_rule(lambda _: check_command(self.argv, self.env, read().allowed))(None)
        return self


class Http(Body):
    """One request, with the prompt in its JSON body; 2xx is success."""

    kind: Literal["http"]
    url: TargetUrl
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: Headers = Field({})
    body: Annotated[dict[str, _Json], Field(max_length=1000)] | None = None
    prompt_field: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    timeout_s: SomeSeconds | None = None


class A2a(Body):
    """An agent that speaks the Agent2Agent protocol, by the address under which its card is found."""

    kind: Literal["a2a"]
    url: TargetUrl
    card_path: Annotated[str, Field(max_length=500, pattern=r"^[A-Za-z0-9._~/-]+$")] | None = None
    headers: Headers = Field({})


class Python(Body):
    """A callable: `package.module:function`, or the name of an entry point of the group slotbeat.targets."""

    kind: Literal["python"]
    callable: Annotated[str, Field(max_length=500, json_schema_extra={"pattern": _CALLABLE}), AfterValidator(_callable)]
    kwargs: Annotated[dict[str, _Json], Field(max_length=1000)] = Field({})
    env: Env = Field({})
    cwd: Folder | None = None

    @model_validator(mode="after")
    def _is_allowed(self) -> "Python":
        by_rule(lambda _: check_callable(self.callable, self.env, read().allowed))(None)
        return self


class CeleryTask(Body):
    """A task of another Celery app, by name and queue; where its broker is, only workers know."""

    kind: Literal["celery"]
    task: Annotated[str, Field(min_length=1, max_length=500)]
    queue: Annotated[str, Field(min_length=1, max_length=200)] = "celery"
    broker_url: Secret
    result_backend: Secret | None = None
    args: Annotated[list[_Json], Field(max_length=1000)] = Field([])
    kwargs: Annotated[dict[str, _Json], Field(max_length=1000)] = Field({})
    prompt_argument: Annotated[str, Field(max_length=200)] = "prompt"

    @field_validator("args", "kwargs")
    @classmethod
    def _no_secrets(cls, value: Any) -> Any:
        if "$env" in str(value):
            raise PydanticCustomError(
                "secret_in_message", "arguments are in the broker and in Flower: no secrets there"
            )
        return value


_Any = Command | Http | A2a | Python | CeleryTask
Target = Annotated[_Any, Field(discriminator="kind")]
_TARGET: TypeAdapter[_Any] = TypeAdapter(Target)
KINDS: tuple[str, ...] = tuple(get_args(it.model_fields["kind"].annotation)[0] for it in get_args(_Any))


def changed(target: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A target with other values of some fields, judged as a whole; of another kind, nothing of the old one stays."""
    whole = {**target, **changes} if changes.get("kind", target["kind"]) == target["kind"] else changes
    try:
        return _TARGET.validate_python(whole).model_dump(exclude_none=True)
    except ValidationError as error:
        wrong = [{**it, "loc": ("body", "target", *it["loc"])} for it in error.errors()]
        raise RequestValidationError(wrong) from error


def _pattern(value: str) -> str:
    if clean(value) != value:
        raise PydanticCustomError("pattern", r"has a character that no text can have: write it as an escape, as in \\0")
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        told = "is no regular expression: {why}. Write it as Python's re does, for example (?m)^done in \\d+ s$"
        raise PydanticCustomError("pattern", told, {"why": str(error)}) from error  # pyright: ignore[reportArgumentType]
    return value


class SuccessCheck(Body):
    """What must hold for a firing to count as completed.

    Either a program that ends with 0 (it reads the result from its standard input), or a pattern found in the
    result, a regular expression. Both are ended after the setting `success_check_s`, and are red then.
    """

    argv: Argv | None = None
    pattern: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_pattern)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "SuccessCheck":
        if (self.argv is None) == (self.pattern is None):
            raise PydanticCustomError("success_check", "give either argv or pattern")
        return self
