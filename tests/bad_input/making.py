"""What the cases are made of: the files of each kind, and what a case is."""

from __future__ import annotations

import io
import json
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LENGTH = "--metrics sequence_length"
COSINE = "--metrics distsum_cosine"

GOOD = [{"instruction": f"Name {at} rivers.", "response": f"Here are {at} of them."} for at in range(12)]
TALK = [{"role": "user", "content": "Good morning"}, {"role": "assistant", "content": "Hello"}]
NUMBERS = np.random.default_rng(3).normal(size=(12, 3))


class Case(NamedTuple):
    name: str
    # File name -> content; None makes a folder, and "-" is what stands on stdin.
    files: dict[str, bytes | None]
    command: str
    message: str


# --- what files are made of


def lines(*rows: Any) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def listed(*rows: Any) -> bytes:
    return json.dumps(rows, indent=1).encode()


def third(row: Any) -> bytes:
    """Two good rows, then the one in question."""
    return lines(*GOOD[:2], row)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def parquet(rows: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(rows if isinstance(rows, pa.Table) else table(rows), stream)
    return stream.getvalue()


def arrow(rows: Any, stream_format: bool = False) -> bytes:
    stream = io.BytesIO()
    content = rows if isinstance(rows, pa.Table) else table(rows)
    with (pa.ipc.new_stream if stream_format else pa.ipc.new_file)(stream, content.schema) as writer:
        writer.write_table(content)
    return stream.getvalue()


def zst(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


def npy(array: Any, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def npy_with_header(header: str) -> bytes:
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(96)


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, vectors=NUMBERS)
    return stream.getvalue()


def with_row(row: int, values: Any) -> Any:
    changed = NUMBERS.copy()
    changed[row] = values
    return changed


def with_column(row: int, value: Any) -> bytes:
    """A pool with vectors in the column v, one of them another value."""
    return lines(*({**good, "v": value if at == row else NUMBERS[at].tolist()} for at, good in enumerate(GOOD)))


def strings_of_bytes(*values: bytes) -> pa.Array:
    """A column that says it is text, whatever its bytes."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


def file(name: str, content: bytes | None, message: str, arguments: str = LENGTH) -> Case:
    return Case(
        name, {} if content is None else {name: content}, f"measure {name} {arguments}", f"{re.escape(name)}(?:{message})"
    )


def chat(name: str, messages: Any, message: str) -> Case:
    return file(name, lines({"messages": TALK}, {"messages": TALK}, {"messages": messages}), f", line 3: {message}")


def alpaca(name: str, message: str, **fields: Any) -> Case:
    good = {"instruction": "Add.", "input": "1 2", "output": "3"}
    return file(name, lines(good, good, {**good, **fields}), f", line 3: {message}")


def shape(name: str, row: Any, message: str, arguments: str = LENGTH) -> Case:
    return file(name, lines(row), message, arguments)
