"""What this machine can do for the workbench, and what would mend what it cannot.

machine    the questions put to the machine, in one place, so that a test can answer them
checks     a line each: ok, missing or wrong, with its fix
diagnose   all of them in order
"""

from workbench.doctor.checks import Check, can_sweep, diagnose
from workbench.doctor.machine import Machine

__all__ = ["Check", "Machine", "can_sweep", "diagnose"]
