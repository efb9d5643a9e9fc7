"""Records as one nested table, and back: columns, structs, lists and maps as the schema of the record has them.

The types of the columns come from the annotations of `Record` and of what it holds, so that a column of nothing but
missing values has the same type in every run and a new field needs no entry anywhere. What may be a number or a text
is a struct of both, of which one is filled.
"""

from __future__ import annotations

import functools
import itertools
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Union

from pydantic import BaseModel

from workbench.store.record import Record

SCALARS: dict[type, str] = {int: "integer", str: "text", float: "number", bool: "flag"}
"""Types of single values, and what the field of each is called where several are allowed."""


def columns_of(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """Name and Arrow type of each field of a model."""
    hints = typing.get_type_hints(model)  # Annotated fall away
    return [(info.alias or name, arrow_type(hints[name])) for name, info in model.model_fields.items()]


def arrow_type(annotation: Any) -> Any:
    """The Arrow type of what an annotation allows. TypeError for what no column can hold."""
    import pyarrow as pa

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return arrow_type(arguments[0])
    if origin in (Union, types.UnionType):
        several = [argument for argument in arguments if argument is not types.NoneType]
        if len(several) == 1:
            return arrow_type(several[0])
        return pa.struct([(SCALARS[_scalar(one)], arrow_type(one)) for one in several])
    if origin is list:
        return pa.list_(arrow_type(arguments[0]))
    if origin is dict:
        return pa.map_(pa.string(), arrow_type(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(columns_of(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return pa.string()
    scalar = {int: pa.int64(), str: pa.string(), float: pa.float64(), bool: pa.bool_()}.get(annotation)
    if scalar is None:
        raise TypeError(f"{annotation}: no column of a table can hold it")
    return scalar


def _scalar(annotation: Any) -> type:
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    if annotation not in SCALARS:
        raise TypeError(f"{annotation}: beside other types a column holds single values only")
    return typing.cast(type, annotation)


def encoder(annotation: Any) -> Callable[[Any], Any] | None:
    """What turns a value of this annotation into what its column takes; None where it is taken as it is."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return encoder(arguments[0])
    if origin in (Union, types.UnionType):
        several = [argument for argument in arguments if argument is not types.NoneType]
        if len(several) == 1:
            if (inner := encoder(several[0])) is None:
                return None
            present = inner
            return lambda value: None if value is None else present(value)
        return lambda value: None if value is None else {SCALARS[type(value)]: value}
    if origin is list and (encode := encoder(arguments[0])) is not None:
        each = encode
        return lambda value: [each(one) for one in value]
    if origin is dict and (encode := encoder(arguments[1])) is not None:
        of = encode
        return lambda value: {name: of(one) for name, one in value.items()}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fields_encoder(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return lambda value: value.value
    return None


def _fields_encoder(model: type[BaseModel]) -> Callable[[Any], Any] | None:
    hints = typing.get_type_hints(model)
    inner = {info.alias or name: encoder(hints[name]) for name, info in model.model_fields.items()}
    needed = {name: encode for name, encode in inner.items() if encode is not None}
    return (lambda value: {**value, **{name: e(value[name]) for name, e in needed.items()}}) if needed else None


def table_of(records: Iterable[Record]) -> Any:
    """A pyarrow Table of the records, a row each, with the same columns whatever they hold."""
    import pyarrow as pa

    encode, schema = _of_records()
    return pa.Table.from_pylist([encode(record.model_dump(by_alias=True)) for record in records], schema=schema)


@functools.cache
def _of_records() -> tuple[Callable[[Any], Any], Any]:
    """The encoder of records and the Arrow schema of their table: found out once, of hundreds of annotations."""
    import pyarrow as pa

    return encoder(Record) or (lambda value: value), pa.schema(columns_of(Record))


def write_table(records: Iterable[Record], path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table_of(records), path, compression="zstd")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a table as plain dictionaries, whoever wrote it."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = [_values(table.column(name).combine_chunks()) for name in table.column_names]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(array: Any) -> list[Any]:
    """The values of a column, a whole column at a time: several times as fast as value by value."""
    import pyarrow as pa

    kind, found = array.type, list[Any]()
    if isinstance(array, pa.ChunkedArray):  # of no chunk
        return []
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        members = [_values(array.field(place)) for place in range(len(names))]
        found = [dict(zip(names, row, strict=True)) for row in zip(*members, strict=True)]
    elif pa.types.is_map(kind):
        pairs = list(zip(_values(array.keys), _values(array.items), strict=True))
        found = [dict(pairs[first:last]) for first, last in _slices(array)]
    elif pa.types.is_list(kind):
        values = _values(array.values)
        found = [values[first:last] for first, last in _slices(array)]
    elif pa.types.is_floating(kind) and not array.null_count:
        return list(array.to_numpy().tolist())
    else:
        return list(array.to_pylist())
    if not array.null_count:
        return found
    return [one if there else None for one, there in zip(found, array.is_valid().to_pylist(), strict=True)]


def _slices(array: Any) -> Iterator[tuple[int, int]]:
    offsets = array.offsets.to_pylist()
    return itertools.pairwise(offsets)
