"""How fast a variant is: warm-up, clocks, interleaved blocks, the rule that ends them, and ceilings of the machine."""
