"""Sources → binaries, and what the compiler made of them. Needs no GPU and no driver."""

from workbench.compile.archs import check_arch, parse_archs, supported_archs
from workbench.compile.compile_units import all_built, build_or_raise, build_unit, build_units
from workbench.compile.facts import facts_of, kernels_of, listing_of, listings_of
from workbench.compile.messages import first_errors
from workbench.compile.occupancy import Occupancy, OccupancyPoint, occupancy, sweep
from workbench.compile.units import HOST, Binary, CompileFailure, Unit, unit_of, unit_of_source, units_of

__all__ = [
    "HOST",
    "Binary",
    "CompileFailure",
    "Occupancy",
    "OccupancyPoint",
    "Unit",
    "all_built",
    "build_or_raise",
    "build_unit",
    "build_units",
    "check_arch",
    "facts_of",
    "first_errors",
    "kernels_of",
    "listing_of",
    "listings_of",
    "occupancy",
    "parse_archs",
    "supported_archs",
    "sweep",
    "unit_of",
    "unit_of_source",
    "units_of",
]
