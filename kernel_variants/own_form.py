"""What a peer asks its caller to bring: a layout, a logarithm, a module that holds weights in its own order.

It is made at the first evaluation of a set of tensors and kept as long as they live, so that no clock sees it: a peer
is measured as its authors measure it. Its idea says what was made beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class OwnForm:
    """`make(*tensors)`, evaluated once for each first tensor and again where one was written to in between."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._kept: Any = None

    def __call__(self, *tensors: Any) -> Any:
        from torch.utils.weak import WeakIdKeyDictionary

        if self._kept is None:
            self._kept = WeakIdKeyDictionary()
        versions = tuple(None if tensor is None else tensor._version for tensor in tensors)
        found = self._kept.get(tensors[0])
        if found is None or found[0] != versions:
            found = self._kept[tensors[0]] = (versions, self._make(*tensors))
        return found[1]
