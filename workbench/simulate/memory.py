"""Buffers of a simulated launch: numpy arrays, and the addresses that the kernel sees.

Addresses are invented, so that they are the same in every run and on every machine: buffers lie one behind the other,
each at a multiple of 256 bytes (as cudaMalloc aligns) with nothing but a guard between two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.declare import Tensor
from workbench.dtypes import numpy_dtype

FIRST_ADDRESS = 0x7F00_0000_0000
ALIGNMENT = 256
GUARD_BYTES = 4096
OF_MODULE = "/"
"""Between a module and its variable in a buffer's name; messages have the variable alone."""


class Memory:
    """Named buffers. Arrays that it hands out share the kernel's memory."""

    def __init__(self, guard_bytes: int = GUARD_BYTES) -> None:
        """`guard_bytes` lie between two buffers."""
        self._guard_bytes = guard_bytes
        self._arrays: dict[str, NDArray[Any] | None] = {}
        self._addresses: dict[str, int] = {}
        self._read_only: set[str] = set()
        self._unwritten: dict[str, NDArray[np.uint8]] = {}
        """By byte, 1: nobody has written it."""
        self._next = FIRST_ADDRESS

    def put(self, name: str, array: NDArray[Any] | None, writable: bool = False) -> None:
        """A buffer with a copy of `array`; None for an absent optional tensor (kernels get a null pointer)."""
        self._arrays[name] = None
        if array is not None:
            self._place(name, np.array(array, order="C", copy=True), writable)

    def take(self, name: str, array: NDArray[Any]) -> None:
        """The array itself as a buffer that kernels may write."""
        self._place(name, np.ascontiguousarray(array), True)

    def empty(self, tensor: Tensor) -> None:
        """A buffer for a tensor that is yet to be written, every byte 0xFF: NaN in every float type."""
        array = np.empty(tensor.shape, numpy_dtype(tensor.dtype))
        array.view(np.uint8).fill(0xFF)
        self._place(tensor.name, array, True)
        self._unwritten[tensor.name] = np.ones(max(1, array.nbytes), np.uint8)

    def fill(self, tensors: Iterable[Tensor], inputs: Mapping[str, NDArray[Any] | None]) -> None:
        """A buffer for each tensor: what is given with its values (null where it is absent), all else yet to be
        written. What is worked on in place may be written."""
        for tensor in tensors:
            if tensor.given:
                self.put(tensor.name, inputs.get(tensor.name), writable=tensor.compared)
            else:
                self.empty(tensor)

    def _place(self, name: str, array: NDArray[Any], writable: bool) -> None:
        self._arrays[name] = array
        self._addresses[name] = self._next
        self._read_only.discard(name)
        self._unwritten.pop(name, None)
        if not writable:
            self._read_only.add(name)
        self._next += -(-(array.nbytes + self._guard_bytes) // ALIGNMENT) * ALIGNMENT

    def protect(self, name: str) -> None:
        """From now on no kernel may write the buffer."""
        self._read_only.add(name)

    def array(self, name: str) -> NDArray[Any]:
        array = self._arrays[name]
        if array is None:
            raise KeyError(f"tensor {name} is absent")
        return array

    def get(self, name: str) -> NDArray[Any] | None:
        return self._arrays[name]

    def address(self, name: str) -> int | None:
        """Where the kernel finds the buffer; None for an absent one."""
        return None if self._arrays[name] is None else self._addresses[name]

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def written(self, name: str) -> None:
        """From now on the buffer counts as written: a clear or a library call has filled it."""
        self._unwritten.pop(name, None)

    def all_written(self) -> None:
        """So does every buffer: a launch that nobody watched has filled what it fills."""
        self._unwritten.clear()

    def unwritten(self, name: str) -> int:
        """Bytes of the buffer that nobody has written, as far as launches were watched."""
        found = self._unwritten.get(name)
        return 0 if found is None or self._arrays[name] is None else int(found[: self.array(name).nbytes].sum())

    def allocations(self) -> list[tuple[int, str, NDArray[Any], bool, NDArray[np.uint8] | None]]:
        """Address, name, array, whether a kernel may write it, which bytes nobody has written (None: not watched); in
        the order of addresses."""
        found = [
            (self._addresses[name], name, array, name not in self._read_only, self._unwritten.get(name))
            for name, array in self._arrays.items()
            if array is not None
        ]
        return sorted(found, key=lambda entry: entry[0])
