"""What the project promises in seconds and ratios, measured: `make bench`. Nothing here asserts a time."""
