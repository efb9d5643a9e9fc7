"""Why an instruction is not run."""


class Refusal(Exception):
    """A form, modifier or operand that is not known; the text says which."""
