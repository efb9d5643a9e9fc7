"""Whether a variant is right: cases with float64 references, and the comparison against them."""
