"""Rows of a Parquet file, which is how the Hub keeps most data sets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import orjson

from evald.errors import EvaluationError

MAGIC = b"PAR1"

BATCH = 64
"""Rows that are unpacked at once."""


def read(stream: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """The rows. Raises EvaluationError of kind `dataset`."""
    with _opened(stream, name) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            for row in _in_microseconds(batch).to_pylist():
                yield orjson.loads(orjson.dumps(row, default=_plain))


def count(stream: BinaryIO, name: str) -> int:
    """Number of rows, which the file tells. Raises EvaluationError of kind `dataset`."""
    with _opened(stream, name) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _opened(stream: BinaryIO, name: str) -> Iterator[Any]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError:
        message = f"{name}: Parquet files need the package pyarrow: pip install pyarrow"
        raise EvaluationError("dataset", message) from None
    with TemporaryFile() as spool:
        if not stream.seekable():  # what a file holds is told at its end
            shutil.copyfileobj(stream, spool)
            stream = spool
        try:
            yield ParquetFile(stream)
        except OverflowError as e:
            raise EvaluationError(
                "dataset", f"{name}: it has a date that cannot be read: {e}"
            ) from e
        except (pyarrow.ArrowException, ValueError) as e:
            raise EvaluationError("dataset", f"{name}: it is not Parquet: {e}") from e


def _in_microseconds(batch: Any) -> Any:
    """A batch whose times are such as Python has: of finer ones pandas would be needed."""
    import pyarrow

    for index, field in enumerate(batch.schema):
        if pyarrow.types.is_timestamp(field.type) and field.type.unit == "ns":
            times = batch.column(index).cast(pyarrow.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(index, field.name, times)
    return batch


def _plain(value: Any) -> str:
    """What JSON has no form for, as a text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
