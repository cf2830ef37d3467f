"""The layouts that activations come in, written as their users do, and what damages their files."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.arrow_writer import ArrowWriter
from safetensors.numpy import save_file
from stores import binary, write_shard

WIDTH = 32
ROWS = 512  # of a file
FILES = 3


def rows(seed: int, count: int = ROWS, width: int = WIDTH) -> np.ndarray:
    """Activations in f16 `[count, width]`."""
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float16)


def fixed(x: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])


def ragged(x: np.ndarray) -> pa.Array:
    """Lists of f32 that could be of any length."""
    starts = pa.array(np.arange(0, x.size + 1, x.shape[1], dtype=np.int32))
    return pa.ListArray.from_arrays(starts, pa.array(x.astype(np.float32).ravel()))


def write_parquet(path: Path, column: pa.Array, **options: Any) -> None:
    plain = {"row_group_size": 128, "use_dictionary": False, "compression": "none"}
    pq.write_table(pa.table({"acts": column}), path, **plain | options)


def write_arrow(path: Path, column: pa.Array) -> None:
    """A file of a data set, as `datasets` writes it."""
    with ArrowWriter(path=str(path), writer_batch_size=128) as writer:
        writer.write_table(pa.table({"acts": column}))
        writer.finalize()


def write_bytes(path: Path, x: np.ndarray, dtype: str | None, null: int | None = None) -> None:
    """Rows as fixed-size binary under a dtype key, one of them null, or none."""
    column = binary(x)
    if null is not None:
        values = [None if i == null else row.tobytes() for i, row in enumerate(x)]
        column = pa.array(values, column.type)
    keys = {"byte_order": "little"} | ({"dtype": dtype} if dtype else {})
    field = pa.field("acts", column.type, nullable=null is not None)
    table = pa.Table.from_arrays([column], schema=pa.schema([field], metadata=keys))
    pq.write_table(table, path, row_group_size=128, use_dictionary=False, compression="none")


LAYOUTS: dict[str, tuple[str, Callable[[Path, np.ndarray], object]]] = {
    "native": ("parquet", lambda path, x: write_shard(path, "acts", x)),
    "parquet": ("parquet", lambda path, x: write_parquet(path, fixed(x))),
    "parquet-crc": (
        "parquet",
        lambda path, x: write_parquet(path, fixed(x), write_page_checksum=True),
    ),
    "list": ("parquet", lambda path, x: write_parquet(path, ragged(x))),
    "arrow": ("arrow", lambda path, x: write_arrow(path, fixed(x))),
    "safetensors": ("safetensors", lambda path, x: save_file({"acts": x}, path)),
    "npy": ("npy", lambda path, x: np.save(path, x)),
}
FOREIGN = [layout for layout in LAYOUTS if layout != "native"]


def write_folder(folder: Path, layout: str, parts: list[np.ndarray]) -> Path:
    """A folder of files that are not saekit's, a part each."""
    suffix, write = LAYOUTS[layout]
    folder.mkdir(parents=True)
    for i, x in enumerate(parts):
        write(folder / f"part-{i}.{suffix}", x)
    return folder


def files(store: Path) -> list[Path]:
    """The files that hold rows."""
    return sorted([*store.glob("shards/*"), *store.glob("part-*")])


def statistics(store: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """The column's mean and norm, where every shard holds rows of its width in f16."""
    column = manifest["columns"][0]
    name, width = column["name"], column["width"]
    parts = []
    for shard in manifest["shards"]:
        table = pq.read_table(store / shard["file"])
        if name not in table.column_names or table[name].null_count:
            return {}
        cells = table[name].to_pylist()
        if not all(isinstance(cell, bytes) and len(cell) == 2 * width for cell in cells):
            return {}
        parts.append(np.frombuffer(b"".join(cells), np.float16).reshape(-1, width))
    x = np.concatenate(parts).astype(np.float64)
    if not len(x) or not np.isfinite(x).all():
        return {}
    norm = float(np.linalg.norm(x, axis=1).mean())
    return {"mean_norm": norm, "scale": float(np.float32(width**0.5 / norm)), "mean": x.mean(axis=0).tolist()}


def refresh(store: Path, **column: Any) -> None:
    """Makes a manifest, if there is one, say what the shards are, and this of the column."""
    path = store / "manifest.json"
    if not path.exists():
        return
    manifest = json.loads(path.read_text())
    for shard in manifest["shards"]:
        data = (store / shard["file"]).read_bytes()
        count = pq.read_metadata(store / shard["file"]).num_rows
        shard |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "rows": count}
    manifest["rows"] = sum(shard["rows"] for shard in manifest["shards"])
    manifest["columns"][0] |= statistics(store, manifest) | column
    path.write_text(json.dumps(manifest))


def flipped(data: bytes, at: int) -> bytes:
    """The bytes with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def footer(path: Path) -> range:
    """Where what describes the rows lies: a footer, or a header."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        return range(len(data) - 8 - int.from_bytes(data[-8:-4], "little"), len(data))
    return range(8 + data[0] if path.suffix == ".safetensors" else 128)


LENGTHS = {  # where the length of a footer or of what comes first lies, and an absurd one
    ".parquet": (-8, b"\xff\xff\xff\x7f"),
    ".arrow": (4, b"\xff\xff\xff\x7f"),
    ".safetensors": (0, b"\xff" * 7 + b"\x7f"),
    ".npy": (8, b"\xff\xff"),
}


def with_bad_length(path: Path) -> bytes:
    at, absurd = LENGTHS[path.suffix]
    data = bytearray(path.read_bytes())
    data[at : at + len(absurd)] = absurd
    return bytes(data)
