"""What a selection comes to on this machine, found out once: every stage takes its part of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.catalog import Catalog
from workbench.check.examine import ARCH
from workbench.compile import Unit
from workbench.declare import Device, Shape, Variant
from workbench.declared import DeclarationError
from workbench.execute.this_machine import default_devices, gpu_arch, why_unsupported
from workbench.limits import limits_for
from workbench.store.record import Record, Seeds
from workbench.sweep.building import units_for
from workbench.sweep.checking import SIMULATED, has_kernels
from workbench.sweep.jobs import Begun, CaseJob, VariantJob
from workbench.sweep.records import Candidate
from workbench.sweep.selection import Case, Selection, cases_of, dtypes_of, small_shape


@dataclass(frozen=True)
class Simulated:
    """A variant that runs nowhere here, at its operation's small shape: executed by the simulator."""

    candidate: Candidate
    fault: str | None
    """What is wrong with its declarations."""

    def refused(self) -> str | None:
        """Why it cannot be done on the architecture that is simulated; None where it can, or where none is named."""
        candidate = self.candidate
        return candidate.variant.supports(candidate.shape, limits_for(candidate.arch)) if candidate.arch else None


class Work:
    """The cases of a selection, and what is compiled, simulated and timed of them."""

    def __init__(self, selection: Selection, catalog: Catalog) -> None:
        """Problem for what the catalogue does not have."""
        self.selection = selection
        self.catalog = catalog
        self.cases: list[Case] = cases_of(selection, catalog)
        asked = selection.devices or default_devices()
        self.devices: tuple[str, ...] = tuple(device for device in asked if device != SIMULATED)
        """Where it is timed."""
        self._architectures = selection.archs if SIMULATED in asked else ("",)
        self.timed: list[tuple[Case, Device]] = [
            (case, "cuda" if device == "cuda" else "cpu") for device in self.devices for case in self.cases
        ]
        small = [self._simulated(variant, shape) for variant, shape in self._small_shapes()]
        self.simulated = [
            dataclasses.replace(one, candidate=dataclasses.replace(one.candidate, arch=arch))
            for one in small
            if self._is_simulated(one.candidate.variant)
            for arch in self._architectures
        ]
        self._compiled = [one.candidate for one in small if one.fault is None]

    def units(self) -> list[Unit]:
        """All that has to be compiled: kernels for every architecture, host functions."""
        found = []
        for candidate in self._compiled:
            checked = (ARCH,) if self._is_simulated(candidate.variant) and self._architectures == ("",) else ()
            archs = dict.fromkeys((*self.archs(candidate.variant), *checked))
            found += units_for(candidate.variant, candidate.shape, archs)
        for case in self.cases:
            for variant in case.variants:
                if why_unsupported(variant, case.shape) is None and "cuda" not in variant.devices:
                    # What is wrong with its plan is in the record that timing it gives.
                    with contextlib.suppress(DeclarationError):
                        found += units_for(variant, case.shape, ())
        return found

    def archs(self, variant: Variant) -> tuple[str, ...]:
        """What the variant's kernels are compiled for; the GPU's own architecture first."""
        if "cuda" not in variant.devices:
            return ()
        if "cuda" in self.devices:
            return tuple(dict.fromkeys((*filter(None, [gpu_arch()]), *self.selection.archs)))
        return self.selection.archs

    def archs_of(self, candidate: Candidate) -> tuple[str, ...]:
        """Those that belong to a simulated record: its own, or all of the selection where it stands for no one."""
        return (candidate.arch,) if candidate.arch else self.archs(candidate.variant)

    def candidate(self, case: Case, variant: Variant, device: Device) -> Candidate:
        return Candidate(variant, case.operation, case.shape, device)

    def job(
        self,
        case: Case,
        device: Device,
        done: Mapping[str, Record],
        begun: Mapping[str, Begun],
        ceilings: Mapping[str, float],
    ) -> CaseJob:
        """What is still to be timed of a case: its variants that have no record."""
        variants = [
            VariantJob(key, variant.name, variant.settings, begun.get(key))
            for variant in case.variants
            if device in variant.devices and (key := self.candidate(case, variant, device).key) not in done
        ]
        keys = [self.candidate(case, variant, device).key for variant in case.variants]
        timed_on = [held.machine for key in keys if (held := done.get(key) or begun.get(key)) and held.machine]
        selection = self.selection
        return CaseJob(
            kernels=selection.folder,
            operation=case.operation.name,
            pass_=case.operation.pass_,
            shape=case.shape,
            device=device,
            variants=tuple(variants),
            budget=selection.budget(),
            tune=selection.tune,
            timeout_s=selection.timeout_s,
            seeds=Seeds(inputs=selection.seed, order=selection.seed_order),
            ceilings=dict(ceilings),
            machine=next(iter(timed_on), ""),
        )

    def _simulated(self, variant: Variant, shape: Shape) -> Simulated:
        operation = self.catalog.operation_of(variant)
        candidate = Candidate(variant, operation, shape, SIMULATED, Seeds(inputs=self.selection.seed))
        return Simulated(candidate, candidate.broken())

    def _is_simulated(self, variant: Variant) -> bool:
        """Where there is no GPU, or where that is asked for, variants that run nowhere else here are simulated."""
        return ("cuda" not in self.devices or self._architectures != ("",)) and has_kernels(variant)

    def _small_shapes(self) -> list[tuple[Variant, Shape]]:
        """Every CUDA variant at its operation's small shape, in each dtype asked for."""
        found = []
        for variant in {v.key: v for case in self.cases for v in case.variants}.values():
            operation = self.catalog.operation_of(variant)
            for dtype in dtypes_of(self.cases, operation.key):
                shape = small_shape(operation, dtype)
                if "cuda" in variant.devices and why_unsupported(variant, shape) is None:
                    found.append((variant, shape))
        return found
