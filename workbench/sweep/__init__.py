"""The main job: builds, checks, times and records a selection of variants, in that order, and can be continued."""
