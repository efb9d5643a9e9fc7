"""From records to a decision: which variant a layer runs at a shape, and the variant run on torch's own tensors."""

from workbench.dispatch.choose import Choice, choose
from workbench.dispatch.native import host_function
from workbench.dispatch.run import bind, prepare

__all__ = ["Choice", "bind", "choose", "host_function", "prepare"]
