"""What a machine allows: the least time for a cost, limits, and the ladder of a device that was never measured."""
