"""What the project promises in seconds and ratios, measured: `make bench`. Nothing here or in the tests asserts a time."""
