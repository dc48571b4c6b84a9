"""What a schedule may run, as it is written: one model a kind of target."""

import re
import warnings
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from console.api.fields import Body
from shared.rules.text import clean

# Linux takes no longer argument, nor a longer variable.
_LONGEST_ARGUMENT = 128 * 1024 - 1
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
        raise PydanticCustomError("folder", "is a folder's full path, without ..")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise PydanticCustomError("variable", "a variable's name has letters, digits and _ only")
    return value


Argument = Annotated[str, AfterValidator(_argument)]
Argv = Annotated[list[Argument], Field(min_length=1, max_length=1000), AfterValidator(_program)]


class Command(Body):
    """A program under a guard: an argument list, never a shell's line; the prompt goes to its standard input."""

    kind: Literal["command"]
    argv: Argv
    env: dict[Annotated[str, AfterValidator(_variable)], Argument] = Field({}, max_length=1000)
    cwd: Annotated[Argument, Field(max_length=4000), AfterValidator(_folder)] | None = None
    adapter: Literal["generic"] = "generic"


# Further kinds join here, told apart by `kind`.
Target = Annotated[Command, Field(description="What runs; further kinds are told apart by `kind`.")]


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
