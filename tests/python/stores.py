"""Makes a native store with pyarrow alone, as docs/store-format.md says, and reads one."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 512  # rows
TYPES = {"f16": np.dtype("<f2"), "f32": np.dtype("<f4")}


def binary(x: np.ndarray) -> pa.Array:
    """Rows as fixed-size binary, without going through NumPy's `S`, which strips zero bytes."""
    kind = pa.binary(x.shape[1] * x.itemsize)
    return pa.Array.from_buffers(kind, len(x), [None, pa.py_buffer(np.ascontiguousarray(x))])


def write_shard(path: Path, name: str, x: np.ndarray) -> dict[str, Any]:
    """Writes rows of f16 and gives the manifest's entry."""
    schema = pa.schema(
        [pa.field(name, pa.binary(2 * x.shape[1]), nullable=False)],
        metadata={"dtype": "f16", "byte_order": "little"},
    )
    pq.write_table(
        pa.Table.from_arrays([binary(x)], schema=schema),
        path,
        row_group_size=ROW_GROUP,
        use_dictionary=False,
        compression="none",
        write_page_checksum=True,
    )
    data = path.read_bytes()
    found = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return {"file": f"shards/{path.name}", "rows": len(x), **found}


def write_store(store: Path, x: np.ndarray, shards: int) -> None:
    """Writes rows of f16 `[rows, width]` as a store of one column, `acts`."""
    (store / "shards").mkdir(parents=True)
    parts = enumerate(np.array_split(x, shards))
    made = [write_shard(store / f"shards/shard-{i:05}.parquet", "acts", p) for i, p in parts]
    wide = x.astype(np.float64)
    norm = float(np.linalg.norm(wide, axis=1).mean())
    column = {
        "name": "acts",
        "width": x.shape[1],
        "dtype": "f16",
        "mean_norm": norm,
        "scale": float(np.float32(x.shape[1] ** 0.5 / norm)),
        "mean": wide.mean(axis=0).tolist(),
    }
    manifest = {"format": "saekit-store", "version": 1, "rows": len(x), "columns": [column]}
    (store / "manifest.json").write_text(json.dumps(manifest | {"shards": made}))


def write_parquet(folder: Path, x: np.ndarray, files: int) -> None:
    """Writes rows of f16 as others do: lists in a column `acts`, and no manifest."""
    folder.mkdir(parents=True)
    for i, rows in enumerate(np.array_split(x, files)):
        column = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        path = folder / f"part-{i}.parquet"
        pq.write_table(pa.table({"acts": column}), path, row_group_size=ROW_GROUP)


def read_store(store: Path) -> np.ndarray:
    """The rows of a store's first column, in the order on disk `[rows, width]`."""
    manifest = json.loads((store / "manifest.json").read_text())
    column = manifest["columns"][0]
    parts = []
    for shard in manifest["shards"]:
        for chunk in pq.read_table(store / shard["file"])[column["name"]].chunks:
            raw = np.frombuffer(chunk.buffers()[1], TYPES[column["dtype"]])
            rows = raw.reshape(-1, column["width"])
            parts.append(rows[chunk.offset : chunk.offset + len(chunk)])
    return np.concatenate(parts)
