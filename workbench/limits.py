"""The limits of the device that plans are made for: of the GPU here, else of one named by its architecture."""

from __future__ import annotations

import ctypes
import functools
import os
import uuid
from dataclasses import dataclass

from workbench.declare import Limits
from workbench.devices import arch_limits, for_arch
from workbench.problem import Problem

ASSUMED_ARCH = "sm_90"
"""What plans are made for where there is no GPU: what their kernels are checked and simulated as."""
MULTIPROCESSORS, MAJOR, MINOR, SHARED_OPTIN = 16, 75, 76, 97
"""CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, COMPUTE_CAPABILITY_MAJOR and _MINOR, MAX_SHARED_MEMORY_PER_BLOCK_OPTIN."""


@dataclass(frozen=True)
class Gpu:
    """The first NVIDIA GPU, as its driver reports it."""

    name: str
    limits: Limits
    uuid: str = ""


@functools.cache
def gpu() -> Gpu | None:
    """None where there is no driver or no GPU. Needs no torch."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, count = ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return None
    if driver.cuDeviceGet(ctypes.byref(device), 0) or driver.cuDeviceGetName(name, 256, device):
        return None
    found = []
    for attribute in (MULTIPROCESSORS, MAJOR, MINOR, SHARED_OPTIN):
        value = ctypes.c_int()
        if driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device):
            return None
        found.append(value.value)
    sms, major, minor, shared = found
    return Gpu(name.value.decode(), Limits(f"sm_{major}{minor}", sms, shared), _uuid(driver, device))


def _uuid(driver: ctypes.CDLL, device: ctypes.c_int) -> str:
    """As nvidia-smi writes it; empty where the driver has no answer."""
    found = ctypes.create_string_buffer(16)
    if driver.cuDeviceGetUuid(found, device):
        return ""
    return f"GPU-{uuid.UUID(bytes=found.raw)}"


@functools.cache
def limits_of(arch: str) -> Limits:
    """Of an architecture: its largest named GPU, where it has one; multiprocessors are 1 where it has none."""
    known = arch_limits(arch)
    sms = max((device.sms for device in for_arch(arch)), default=1)
    return Limits(known.arch, sms, known.shared_bytes_per_block)


def limits_here(cuda: bool = True) -> Limits:
    """Of what plans are made for on this machine: a GPU's, or for variants that no GPU runs, the processor's."""
    if not cuda:
        return Limits("cpu", len(os.sched_getaffinity(0)), 0)
    found = gpu()
    return found.limits if found else limits_of(ASSUMED_ARCH)


def limits_for(arch: str) -> Limits:
    """Of the architecture that a unit is compiled for; the GPU's own where it is that of the GPU here."""
    found = gpu()
    if found is not None and found.limits.arch == arch:
        return found.limits
    try:
        return limits_of(arch)
    except Problem:  # one that the compiler offers and the data file does not hold
        return Limits(arch, 1, 48 << 10)
