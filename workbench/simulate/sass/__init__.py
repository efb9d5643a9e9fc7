"""SASS, the machine code of a cubin, as the simulator's machine runs it.

cubin.py     what a launch must know, out of the ELF: registers, parameters, shared and constant memory
text.py      nvdisasm's text, line by line
operands.py  one operand
forms.py     the declared table of instructions: what is known, and what each becomes
sources.py   what operands are to the machine
lower.py     a kernel of a cubin → a Program
coverage.py  which instructions of a cubin are known
"""
