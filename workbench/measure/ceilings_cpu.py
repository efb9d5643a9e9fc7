"""What this CPU gives at most, measured in the same run: memory, exponentials, multiply-adds, matrix products.

Bytes are counted as read plus written by the program. What a cache adds on its own is not counted: an ordinary store
first reads the line it is about to overwrite, so that a plain copy moves 3 bytes for the 2 that it is credited with,
a plain triad 4 for 3. Non-temporal stores move what is counted.

Memory, exponentials and multiply-adds run in C++ (ceilings_cpu.cpp) on as many threads as OpenMP would take, the
arrays on huge pages and several times the size of the last cache. The kinds are measured in turn, round after round,
so that a neighbour's load hits all of them alike. Each ceiling is its best round; the median of all rounds stands
beside it as `NAME_median`.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from workbench.problem import Problem

SOURCE = Path(__file__).with_suffix(".cpp")
CACHE_MULTIPLE = 4
"""Each array is at least this many times the last cache: what stays in it from round to round is then no matter."""
LEAST_ARRAY_BYTES = 64 << 20
SHARE_OF_MEMORY = 16
"""An array takes at most a sixteenth of the memory that is free."""
LEAST_ROUNDS = 5
ARITHMETIC_SECONDS = 0.005
"""About how long one timed call of exponentials or multiply-adds lasts."""
PRODUCT_SHARE = 0.25
"""Of the time: what goes to the matrix product."""
PRODUCT_SIZE = 2048
"""M = N = K of the matrix product."""


def last_cache_bytes(root: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """Size of the last cache level in bytes, from sysfs; 32 MiB where the system does not say."""
    sizes: dict[int, int] = {}
    for index in root.glob("index*"):
        try:
            level = int((index / "level").read_text())
            text = (index / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
        digits = text.rstrip("KMG")
        if digits.isdecimal():
            sizes[level] = max(sizes.get(level, 0), int(digits) * scale)
    return sizes[max(sizes)] if sizes else 32 << 20


def array_bytes(cache_bytes: int, free_bytes: int) -> int:
    """Bytes of each of the three arrays, whole lines."""
    wanted = max(LEAST_ARRAY_BYTES, CACHE_MULTIPLE * cache_bytes)
    return min(wanted, free_bytes // SHARE_OF_MEMORY) // 64 * 64


def measure_cpu_ceilings(seconds: float = 4.0) -> dict[str, float]:
    """Ceilings of all cores together, float32 throughout, in about `seconds` (and at least five rounds):

    - `copy_bytes_per_s`, `copy_nt_bytes_per_s`, `triad_bytes_per_s`, `triad_nt_bytes_per_s`: memory, with ordinary and
      with non-temporal stores, bytes read plus written. Where the compiler knows no non-temporal store (GCC on ARM),
      the two of a pair do the same.
    - `exp_per_s`: exponentials, inline, over all of float32's range, to about one unit in the last place, on data
      that stays in L1. `exp_libm_per_s`: the same by calls of the C library's vector expf (glibc's libmvec), missing
      where there is none.
    - `fma_flops_per_s`: independent multiply-adds, two operations each.
    - `matmul_flops_per_s`: torch's matrix product; missing where there is no torch.

    Each has its `…_median`. Raises Problem where there is no C++ compiler.
    """
    library = _library()
    threads = _threads()
    rates = _rounds(_memory(library, threads) | _arithmetic(library, threads), seconds * (1 - PRODUCT_SHARE))
    # Apart from the rest: a product takes as long as all of them, and torch's OpenMP, where it is not the same one,
    # leaves threads that spin for a while on the same cores.
    rates |= _rounds(_product(), seconds * PRODUCT_SHARE)
    best = {name: max(values) for name, values in rates.items()}
    return best | {f"{name}_median": statistics.median(values) for name, values in rates.items()}


_Kind = tuple[Callable[[], object], float]
"""An action and the amount of work in it: bytes, exponentials or operations."""


def _rounds(kinds: dict[str, _Kind], seconds: float) -> dict[str, list[float]]:
    """The rates of every kind, in amounts a second, measured in turn until the time is up."""
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    begin = time.perf_counter()
    rounds = 0
    while kinds and (rounds < LEAST_ROUNDS or time.perf_counter() - begin < seconds):
        for name, (action, amount) in kinds.items():
            rates[name].append(amount / _seconds(action))
        rounds += 1
    return rates


def _library() -> ctypes.CDLL:
    from workbench.build import HOST, Unit, build_or_raise

    unit = Unit(SOURCE, "float32", (), HOST)
    binary = build_or_raise([unit], f"{SOURCE.name} does not compile, so there are no ceilings", Problem)[unit]
    library = ctypes.CDLL(str(binary.path))
    library.exponentials_a_round.restype = ctypes.c_longlong
    library.flops_a_round.restype = ctypes.c_longlong
    library.exponential_of.argtypes, library.exponential_of.restype = [ctypes.c_float], ctypes.c_float
    return library


def _threads() -> int:
    """As many as OpenMP takes for the variants: OMP_NUM_THREADS, else the cores that this process may use."""
    named = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(named) if named.isdecimal() and int(named) > 0 else len(os.sched_getaffinity(0))


def _memory(library: ctypes.CDLL, threads: int) -> dict[str, _Kind]:
    import psutil

    nbytes = array_bytes(last_cache_bytes(), psutil.virtual_memory().available)
    n, workers = ctypes.c_longlong(nbytes // 4), ctypes.c_longlong(threads)
    maps = [_huge(nbytes) for _ in range(3)]
    a, b, c = (ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(m))) for m in maps)
    for array in (a, b, c):
        library.fill(array, ctypes.c_float(0.5), n, workers)  # by the threads that will read it: pages lie near them

    def copying(function: Callable[..., object]) -> Callable[[], object]:
        return lambda: (function(b, a, n, workers), maps)  # maps: the memory lives as long as the action

    def adding(function: Callable[..., object]) -> Callable[[], object]:
        return lambda: (function(b, c, a, n, workers), maps)

    return {
        "copy_bytes_per_s": (copying(library.copy), 2 * nbytes),
        "copy_nt_bytes_per_s": (copying(library.copy_nt), 2 * nbytes),
        "triad_bytes_per_s": (adding(library.triad), 3 * nbytes),
        "triad_nt_bytes_per_s": (adding(library.triad_nt), 3 * nbytes),
    }


def _huge(nbytes: int) -> mmap.mmap:
    """Anonymous memory that asks for huge pages, as the variants' buffers do."""
    mapping = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return mapping


def _arithmetic(library: ctypes.CDLL, threads: int) -> dict[str, _Kind]:
    exponentials, flops = library.exponentials_a_round(), library.flops_a_round()
    kinds = {
        "exp_per_s": _repeated(library.exponentials, exponentials, threads),
        "fma_flops_per_s": _repeated(library.multiply_adds, flops, threads),
    }
    if library.exponentials_libm(ctypes.c_longlong(1), ctypes.c_longlong(1)):
        kinds["exp_libm_per_s"] = _repeated(library.exponentials_libm, exponentials, threads)
    return kinds


def _repeated(function: Callable[..., object], amount: int, threads: int) -> _Kind:
    """A call of enough rounds to last ARITHMETIC_SECONDS, found with one thread: nothing then waits for another."""
    rounds = 64
    alone = ctypes.c_longlong(1)
    while min(_seconds(partial(function, ctypes.c_longlong(rounds), alone)) for _ in range(5)) < ARITHMETIC_SECONDS:
        rounds *= 2
    n, workers = ctypes.c_longlong(rounds), ctypes.c_longlong(threads)
    return partial(function, n, workers), float(amount * rounds * threads)


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _product() -> dict[str, _Kind]:
    try:
        import torch
    except ImportError:
        return {}
    x = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE)
    y = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE)
    out = torch.empty_like(x)
    return {"matmul_flops_per_s": (lambda: torch.matmul(x, y, out=out), 2.0 * PRODUCT_SIZE**3)}
