"""Writes the store `pyarrow_store/` beside this script, as docs/store-format.md says, with pyarrow alone.

    python pyarrow_store.py        # made with pyarrow 22.0.0, numpy 2

`expected.json` holds the rows in the order on disk. Every value is a multiple of 1/8 below 16, so all
three dtypes hold it exactly.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

STORE = Path(__file__).parent / "pyarrow_store"
COLUMNS = {"blocks.0.hook_resid_post": ("f16", 4), "blocks.1.hook_mlp_out": ("bf16", 3), "embed": ("f32", 2)}
SEQUENCES, LENGTH, SHARD_ROWS = 6, 5, 18


def to_bytes(rows, dtype):
    if dtype == "f16":
        return rows.astype("<f2")
    if dtype == "f32":
        return rows.astype("<f4")
    return (rows.astype("<f4").view("<u4") >> 16).astype("<u2")


def fixed(rows, dtype):
    """Rows as a FixedSizeBinary array, without a copy a row."""
    stored = np.ascontiguousarray(to_bytes(rows, dtype))
    width = stored.shape[1] * stored.itemsize
    return pa.Array.from_buffers(pa.binary(width), len(stored), [None, pa.py_buffer(stored)])


def file_entry(path):
    data = path.read_bytes()
    return {
        "file": path.relative_to(STORE).as_posix(),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def main():
    rng = np.random.default_rng(0)
    (STORE / "shards").mkdir(parents=True, exist_ok=True)
    total = SEQUENCES * LENGTH
    rows = {n: rng.integers(-127, 128, (total, w)) / 8 for n, (_, w) in COLUMNS.items()}
    order = rng.permutation(total)

    shards = []
    for index, start in enumerate(range(0, total, SHARD_ROWS)):
        part = order[start : start + SHARD_ROWS]
        arrays = [fixed(rows[name][part], dtype) for name, (dtype, _) in COLUMNS.items()]
        arrays += [pa.array(part // LENGTH, pa.uint32()), pa.array(part % LENGTH, pa.uint32())]
        names = [*COLUMNS, "sequence", "position"]
        schema = pa.schema(
            [pa.field(n, a.type, nullable=False) for n, a in zip(names, arrays)],
            metadata={"byte_order": "little"} | {f"{n}.dtype": d for n, (d, _) in COLUMNS.items()},
        )
        path = STORE / f"shards/shard-{index:05}.parquet"
        pq.write_table(
            pa.Table.from_arrays(arrays, schema=schema),
            path,
            row_group_size=7,
            use_dictionary=False,
            compression={n: "zstd" if n in ("sequence", "position") else "none" for n in names},
            write_page_checksum=True,
        )
        shards.append({**file_entry(path), "rows": len(part)})

    tokens = STORE / "tokens.parquet"
    numbers = np.arange(total, dtype=np.uint32).reshape(SEQUENCES, LENGTH)
    columns = {"token_ids": numbers, "document": numbers // 7, "byte_start": 3 * numbers, "byte_end": 3 * numbers + 2}
    lists = {n: pa.array(v.tolist(), pa.list_(pa.uint32())) for n, v in columns.items()}
    pq.write_table(pa.table(lists), tokens, compression="zstd")

    norms = {n: float(np.linalg.norm(r, axis=1).mean()) for n, r in rows.items()}
    manifest = {
        "format": "saekit-store",
        "version": 1,
        "rows": total,
        "sequences": SEQUENCES,
        "columns": [
            {
                "name": name,
                "width": width,
                "dtype": dtype,
                "mean_norm": norms[name],
                "scale": float(np.float32(width**0.5 / norms[name])),
                "mean": rows[name].mean(axis=0).tolist(),
            }
            for name, (dtype, width) in COLUMNS.items()
        ],
        "tokens": file_entry(tokens),
        "shards": shards,
    }
    (STORE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    expected = {"columns": {n: r[order].tolist() for n, r in rows.items()}}
    expected |= {"sequences": (order // LENGTH).tolist(), "positions": (order % LENGTH).tolist()}
    (STORE / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
