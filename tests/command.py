"""`python tests/command.py …`: `workbench …` with ceilings that a session of tests measures once."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    from tests.known_ceilings import remember_ceilings
    from workbench.cli import main

    if "sweep" in sys.argv[1:2]:
        remember_ceilings()
    main()
