"""A small fleet for the doctor to look at."""

from tests.process.conftest import fleet

__all__ = ["fleet"]
