"""The one shape of "this value cannot be", told by field, code and remedy."""


class RefusedValueError(ValueError):
    """A value not accepted: `field` as the API calls it, a stable `code`, a `message` with a remedy."""

    field: str
    code: str
    message: str

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.message = message
