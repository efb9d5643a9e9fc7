"""The dashboard's script, run without a browser."""

from __future__ import annotations

import functools
from pathlib import Path

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]

# Each of them looks through all installed packages for parts of pages of theirs: more than half of a page's time.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


def new_app(**parameters: str) -> AppTest:
    """Not run yet, with what its address says."""
    test = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=120)
    for name, value in parameters.items():
        test.query_params[name] = value
    return test
