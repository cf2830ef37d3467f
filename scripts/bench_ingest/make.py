"""Writes the same made-up activations in every layout that is read: python make.py FOLDER ROWS WIDTH.

- `raw.f16`: values of two bytes, one after the other
- `native/`: a store as docs/store-format.md says, columns of fixed-size binary; `native-plain/`: the same
  without checksums of its pages
- `fsl/`, `fsl-default/`: parquet files of fixed-size lists, plain and as pyarrow writes them by default
- `dataset/`: saved by `datasets`
- `contexts/`: the same, as SAELens caches them, an `Array2D` of `CONTEXT` tokens a row
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Array2D, Dataset, Features, List, Value

CONTEXT = 128
BLOCK = 16384  # rows made at a time, a multiple of CONTEXT
ROW_GROUP = 16 << 20  # bytes
PLAIN = {"use_dictionary": False, "compression": "none", "write_page_checksum": True}
LAYOUTS = {"fsl": PLAIN, "fsl-default": {}}
NATIVE = {"native": PLAIN, "native-plain": PLAIN | {"write_page_checksum": False}}


def blocks(rows: int, width: int) -> Iterator[np.ndarray]:
    """Rows of f16, the same each time."""
    for start in range(0, rows, BLOCK):
        values = np.random.default_rng(start).standard_normal(
            (min(BLOCK, rows - start), width), np.float32
        )
        yield values.astype(np.float16)


def lists(x: np.ndarray) -> pa.Table:
    """Rows as a table of fixed-size lists."""
    return pa.table({"acts": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])})


def binary(x: np.ndarray) -> pa.Table:
    """Rows as a table of fixed-size binary, as in a store's shard."""
    kind = pa.binary(2 * x.shape[1])
    column = pa.Array.from_buffers(kind, len(x), [None, pa.py_buffer(x)])
    meta = {"dtype": "f16", "byte_order": "little"}
    field = pa.field("acts", kind, nullable=False)
    return pa.Table.from_arrays([column], schema=pa.schema([field], metadata=meta))


def write_raw(folder: Path, rows: int, width: int) -> None:
    """One file of nothing but values."""
    with (folder / "raw.f16").open("wb") as file:
        for x in blocks(rows, width):
            file.write(x.tobytes())


def write_lists(folder: Path, name: str, rows: int, width: int) -> None:
    """One parquet file of fixed-size lists; by default a row group is what is written at once."""
    (folder / name).mkdir()
    writer = None
    for x in blocks(rows, width):
        table = lists(x)
        path = folder / name / "part-0.parquet"
        writer = writer or pq.ParquetWriter(path, table.schema, **LAYOUTS[name])
        writer.write_table(table, row_group_size=ROW_GROUP // (2 * width))
    if writer:
        writer.close()


def write_native(folder: Path, name: str, rows: int, width: int) -> None:
    """A store of one shard."""
    shard = folder / name / "shards/shard-00000.parquet"
    shard.parent.mkdir(parents=True)
    norms, mean, writer = 0.0, np.zeros(width), None
    for x in blocks(rows, width):
        wide = x.astype(np.float64)
        norms += np.linalg.norm(wide, axis=1).sum()
        mean += wide.sum(axis=0)
        writer = writer or pq.ParquetWriter(shard, binary(x).schema, **NATIVE[name])
        writer.write_table(binary(x), row_group_size=ROW_GROUP // (2 * width))
    if writer:
        writer.close()
    column = {"name": "acts", "width": width, "dtype": "f16", "mean_norm": norms / rows}
    column["scale"] = float(np.float32(width**0.5 / column["mean_norm"]))
    column["mean"] = (mean / rows).tolist()
    with shard.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    entry = {"file": f"shards/{shard.name}", "rows": rows, "sha256": sha256}
    entry["bytes"] = shard.stat().st_size
    manifest = {"format": "saekit-store", "version": 1, "rows": rows}
    manifest |= {"columns": [column], "shards": [entry]}
    (folder / name / "manifest.json").write_text(json.dumps(manifest))


def write_datasets(folder: Path, rows: int, width: int) -> None:
    """A data set of rows, and one of contexts."""
    cache = folder / "cache"
    one = Features({"acts": List(Value("float16"), length=width)})
    many = Features({"acts": Array2D(shape=(CONTEXT, width), dtype="float16")})
    made = {
        "dataset": (one, lambda: ({"acts": row} for x in blocks(rows, width) for row in x)),
        "contexts": (
            many,
            lambda: (
                {"acts": part}
                for x in blocks(rows, width)
                for part in x.reshape(-1, CONTEXT, width)
            ),
        ),
    }
    for name, (features, examples) in made.items():
        data = Dataset.from_generator(examples, features=features, cache_dir=str(cache))
        data.save_to_disk(folder / name)
    shutil.rmtree(cache)


def main() -> None:
    """Writes everything, and a mark when it is whole."""
    folder, rows, width = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    write_raw(folder, rows, width)
    for name in NATIVE:
        write_native(folder, name, rows, width)
    for name in LAYOUTS:
        write_lists(folder, name, rows, width)
    write_datasets(folder, rows, width)
    (folder / "whole.json").write_text(json.dumps({"rows": rows, "width": width}))


if __name__ == "__main__":
    main()
