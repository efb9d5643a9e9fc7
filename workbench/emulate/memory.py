"""Buffers that tell when a kernel leaves them."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.declare import Tensor
from workbench.dtypes import numpy_dtype
from workbench.emulate.fault import EmulationFault
from workbench.emulate.runtime import runtime


class Memory:
    """Named host buffers, each between pages that nobody may touch.

    A buffer's base is a multiple of 16 bytes. With order "forward" and "shuffled" a buffer ends at a guard page, with
    "reversed" it begins behind one; what shares a page with it holds canaries (0xFF bytes, a NaN in every float type).
    Use it as a context manager, or call `release`.
    """

    def __init__(self, order: str = "forward") -> None:
        self._at_beginning = order == "reversed"
        self._runtime = runtime()
        self._arrays: dict[str, NDArray[Any] | None] = {}
        self._buffers: dict[str, int] = {}
        self._finalizer = weakref.finalize(self, _release, self._runtime, self._buffers)

    def put(self, name: str, array: NDArray[Any] | None) -> None:
        """A buffer with a copy of `array`; None for an absent optional tensor (kernels get a null pointer)."""
        if array is None:
            self._forget(name)
            self._arrays[name] = None
            return
        self._create(name, array.shape, array.dtype)[...] = array

    def empty(self, tensor: Tensor) -> None:
        """A buffer for a tensor that is yet to be written, every byte 0xFF: NaN in every float type."""
        self._create(tensor.name, tensor.shape, numpy_dtype(tensor.dtype))

    def array(self, name: str) -> NDArray[Any]:
        """The buffer as a numpy array that shares its memory: valid until `release`."""
        array = self._arrays[name]
        if array is None:
            raise KeyError(f"tensor {name} is absent")
        return array

    def get(self, name: str) -> NDArray[Any] | None:
        """As `array`, but None for an absent optional tensor."""
        return self._arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def check(self, kernel: str = "") -> None:
        """Raises EmulationFault "stray_write" if the bytes beside any buffer were written over (told once)."""
        text = ctypes.create_string_buffer(512)
        if self._runtime.emulator_buffers_check(text, len(text)):
            raise EmulationFault("stray_write", kernel, None, None, "write " + text.value.decode())

    def release(self) -> None:
        """Gives the memory back; arrays handed out before must not be used any more."""
        self._arrays.clear()
        _release(self._runtime, self._buffers)

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _create(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        self._forget(name)
        count = int(np.prod(shape, dtype=np.int64))
        nbytes = count * dtype.itemsize
        handle = self._runtime.emulator_buffer_create(name.encode(), nbytes, int(self._at_beginning))
        if not handle:
            raise MemoryError(f"no memory for tensor {name} of {nbytes} bytes")
        self._buffers[name] = handle
        address = self._runtime.emulator_buffer_data(handle)
        raw = (ctypes.c_uint8 * nbytes).from_address(address)
        array: NDArray[Any] = np.ctypeslib.as_array(raw).view(dtype).reshape(shape)
        self._arrays[name] = array
        return array

    def _forget(self, name: str) -> None:
        self._arrays.pop(name, None)
        handle = self._buffers.pop(name, None)
        if handle is not None:
            self._runtime.emulator_buffer_release(handle)


def _release(library: ctypes.CDLL, buffers: dict[str, int]) -> None:
    while buffers:
        library.emulator_buffer_release(buffers.popitem()[1])
