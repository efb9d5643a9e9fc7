"""Models trained on tasks with real data: each training recorded, resumable, and split into the parts of its steps."""

FORWARD, BACKWARD = " forward", " backward"
"""Behind a part's name in what is recorded: here, since whoever reads records imports no torch."""
