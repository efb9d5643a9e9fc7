"""A user's declarations, held to what they must be: whatever is wrong with one is a line that names its file.

Functions of a declaration are called through a wrapper. What they raise, and what they return instead of what
they should, becomes a DeclarationError with file, line and the word to change, wherever it happens.
"""

from workbench.declared.calls import DeclarationError, place_of
from workbench.declared.operations import checked_operation
from workbench.declared.variants import checked_variant, fault_of

__all__ = ["DeclarationError", "checked_operation", "checked_variant", "fault_of", "place_of"]
