"""Where a firing stands in its line."""

# A lower-numbered priority goes before this many later arrivals of the next one; nobody starves.
PRIORITY_STEP = 100


def place_in_line(line_no: int, priority: int) -> int:
    """Its place among those of its workspace and lane: the least goes first."""
    return line_no + priority * PRIORITY_STEP
