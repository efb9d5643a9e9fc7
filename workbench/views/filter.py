"""What is looked at: the filter that every page, figure and query shares."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Filter:
    """Values that a record must have to be looked at; an empty tuple admits all."""

    runs: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    """Ids: of a simulated architecture one of its own."""
    sizes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """(axis, the sizes admitted), for axes of which not all are."""
    factors: tuple[str, ...] = ()
    """`name=value`; of one name any of the values admits, of several names all must."""

    def factor_values(self) -> dict[str, tuple[str, ...]]:
        """Factor name → the values admitted."""
        values: dict[str, tuple[str, ...]] = {}
        for factor in self.factors:
            name, _, value = factor.partition("=")
            values[name] = (*values.get(name, ()), value)
        return values

    def where(self) -> tuple[str, list[object]]:
        """The SQL condition and its parameters, over the columns of nested records. A record without an axis that a
        size is asked for on is not admitted."""
        wanted: list[tuple[str, tuple[object, ...]]] = [
            ("operation", self.operations),
            ("variant", self.variants),
            ("dtype", self.dtypes),
            ('"pass"', self.passes),
            ("backend", self.backends),
            ("machine", self.machines),
        ]
        for axis, sizes in self.sizes:
            quoted = axis.replace("'", "''")
            wanted.append((f"axes['{quoted}']", sizes))
        for name, values in self.factor_values().items():
            quoted = name.replace("'", "''")
            wanted.append((f"factors['{quoted}']", values))
        conditions = [f"{column} IN ({', '.join('?' * len(values))})" for column, values in wanted if values]
        parameters = [value for _, values in wanted for value in values]
        return " AND ".join(conditions) or "TRUE", parameters


@dataclass(frozen=True)
class Choices:
    """The values that occur in some runs: what a filter can offer."""

    operations: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    dtypes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By operation: one of an operation that has no record of it would filter everything out."""
    passes: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """By axis, in the order in which operations declare them."""
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Those of each operation, the operation with most variants first."""
    factors: tuple[str, ...] = ()
