"""Environment variables in which `workbench dashboard` hands its folders to the app."""

from __future__ import annotations

PROFILES = "WORKBENCH_PROFILES"
KERNELS = "WORKBENCH_KERNELS"
