"""Models trained on tasks with real data: each training recorded, resumable, and split into the parts of its steps."""
