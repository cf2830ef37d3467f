# /// script
# requires-python = ">=3.11"
# dependencies = ["pyarrow==26.0.1", "polars==2.1.0", "duckdb==2.0.0", "datasets==5.2.0", "numpy==2.4.6", "safetensors==0.8.0"]
# ///
"""Writes files of other tools beside this script, and `index.json`, which says what they hold.

    uv run generate.py

A value is `((7 row + 3 element + seed) mod 97 - 48) / 8`, which every dtype holds exactly; a row of a
file with contexts is counted through all of them. Sequences are `row // 4`, positions `row % 4`.
"""

import json
import shutil
import tempfile
from pathlib import Path

import datasets
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import safetensors
import safetensors.numpy

HERE = Path(__file__).parent
ROWS, WIDTH, CONTEXT = 60, 5, 6
INDEX = []


def values(rows=ROWS, width=WIDTH, seed=0):
    row, element = np.meshgrid(np.arange(rows), np.arange(width), indexing="ij")
    return ((7 * row + 3 * element + seed) % 97 - 48) / 8


def note(file, columns, rows=ROWS, context=None, document=None, position=None, dtype=None, checked=False):
    """`columns` are name, width, seed and dtype as it is delivered; `checked` is for files with CRCs."""
    names = ("name", "width", "seed", "dtype")
    entry = {"file": file, "rows": rows, "columns": [dict(zip(names, column)) for column in columns]}
    entry |= {"context": context, "document": document, "position": position, "dtype": dtype, "checked": checked}
    INDEX.append(entry)


def fixed_list(rows, kind, nullable=True):
    flat = pa.array(rows.reshape(-1).astype(kind.to_pandas_dtype()), kind)
    return pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(pa.field("item", kind, nullable), rows.shape[1]))


def of_list(rows, kind, large=False):
    flat = pa.array(rows.reshape(-1).astype(kind.to_pandas_dtype()), kind)
    offsets = np.arange(len(rows) + 1) * rows.shape[1]
    if large:
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def of_bytes(rows, dtype):
    stored = rows.astype("<f2") if dtype == "f16" else (rows.astype("<f4").view("<u4") >> 16).astype("<u2")
    stored = np.ascontiguousarray(stored)
    return pa.Array.from_buffers(pa.binary(stored.shape[1] * 2), len(stored), [None, pa.py_buffer(stored)])


def parquet(file, columns, metadata=None, **options):
    table = pa.table(columns)
    table = table.replace_schema_metadata(metadata) if metadata else table
    pq.write_table(table, HERE / file, **options)


def numbers(rows=ROWS, document=pa.int64(), position=pa.uint32()):
    row = np.arange(rows)
    return {"doc": pa.array(row // 4, document), "pos": pa.array(row % 4, position)}


def from_pyarrow():
    f16, f32, f64 = pa.float16(), pa.float32(), pa.float64()
    ids = {"document": "doc", "position": "pos"}
    text = {"text": pa.array([f"row {row}" for row in range(ROWS)])}
    parquet("pyarrow_default.parquet", {**text, "acts": fixed_list(values(), f16), **numbers()})
    note("pyarrow_default.parquet", [("acts", WIDTH, 0, "f16")], **ids)
    deltas = {"doc": "DELTA_BINARY_PACKED", "pos": "DELTA_BINARY_PACKED"}
    columns = {"acts": fixed_list(values(seed=16), f32), **numbers(position=pa.int32())}
    parquet("pyarrow_delta.parquet", columns, use_dictionary=False, column_encoding=deltas)
    note("pyarrow_delta.parquet", [("acts", WIDTH, 16, "f32")], **ids)
    # Pages end in the middle of rows.
    small = {"data_page_size": 30, "write_batch_size": 7, "use_dictionary": False, "compression": "none"}
    parquet("pyarrow_pages.parquet", {"acts": of_list(values(seed=1), f16)}, **small, write_page_checksum=True)
    note("pyarrow_pages.parquet", [("acts", WIDTH, 1, "f16")], checked=True)
    two = {"a": of_list(values(width=3, seed=2), f32), "b": of_list(values(width=9, seed=3), f64, True)}
    second = {"data_page_version": "2.0", "data_page_size": 100, "compression": "zstd", "write_page_index": True}
    parquet("pyarrow_second.parquet", {**two, **numbers()}, write_page_checksum=True, row_group_size=25, **second)
    note("pyarrow_second.parquet", [("a", 3, 2, "f32"), ("b", 9, 3, "f32")], checked=True, **ids)
    for codec in ("gzip", "lz4", "snappy", "zstd"):
        file = f"pyarrow_{codec}.parquet"
        options = {"compression": codec, "use_dictionary": False, "write_page_checksum": True, "data_page_size": 200}
        parquet(file, {"acts": fixed_list(values(seed=4), f32, nullable=False)}, **options)
        note(file, [("acts", WIDTH, 4, "f32")], checked=True)
    split = {"use_dictionary": False, "use_byte_stream_split": True}
    three = {"a": of_list(values(seed=5), f32), "b": of_list(values(seed=6), f64), "c": of_list(values(seed=7), f16)}
    parquet("pyarrow_split.parquet", three, **split)
    note("pyarrow_split.parquet", [(n, WIDTH, 5 + i, d) for i, (n, d) in enumerate([("a", "f32"), ("b", "f32"), ("c", "f16")])])
    plain = {"a": of_bytes(values(seed=8), "f16"), "b": of_bytes(values(seed=9), "bf16")}
    parquet("pyarrow_bytes.parquet", plain, {"dtype": "f16", "b.dtype": "bf16"}, data_page_size=50)
    note("pyarrow_bytes.parquet", [("a", WIDTH, 8, "f16"), ("b", WIDTH, 9, "bf16")])
    parquet("pyarrow_no_dtype.parquet", {"acts": of_bytes(values(seed=10), "bf16")}, use_dictionary=False)
    note("pyarrow_no_dtype.parquet", [("acts", WIDTH, 10, "bf16")], dtype="bf16")
    parquet("pyarrow_wide.parquet", {"acts": fixed_list(values(30, 200, 11), f16)}, data_page_size=2000)
    note("pyarrow_wide.parquet", [("acts", 200, 11, "f16")], rows=30)
    arrow("pyarrow_file.arrow", pa.ipc.new_file, {**text, "acts": fixed_list(values(seed=12), f16), **numbers()})
    note("pyarrow_file.arrow", [("acts", WIDTH, 12, "f16")], **ids)
    lists = {"a": of_list(values(seed=13), f64), **text, "b": of_list(values(width=2, seed=14), f32, True)}
    arrow("pyarrow_stream.arrow", pa.ipc.new_stream, lists)
    note("pyarrow_stream.arrow", [("a", WIDTH, 13, "f32"), ("b", 2, 14, "f32")])
    arrow("pyarrow_bytes.arrow", pa.ipc.new_file, {"acts": of_bytes(values(seed=15), "bf16")})
    note("pyarrow_bytes.arrow", [("acts", WIDTH, 15, "bf16")], dtype="bf16")
    # Not read, and not in the index.
    arrow("compressed.arrow", pa.ipc.new_file, {"acts": of_list(values(), f32)}, compression="zstd")


def arrow(file, new, columns, **options):
    table = pa.table(columns)
    with new(str(HERE / file), table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=25)


def from_polars():
    row = np.arange(ROWS)
    frame = pl.DataFrame(
        {
            "name": pl.Series([f"a rather long name of row {r}" for r in row]),
            "a": pl.Series(values(seed=20).astype("f4"), dtype=pl.Array(pl.Float32, WIDTH)),
            "b": pl.Series(values(seed=21).tolist(), dtype=pl.List(pl.Float64)),
            "doc": pl.Series(row // 4, dtype=pl.UInt32),
            "pos": pl.Series(row % 4, dtype=pl.Int64),
        }
    )
    frame.write_parquet(HERE / "polars.parquet", row_group_size=32)
    frame.write_ipc(HERE / "polars.arrow", compression="uncompressed")
    for file in ("polars.parquet", "polars.arrow"):
        columns = [("a", WIDTH, 20, "f32"), ("b", WIDTH, 21, "f32")]
        note(file, columns, document="doc", position="pos")


def from_duckdb():
    activations = pa.table({"a": of_list(values(seed=22), pa.float32()), "b": fixed_list(values(seed=23), pa.float64()), **numbers()})
    assert len(activations) == ROWS  # duckdb finds it by its name
    path = HERE / "duckdb.parquet"
    duckdb.sql(f"copy (select * from activations) to '{path}' (format parquet)")
    note("duckdb.parquet", [("a", WIDTH, 22, "f32"), ("b", WIDTH, 23, "f32")], document="doc", position="pos")


def from_datasets():
    contexts = ROWS // CONTEXT
    rows = values(seed=24).reshape(contexts, CONTEXT, WIDTH).astype("f4")
    features = datasets.Features(
        {
            "blocks.0.hook": datasets.Array2D((CONTEXT, WIDTH), "float32"),
            "token_ids": datasets.Sequence(datasets.Value("int32"), CONTEXT),
        }
    )
    tokens = np.arange(ROWS, dtype="i4").reshape(contexts, CONTEXT)
    dataset = datasets.Dataset.from_dict({"blocks.0.hook": rows, "token_ids": tokens}, features=features)
    columns = [("blocks.0.hook", WIDTH, 24, "f32")]
    with tempfile.TemporaryDirectory() as folder:
        dataset.save_to_disk(folder)
        shutil.copy(Path(folder) / "data-00000-of-00001.arrow", HERE / "datasets.arrow")
    note("datasets.arrow", columns, context=CONTEXT)
    dataset.to_parquet(HERE / "datasets.parquet")
    note("datasets.parquet", columns, context=CONTEXT)


def from_numpy():
    for kind, dtype in (("f2", "f16"), ("f4", "f32"), ("f8", "f32")):
        file = f"numpy_{kind}.npy"
        np.save(HERE / file, values(seed=25).astype(f"<{kind}"))
        note(file, [("activations", WIDTH, 25, dtype)])
    np.save(HERE / "numpy_contexts.npy", values(seed=26).reshape(-1, CONTEXT, WIDTH).astype("<f2"))
    note("numpy_contexts.npy", [("activations", WIDTH, 26, "f16")], context=CONTEXT)
    bits = (values(seed=27).astype("<f4").view("<u4") >> 16).astype("<u2")
    np.save(HERE / "numpy_bits.npy", bits)
    note("numpy_bits.npy", [("activations", WIDTH, 27, "bf16")], dtype="bf16")


def from_safetensors():
    row = np.arange(ROWS)
    tensors = {"a": values(seed=28).astype("f2"), "b": values(width=2, seed=29), "doc": row // 4, "pos": (row % 4).astype("i4")}
    safetensors.numpy.save_file(tensors, HERE / "safetensors.safetensors", metadata={"model": "none"})
    columns = [("a", WIDTH, 28, "f16"), ("b", 2, 29, "f32")]
    note("safetensors.safetensors", columns, document="doc", position="pos")
    # The tensors of a chunk of OpenMOSS' cached activations.
    bits = (values(seed=30).astype("<f4").view("<u4") >> 16).astype("<u2")
    shape = [ROWS // CONTEXT, CONTEXT]

    def tensor(dtype, shape, array):
        return safetensors.TensorSpec(dtype=dtype, shape=shape, data_ptr=array.ctypes.data, data_len=array.nbytes)

    ids, mask = np.arange(ROWS, dtype="<i8"), np.ones(ROWS, "<i4")
    chunk = {
        "activation": tensor("bfloat16", [*shape, WIDTH], bits),
        "tokens": tensor("int64", shape, ids),
        "mask": tensor("int32", shape, mask),
        "attention_mask": tensor("int32", shape, mask),
    }
    safetensors.serialize_file(chunk, str(HERE / "openmoss.safetensors"))
    note("openmoss.safetensors", [("activation", WIDTH, 30, "bf16")], context=CONTEXT)


def main():
    from_pyarrow()
    from_polars()
    from_duckdb()
    from_datasets()
    from_numpy()
    from_safetensors()
    lines = ",\n".join(json.dumps(entry) for entry in INDEX)
    (HERE / "index.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
