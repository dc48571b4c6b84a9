"""What happened and why, told from rows: of a firing, and of a schedule at a moment (OBS-3)."""
