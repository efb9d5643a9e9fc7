"""What samples allow to be said: intervals of medians and ratios, and verdicts held against the noise floor."""
