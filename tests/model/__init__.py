"""The slot protocol as an abstract world, searched completely and held against the real scripts and rows."""
