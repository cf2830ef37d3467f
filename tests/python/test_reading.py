"""Contents of files of other tools: each kind that is read, and each that is called by its name."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Saekit
from safetensors.numpy import save_file
from stores import read_store

WIDTH = 32
SHAPE = ["--d-sae", "64", "--k", "4", "--batch", "256"]


def rows(count: int = 512, seed: int = 0) -> np.ndarray:
    """Activations that bf16 holds exactly, `[count, WIDTH]`."""
    x = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    return (x.view(np.uint32) & 0xFFFF0000).view(np.float32)


def fixed(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def write_arrow(path: Path, table: pa.Table, **options: object) -> None:
    options = pa.ipc.IpcWriteOptions(**options)
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, table.schema, options=options) as w:
        w.write_table(table)


def write(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        write_arrow(path, table)


def converted(saekit: Saekit, location: Path, *flags: str) -> np.ndarray:
    """The rows that saekit reads, sorted."""
    out = location.parent / "converted"
    ended = saekit.run("convert-store", location, "--out", out, "--dtype", "f32", "--force", *flags)
    assert ended.code == 0, ended
    return in_order(read_store(out))


def in_order(x: np.ndarray) -> np.ndarray:
    return x[np.lexsort(x.T)]


def refused(saekit: Saekit, *command: str | Path) -> str:
    """The one line of an error, which is short."""
    ended = saekit.run(*command)
    assert ended.code == 1, ended
    error = ended.err.splitlines()[-1]
    assert len(error) < 1200, error
    return error


def follow(error: str, folder: Path) -> None:
    """Runs the line of Python that an error advises."""
    command = shlex.split(error[error.index("python -c") :])
    command[0] = sys.executable
    subprocess.run(command, cwd=folder, check=True)


def test_columns_are_read_by_name_whatever_their_order(saekit: Saekit, tmp_path: Path) -> None:
    """Case 07."""
    x, y, acts = rows(seed=0), rows(seed=1), tmp_path / "acts"
    acts.mkdir()
    write(acts / "part-0.parquet", pa.table({"resid": fixed(x), "mlp": fixed(y)}))
    write(acts / "part-1.parquet", pa.table({"mlp": fixed(y), "resid": fixed(x)}))
    found = converted(saekit, acts, "--hook", "resid")
    np.testing.assert_array_equal(found, in_order(np.concatenate([x, x])))
    more = ["--hook", "resid", *SHAPE, "--out", tmp_path / "run"]
    assert saekit.run("train", "--store", acts, *more).code == 0


def bits(x: np.ndarray) -> np.ndarray:
    return (x.view(np.uint32) >> 16).astype(np.uint16)


@pytest.mark.parametrize("kind", [np.uint16, np.int16], ids=["unsigned", "signed"])
@pytest.mark.parametrize("name", ["x.npy", "x.parquet", "x.arrow", "x.safetensors", "delta.parquet"])
def test_bf16_in_whole_numbers(
    name: str, kind: type, saekit: Saekit, tmp_path: Path
) -> None:
    """Case 14: numpy has no bfloat16, so its bits are kept as whole numbers."""
    x = rows()
    halves, path = bits(x).view(kind), tmp_path / name
    if path.suffix == ".npy":
        np.save(path, halves)
    elif path.suffix == ".safetensors":
        save_file({"acts": halves}, path)
    elif name == "delta.parquet":
        encoding = {"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}
        pq.write_table(pa.table({"acts": fixed(halves)}), path, **encoding)
    else:
        write(path, pa.table({"acts": fixed(halves)}))
    assert "bf16" in refused(saekit, "inspect", path)
    np.testing.assert_array_equal(converted(saekit, path, "--half-dtype", "bf16"), in_order(x))


QUANTIZED = {
    "scalar": lambda scales: pa.array(scales),
    "double": lambda scales: pa.array(scales.astype(np.float64)),
    "half": lambda scales: pa.array(scales.astype(np.float16)),
    "list-of-one": lambda scales: fixed(scales[:, None]),
}


@pytest.mark.parametrize("kind", [np.int8, np.uint8], ids=["signed", "unsigned"])
@pytest.mark.parametrize("scale", QUANTIZED)
@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
def test_bytes_with_a_scale_column(
    name: str, scale: str, kind: type, saekit: Saekit, tmp_path: Path
) -> None:
    """A value is the product of a whole number and the scale of its row."""
    rng, path, info = np.random.default_rng(0), tmp_path / name, np.iinfo(kind)
    numbers = rng.integers(info.min, info.max, (512, WIDTH), dtype=kind, endpoint=True)
    scales = rng.uniform(0.01, 1, 512).astype(np.float16).astype(np.float32)
    texts = pa.array(["a"] * 512)
    write(path, pa.table({"acts": fixed(numbers), "s": QUANTIZED[scale](scales), "name": texts}))
    ended = saekit.run("inspect", path)
    assert ended.code == (0 if scale == "list-of-one" else 1), ended
    assert "8-bit whole numbers in column `acts`" in ended.err, ended
    assert "`--scale-column`" in ended.err, ended
    found = converted(saekit, path, "--scale-column", "s")
    np.testing.assert_array_equal(found, in_order(numbers.astype(np.float32) * scales[:, None]))
    assert "no column `t`; it has" in refused(saekit, "inspect", path, "--scale-column", "t")
    assert "column `name` of scales" in refused(saekit, "inspect", path, "--scale-column", "name")
    both = ["--column", "s", "--scale-column", "s"]
    assert "cannot be the activations" in refused(saekit, "inspect", path, *both)


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
def test_bytes_with_scales_in_documents_of_any_length(
    name: str, saekit: Saekit, tmp_path: Path
) -> None:
    """A row is a document: a list of vectors, and a list of their scales."""
    rng, path = np.random.default_rng(0), tmp_path / name
    lengths = [5, 1, 7, 3]
    parts = [rng.integers(-128, 128, (n, WIDTH), dtype=np.int8) for n in lengths]
    scales = [rng.uniform(0.01, 1, n).astype(np.float32) for n in lengths]
    acts = pa.array([p.tolist() for p in parts], pa.list_(pa.list_(pa.int8())))
    lists = pa.array([s.tolist() for s in scales], pa.list_(pa.float32()))
    write(path, pa.table({"acts": acts, "s": lists}))
    found = converted(saekit, path, "--scale-column", "s")
    products = [p.astype(np.float32) * s[:, None] for p, s in zip(parts, scales, strict=True)]
    np.testing.assert_array_equal(found, in_order(np.concatenate(products)))
    other = pa.array([s.tolist() for s in scales[::-1]], pa.list_(pa.float32()))
    write(path, pa.table({"acts": acts, "s": other}))
    assert "column `s` of scales" in refused(saekit, "inspect", path, "--scale-column", "s")


def test_a_scale_column_that_means_nothing_is_refused(saekit: Saekit, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write(path, pa.table({"acts": fixed(rows()), "s": pa.array(np.ones(512, np.float32))}))
    error = refused(saekit, "inspect", path, "--scale-column", "s")
    assert "no vectors of 8-bit whole numbers" in error, error
    np.save(tmp_path / "x.npy", rows())
    assert "`--scale-column`" in refused(saekit, "inspect", tmp_path / "x.npy", "--scale-column", "s")


UUIDS = [f"<urn:uuid:{document:08x}-0000>" for document in range(16)]
IDS = {
    "text": pa.array(UUIDS),
    "large-text": pa.array(UUIDS, pa.large_string()),
    "view": pa.array(UUIDS, pa.string_view()),
    "dictionary": pa.array(UUIDS).dictionary_encode(),
    "binary": pa.array([u.encode() for u in UUIDS]),
    "fixed": pa.array([bytes([i] * 16) for i in range(16)], pa.binary(16)),
    "i64": pa.array([i * (1 << 50) - (1 << 53) for i in range(16)]),
    "u64": pa.array([(1 << 64) - 1 - i for i in range(16)], pa.uint64()),
    "i8": pa.array(range(-8, 8), pa.int8()),
    "i16": pa.array(range(-8, 8), pa.int16()),
}


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
@pytest.mark.parametrize("kind", IDS)
def test_ids_of_any_type(kind: str, name: str, saekit: Saekit, tmp_path: Path) -> None:
    """Case 16: rows of a document are on the same side of a split, whatever its id is."""
    x, path = rows(), tmp_path / name
    ids = IDS[kind].to_pylist()
    document = pa.array([ids[i // 32] for i in range(512)], IDS[kind].type)
    position = pa.array(np.arange(512) % 32, pa.uint8())
    write(path, pa.table({"acts": fixed(x), "doc": document, "pos": position}))
    places = ["--document", "doc", "--position", "pos"]
    ended = saekit.run("verify", path, *places)
    assert ended.code == 0, ended
    store = {row.tobytes(): i // 32 for i, row in enumerate(x)}
    kept = converted(saekit, path, *places, "--held-out", "0.5")
    counts = np.bincount([store[row.tobytes()] for row in kept], minlength=16)
    assert set(counts) == {0, 32}, counts


def test_a_null_id_is_named(saekit: Saekit, tmp_path: Path) -> None:
    document = pa.array([None if i == 7 else i // 32 for i in range(512)])
    table = {"acts": fixed(rows()), "doc": document, "pos": pa.array(np.arange(512) % 32)}
    write(tmp_path / "x.parquet", pa.table(table))
    places = ["--document", "doc", "--position", "pos"]
    error = refused(saekit, "verify", tmp_path / "x.parquet", *places)
    assert "`doc`" in error and "a null at row 7" in error


@pytest.mark.parametrize("count", [768, 6000])
@pytest.mark.parametrize("name", ["wide.parquet", "wide.arrow"])
def test_a_column_per_dimension(name: str, count: int, saekit: Saekit, tmp_path: Path) -> None:
    """Case 15: the message is short, and its line of Python makes what is read."""
    x = np.random.default_rng(0).standard_normal((20, count)).astype(np.float32)
    table = {str(i): x[:, i] for i in range(count)} | {"text": ["a"] * 20}
    write(tmp_path / name, pa.table(table))
    error = refused(saekit, "inspect", tmp_path / name)
    assert f"{count} columns" in error and f"{count - 8} more" in error
    follow(error, tmp_path)
    np.testing.assert_array_equal(converted(saekit, tmp_path / "wide.npy"), in_order(x))


def test_vectors_of_spark_are_named(saekit: Saekit, tmp_path: Path) -> None:
    x = rows(6)
    x[2:4, 5:] = 0
    sparse = {"type": 0, "size": WIDTH, "indices": [0, 1, 2, 3, 4]}
    lists = [
        sparse | {"values": row[:5].tolist()}
        if i in (2, 3)
        else {"type": 1, "size": None, "indices": None, "values": row.tolist()}
        for i, row in enumerate(x)
    ]
    fields = [("type", pa.int8()), ("size", pa.int32())]
    fields += [("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float64()))]
    path = tmp_path / "spark.parquet"
    pq.write_table(pa.table({"id": range(6), "acts": pa.array(lists, pa.struct(fields))}), path)
    error = refused(saekit, "inspect", path)
    assert "vectors of Spark" in error and "vector_to_array" in error
    follow(error, tmp_path)
    np.testing.assert_array_equal(converted(saekit, tmp_path / "spark.npy"), in_order(x))


def test_kinds_that_are_not_read_are_named(saekit: Saekit, tmp_path: Path) -> None:
    for ending, name in {
        "pt": "a pickle of PyTorch",
        "pth": "a pickle of PyTorch",
        "bin": "a pickle of PyTorch",
        "pkl": "a pickle of Python",
        "npz": "an archive of numpy's arrays",
        "h5": "an HDF5 file",
        "csv": "a table of text",
    }.items():
        folder = tmp_path / ending
        folder.mkdir()
        (folder / f"acts.{ending}").write_bytes(b"\0" * 64)
        for location in [folder, folder / f"acts.{ending}"]:
            error = refused(saekit, "inspect", location)
            assert name in error and "python -c" in error, error


def test_an_archive_of_numpy_is_converted_as_the_message_says(
    saekit: Saekit, tmp_path: Path
) -> None:
    x = rows()
    np.savez(tmp_path / "acts.npz", acts=x)
    follow(refused(saekit, "inspect", tmp_path / "acts.npz"), tmp_path)
    found = converted(saekit, tmp_path / "acts.safetensors")
    np.testing.assert_array_equal(found, in_order(x))


STAND_INS = {
    "git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548105171\n",
    "HTML": b"<!DOCTYPE html><html><title>Log in</title></html>",
    "XML": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "empty": b"",
}


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.safetensors", "x.npy"])
@pytest.mark.parametrize("kind", STAND_INS)
def test_what_stands_in_for_a_file_is_named(
    kind: str, name: str, saekit: Saekit, tmp_path: Path
) -> None:
    """Case 12."""
    (tmp_path / name).write_bytes(STAND_INS[kind])
    error = refused(saekit, "inspect", tmp_path)
    assert f"{name} is " in error and kind in error, error
    assert kind != "git-lfs" or "`git lfs pull`" in error


@pytest.mark.parametrize(
    "bad", [None, [1.0] * 31, [], [1.0] * 31 + [None]], ids=["null", "short", "empty", "null-value"]
)
def test_bad_rows_are_left_out_as_the_message_says(
    bad: list | None, saekit: Saekit, tmp_path: Path
) -> None:
    """Case 40."""
    lists: list = rows().tolist()
    lists[100] = bad
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"acts": pa.array(lists, pa.list_(pa.float32()))}), path)
    error = refused(saekit, "verify", path)
    assert "row 100" in error
    expression = re.search(r"`(t\.filter\(.*\))`", error)
    assert expression, error
    pq.write_table(eval(expression[1], {"t": pq.read_table(path)}), path)
    assert len(converted(saekit, path)) == 511


def test_a_header_of_npy_with_any_bit_flipped(saekit: Saekit, tmp_path: Path) -> None:
    """An error, or the same rows: never the array in another order or of another type."""
    x, path = rows(64), tmp_path / "x.npy"
    np.save(path, x)
    sound = path.read_bytes()
    order = sound.index(b"False")
    for at, bit in [(order + 1, 4), *((at, at % 8) for at in range(6, 128, 7))]:
        data = bytearray(sound)
        data[at] ^= 1 << bit
        path.write_bytes(data)
        ended = saekit.run("verify", path)
        assert ended.code == 1 and "x.npy" in ended.err, (at, ended)


def test_many_columns_are_not_listed(saekit: Saekit, tmp_path: Path) -> None:
    """300,000 tensors, none of them rows."""
    header: dict = {}
    for i in range(300_000):
        header[f"layer.{i}"] = {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]}
    data = json.dumps(header).encode()
    body = bytes(4 * 300_000)
    (tmp_path / "x.safetensors").write_bytes(len(data).to_bytes(8, "little") + data + body)
    error = refused(saekit, "inspect", tmp_path / "x.safetensors")
    assert "299992 more" in error
    error = refused(saekit, "inspect", tmp_path / "x.safetensors", "--column", "acts")
    assert "299992 more" in error and "`acts`" in error


def list_of(values: pa.Array, lens: list[int], large: bool = False) -> pa.Array:
    kind, starts = (pa.LargeListArray, np.int64) if large else (pa.ListArray, np.int32)
    return kind.from_arrays(pa.array(np.cumsum([0, *lens]).astype(starts)), values)


DOCUMENTS = [5, 1, 33, 2, 2, 64, 21]  # tokens each
INNER = {
    "fixed-f32": lambda x: fixed(x),
    "list-f32": lambda x: list_of(pa.array(x.ravel()), [WIDTH] * len(x)),
    "fixed-f16": lambda x: fixed(x.astype(np.float16)),
}


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "groups.parquet", "pages.parquet"])
@pytest.mark.parametrize("inner", INNER)
def test_a_row_per_document_with_its_tokens_vectors(
    inner: str, name: str, saekit: Saekit, tmp_path: Path
) -> None:
    """Lists of any number of vectors become rows with positions."""
    x, path = rows(sum(DOCUMENTS)).astype(np.float16).astype(np.float32), tmp_path / name
    table = pa.table({"acts": list_of(INNER[inner](x), DOCUMENTS)})
    if name == "groups.parquet":
        pq.write_table(table, path, row_group_size=2, use_dictionary=False)
    elif name == "pages.parquet":
        pq.write_table(table, path, data_page_size=4096, data_page_version="2.0")
    else:
        write(path, table)
    np.testing.assert_array_equal(converted(saekit, path), in_order(x))
    position = np.concatenate([np.arange(n) for n in DOCUMENTS])
    found = converted(saekit, path, "--positions", "1..5")
    kept = (position >= 1) & (position < 5)
    np.testing.assert_array_equal(found, in_order(x[kept]))
    document = np.repeat(np.arange(len(DOCUMENTS)), DOCUMENTS)
    sides = {row.tobytes(): d for row, d in zip(x, document, strict=True)}
    held = {sides[row.tobytes()] for row in converted(saekit, path, "--held-out", "0.4")}
    assert 0 < len(held) < len(DOCUMENTS)
    counts = np.bincount(document)
    found = converted(saekit, path, "--held-out", "0.4")
    assert len(found) == sum(counts[d] for d in held)


@pytest.mark.parametrize("lens", [[2, 1, 3], [3, 3, 0, 2], [4, 4, 4]])
@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
def test_lengths_of_documents_that_add_up_as_equal_ones(
    name: str, lens: list[int], saekit: Saekit, tmp_path: Path
) -> None:
    x, path = rows(sum(lens)), tmp_path / name
    write(path, pa.table({"acts": list_of(fixed(x), lens)}))
    if 0 in lens and name == "x.parquet":
        error = refused(saekit, "verify", path)
        assert "an empty list" in error
        return
    np.testing.assert_array_equal(converted(saekit, path), in_order(x))
    firsts = np.cumsum([0, *lens])[:-1][np.array(lens) > 0]
    found = converted(saekit, path, "--positions", "0..1")
    np.testing.assert_array_equal(found, in_order(x[firsts]))


@pytest.mark.parametrize("kind", ["saelens", "parquet", "ragged.parquet", "ragged.arrow"])
def test_token_ids_are_the_token_of_the_row(kind: str, saekit: Saekit, tmp_path: Path) -> None:
    """Case 19: what SAELens caches, and the same in other layouts."""
    from datasets import Array2D, Dataset, Features, List, Value

    lens = [16] * 8 if "ragged" not in kind else DOCUMENTS
    x = rows(sum(lens))
    ids = np.random.default_rng(1).integers(0, 4, len(x)).astype(np.int32)
    path = tmp_path / (kind if "." in kind else "acts")
    if kind == "saelens":
        hook = {"hook": Array2D(shape=(16, WIDTH), dtype="float32")}
        features = Features(hook | {"token_ids": List(Value("int32"), length=16)})
        columns = {"hook": x.reshape(8, 16, WIDTH), "token_ids": ids.reshape(8, 16)}
        Dataset.from_dict(columns, features=features).save_to_disk(str(path))
    else:
        path = path if "." in kind else tmp_path / "acts.parquet"
        acts, tokens = list_of(fixed(x), lens), list_of(pa.array(ids), lens, large=True)
        write(path, pa.table({"acts": acts, "token_ids": tokens}))
    found = converted(saekit, path, "--exclude-tokens", "0,2")
    np.testing.assert_array_equal(found, in_order(x[(ids != 0) & (ids != 2)]))
    inside = np.concatenate([spans(part) for part in np.split(ids, np.cumsum(lens)[:-1])])
    found = converted(saekit, path, "--between", "1..3")
    np.testing.assert_array_equal(found, in_order(x[inside]))
    store = json.loads((tmp_path / "converted/manifest.json").read_text())
    assert store["sequences"] == len(lens)
    table = pq.read_table(tmp_path / "converted/tokens.parquet")
    assert sum(table["token_ids"].to_pylist(), []) == ids.tolist()


def spans(ids: np.ndarray) -> np.ndarray:
    """Which tokens come after a 1 and before the next 3."""
    inside, found = False, []
    for token in ids:
        inside &= token != 3
        found.append(inside)
        inside |= token == 1
    return np.array(found, bool)


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("kind", ["file", "stream", "feather"])
def test_compressed_arrow_is_read(
    kind: str, codec: str, saekit: Saekit, tmp_path: Path
) -> None:
    from pyarrow import feather

    x, path = rows(), tmp_path / "x.arrow"
    table = pa.table({"text": ["a"] * 512, "acts": fixed(x)})
    if kind == "feather":
        feather.write_feather(table, str(path), compression=codec, chunksize=100)
    else:
        options = pa.ipc.IpcWriteOptions(compression=codec)
        new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as out, new(out, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=200)
    np.testing.assert_array_equal(converted(saekit, path), in_order(x))


@pytest.mark.parametrize("shape", [(WIDTH,), (1, WIDTH), (4, 8)])
@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
def test_tensors_of_arrow_are_vectors_by_their_shape(
    name: str, shape: tuple[int, ...], saekit: Saekit, tmp_path: Path
) -> None:
    x, path = rows(), tmp_path / name
    kind = pa.fixed_shape_tensor(pa.float32(), shape)
    write(path, pa.table({"acts": pa.ExtensionArray.from_storage(kind, fixed(x))}))
    found = converted(saekit, path)
    np.testing.assert_array_equal(found, in_order(x.reshape(-1, shape[-1])))
    if shape == (4, 8):
        found = converted(saekit, path, "--positions", "1..2")
        np.testing.assert_array_equal(found, in_order(x.reshape(-1, 4, 8)[:, 1]))


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
def test_tensors_of_other_shapes_are_refused(name: str, saekit: Saekit, tmp_path: Path) -> None:
    for more in [{"shape": (8, 4), "permutation": [1, 0]}, {"shape": (2, 4, 4)}]:
        kind = pa.fixed_shape_tensor(pa.float32(), **more)
        write(tmp_path / name, pa.table({"acts": pa.ExtensionArray.from_storage(kind, fixed(rows()))}))
        error = refused(saekit, "inspect", tmp_path / name)
        assert "a tensor" in error and "[context, width]" in error
