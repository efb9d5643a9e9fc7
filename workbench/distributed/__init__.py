"""Training on several ranks: each scheme on torch's own engine, with own code only where torch has none."""
