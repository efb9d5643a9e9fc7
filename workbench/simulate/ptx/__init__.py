"""PTX → programs of the machine: the text read, each instruction lowered to a form, registers given rows.

What is not known is refused by name and line, never guessed.
"""

from workbench.simulate.ptx.kernel import Module, Variable, read_module

__all__ = ["Module", "Variable", "read_module"]
