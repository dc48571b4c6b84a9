"""Looks at a live system, changes nothing, and names a remedy for each finding."""
