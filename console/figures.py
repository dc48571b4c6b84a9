"""A value of a setting as people read and type it."""


def figure(value: object) -> str:
    """'60', not '60.0'; 'true', not 'True'."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
