"""Faults of files, one test each, in every layout: the message, its exit code, and no wrong rows.

Messages are those in tests/golden/faults.txt, under the name of their test. After a change to one,

    SAEKIT_GOLDEN=write python -m pytest tests/python/test_faults.py

writes them anew; read the difference.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Saekit
from lab import (
    SOUND,
    TRAIN,
    VERBS,
    WRITES,
    Lab,
    in_order,
    limit_files,
    read_golden,
    replaced_meanwhile,
    write_golden,
)
from layouts import (
    FILES,
    FOREIGN,
    LAYOUTS,
    ROWS,
    WIDTH,
    files,
    fixed,
    flipped,
    footer,
    ragged,
    refresh,
    rows,
    with_bad_length,
    write_arrow,
    write_bytes,
    write_folder,
    write_parquet,
)
from stores import read_store, write_shard

every_layout = pytest.mark.parametrize("layout", LAYOUTS)
foreign_layouts = pytest.mark.parametrize("layout", FOREIGN)


@pytest.fixture(scope="session")
def golden() -> Iterator[dict[str, str]]:
    found = read_golden()
    yield found
    if WRITES:
        write_golden(found)


@pytest.fixture(scope="session")
def native(saekit: Saekit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of saekit's own, of three shards."""
    folder = tmp_path_factory.mktemp("native")
    mib = (1 << 20) // (2 * WIDTH)  # in rows
    source = write_folder(folder / "source", "safetensors", [rows(0, FILES * mib)])
    out = folder / "acts"
    ended = saekit.run("convert-store", "-q", source, "--out", out, "--shard-mib", "1")
    assert ended.code == 0 and len(files(out)) == FILES, ended
    return out


@pytest.fixture
def lab(
    saekit: Saekit,
    tmp_path: Path,
    golden: dict[str, str],
    native: Path,
    request: pytest.FixtureRequest,
) -> Lab:
    return Lab(saekit, tmp_path, request.node.name, golden, native)


# Bytes that are gone or changed.


@every_layout
def test_no_fault(layout: str, lab: Lab) -> None:
    lab.make(layout, SOUND)
    assert lab.rows() == in_order(*SOUND)
    lab.works()


@every_layout
def test_truncated(layout: str, lab: Lab) -> None:
    path = lab.make(layout)[1]
    path.write_bytes(path.read_bytes()[:-100])
    lab.says()


@every_layout
def test_no_bytes(layout: str, lab: Lab) -> None:
    lab.make(layout)[1].write_bytes(b"")
    lab.says()


@every_layout
def test_zero_bytes(layout: str, lab: Lab) -> None:
    path = lab.make(layout)[1]
    path.write_bytes(bytes(path.stat().st_size))
    lab.says()


@every_layout
def test_bad_footer_length(layout: str, lab: Lab) -> None:
    path = lab.make(layout)[1]
    path.write_bytes(with_bad_length(path))
    lab.says()


@pytest.mark.parametrize("layout", ["native", "parquet-crc"])
def test_flipped_byte_in_a_page_with_checksum(layout: str, lab: Lab) -> None:
    path = lab.make(layout)[1]
    data = path.read_bytes()
    path.write_bytes(flipped(data, len(data) // 2))
    lab.says()


@pytest.mark.parametrize("layout", [name for name in FOREIGN if name != "parquet-crc"])
def test_flipped_byte_without_checksum(layout: str, lab: Lab) -> None:
    """It is read as another number, which a remark warns of; a converted store would show it."""
    path = lab.make(layout)[1]
    data = path.read_bytes()
    row = SOUND[1][300].astype(np.float32 if layout == "list" else np.float16)
    path.write_bytes(flipped(data, data.index(row.tobytes())))
    assert len(set(lab.rows()) - set(in_order(*SOUND))) == 1
    for verb in ["verify", "train", "convert-store"]:
        assert "no checksums, so changed bytes go unnoticed" in lab.run(verb).err
    assert "not checked: hashes and statistics" in lab.run("verify").out


def test_flipped_byte_of_a_store_without_checksum(lab: Lab) -> None:
    """The hash tells, which `verify` looks at."""
    path = lab.make("native")[1]
    write_bytes(path, SOUND[1], "f16")
    refresh(lab.store)
    data = path.read_bytes()
    path.write_bytes(flipped(data, data.index(SOUND[1][300].tobytes())))
    lab.says()


def test_flipped_footer_byte_of_a_store(lab: Lab) -> None:
    path = lab.make("native")[1]
    data = path.read_bytes()
    for at in footer(path)[::41]:
        path.write_bytes(flipped(data, at))
        ended = lab.run("verify")
        assert ended.code == 1 and str(path) in ended.err, (at, ended)


@pytest.mark.parametrize("layout", [name for name in FOREIGN if name != "arrow"])
def test_flipped_footer_byte_of_others(layout: str, lab: Lab) -> None:
    """An error that names the file, or the right rows."""
    path = lab.make(layout)[1]
    data = path.read_bytes()
    for at in footer(path)[:: len(footer(path)) // 20]:
        path.write_bytes(flipped(data, at))
        ended = lab.run("convert-store")
        if ended.code == 0:
            found = read_store(lab.folder / "convert-store-out")
            assert in_order(found) == in_order(*SOUND), at
        else:
            assert path.name in ended.err, (at, ended)


@every_layout
def test_damaged_files_are_left_out(layout: str, lab: Lab) -> None:
    """With `--damaged skip`, each is named and the others are read."""
    paths = lab.make(layout)
    whole = lab.rows()
    paths[1].write_bytes(b"")
    for verb in VERBS:
        ended = lab.run(verb, "--damaged", "skip")
        assert ended.code == 0 and f"warning: left out: {paths[1]}" in ended.err, ended
    found = lab.rows("--damaged", "skip")
    assert len(found) < len(whole) and set(found) < set(whole)


@every_layout
def test_every_file_is_damaged(layout: str, lab: Lab) -> None:
    for path in lab.make(layout):
        path.write_bytes(b"")
    lab.says("--damaged", "skip")


# Files that are whole, but not what they should be.


@every_layout
def test_mixed_widths(layout: str, lab: Lab) -> None:
    lab.make(layout, [rows(0), rows(1, width=WIDTH // 2), rows(2)])
    lab.says()


@every_layout
def test_mixed_dtypes(layout: str, lab: Lab) -> None:
    path = lab.make(layout)[1]
    if layout == "native":
        write_bytes(path, rows(1).astype(np.float32), "f32")
    elif layout == "list":
        write_parquet(path, fixed(rows(1)))
    else:
        LAYOUTS[layout][1](path, rows(1).astype(np.float32))
    refresh(lab.store)
    lab.says()


@pytest.mark.parametrize("layout", ["native", "parquet"])
def test_f32_in_bytes_of_f16(layout: str, lab: Lab) -> None:
    paths = lab.make(layout)
    for path in paths:
        write_bytes(path, rows(1).astype(np.float32 if path == paths[1] else np.float16), "f16")
    refresh(lab.store)
    lab.says()


def test_bytes_that_are_no_whole_values(lab: Lab) -> None:
    write_bytes(lab.make("parquet")[1], rows(1).view(np.uint8)[:, 1:].copy(), "f16")
    lab.says()


@pytest.mark.parametrize("key", [None, "bf16"])
def test_dtype_key_against_the_manifest(key: str | None, lab: Lab) -> None:
    write_bytes(lab.make("native")[1], rows(1), key)
    refresh(lab.store)
    lab.says()


def test_manifest_against_the_dtype_keys(lab: Lab) -> None:
    lab.make("native")
    refresh(lab.store, dtype="bf16")
    lab.says()


@pytest.mark.parametrize("key", ["bf16", "e4m3"])
def test_dtype_key_of_one_file(key: str, lab: Lab) -> None:
    """Fixed-size binary without a manifest, where a file says something else than the others."""
    for path in lab.make("parquet"):
        write_bytes(path, rows(0), "f16")
    write_bytes(path, rows(0), key)
    lab.says()


def test_no_dtype_key(lab: Lab) -> None:
    """f16 and bf16 cannot be told apart, so it has to be said."""
    for path, x in zip(lab.make("parquet"), SOUND):
        write_bytes(path, x, None)
    for verb in VERBS:
        ended = lab.run(verb)
        assert ended.code == 1 and str(files(lab.store)[0]) in ended.err, ended
        assert "f16 and bf16 cannot be told apart" in ended.err, ended
    assert lab.rows("--half-dtype", "f16") == in_order(*SOUND)
    as_bf16 = [(x.view(np.uint16).astype(np.uint32) << 16).view(np.float32) for x in SOUND]
    assert lab.rows("--half-dtype", "bf16") == in_order(*as_bf16)


@every_layout
def test_no_rows_in_one_file(layout: str, lab: Lab) -> None:
    lab.make(layout, [SOUND[0], rows(1, count=0), SOUND[2]])
    assert lab.rows() == in_order(SOUND[0], SOUND[2])
    assert f" {2 * ROWS:,} rows " in lab.run("verify").out
    lab.works()


@every_layout
def test_no_rows_at_all(layout: str, lab: Lab) -> None:
    lab.make(layout, [rows(0, count=0)] * FILES)
    lab.says()


@every_layout
def test_missing_column(layout: str, lab: Lab) -> None:
    lab.make(layout)
    lab.says("--hook", "mlp", verbs=["train", "convert-store"])


@pytest.mark.parametrize("layout", ["native", "parquet"])
def test_missing_column_in_one_file(layout: str, lab: Lab) -> None:
    path = lab.make(layout)[1]
    if layout == "native":
        write_shard(path, "mlp", rows(1))
    else:
        pq.write_table(pa.table({"mlp": fixed(rows(1))}), path)
    refresh(lab.store)
    lab.says()


@pytest.mark.parametrize("layout", ["native", "parquet"])
def test_nulls_in_bytes(layout: str, lab: Lab) -> None:
    paths = lab.make(layout)
    for path in paths:
        write_bytes(path, rows(1), "f16", null=300 if path == paths[1] else None)
    refresh(lab.store)
    lab.says()


Rows = list[list[float | None] | None]


def null_row(lists: Rows) -> None:
    lists[300] = None


def null_value(lists: Rows) -> None:
    lists[300] = [*lists[299][1:], None]


def short_row(lists: Rows) -> None:
    del lists[300][-1]


def value_in_the_row_before(lists: Rows) -> None:
    """The lengths add up."""
    lists[300].append(lists[301].pop(0))


def empty_row(lists: Rows) -> None:
    lists[300] = []


def write_lists(lab: Lab, layout: str, column: pa.Array, edit: Callable[[Rows], None]) -> None:
    """A store of which one file has this column after `edit`, and the others as it is."""
    suffix = "parquet" if layout == "parquet" else "arrow"
    write = write_parquet if layout == "parquet" else write_arrow
    lists = column.to_pylist()
    edit(lists)
    lab.store.mkdir()
    for i, part in enumerate([column, pa.array(lists, column.type), column]):
        write(lab.store / f"part-{i}.{suffix}", part)


@pytest.mark.parametrize("edit", [null_row, null_value])
@pytest.mark.parametrize("lists", [fixed, ragged])
@pytest.mark.parametrize("layout", ["parquet", "arrow"])
def test_nulls_in_lists(layout: str, lists: Callable, edit: Callable, lab: Lab) -> None:
    write_lists(lab, layout, lists(rows(1)), edit)
    lab.says()


@pytest.mark.parametrize("edit", [short_row, value_in_the_row_before, empty_row])
@pytest.mark.parametrize("layout", ["parquet", "arrow"])
def test_ragged_lists(layout: str, edit: Callable, lab: Lab) -> None:
    write_lists(lab, layout, ragged(rows(1)), edit)
    lab.says()


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@every_layout
def test_values_that_are_not_finite(layout: str, value: float, lab: Lab) -> None:
    x = rows(1)
    x[300, 7] = value
    lab.make(layout, [SOUND[0], x, SOUND[2]])
    lab.says(verbs=VERBS[1:])


@every_layout
def test_values_that_are_not_finite_are_counted_and_left_out(layout: str, lab: Lab) -> None:
    x = rows(1)
    x[300, 7], x[310], x[311, 0] = np.nan, np.inf, -np.inf
    lab.make(layout, [SOUND[0], x, SOUND[2]])
    ended = lab.run("inspect", "--stats")
    assert ended.code == 0 and re.search(r"rows not finite *3$", ended.out, re.MULTILINE), ended
    finite = x[np.isfinite(x).all(axis=1)]
    assert lab.rows("--drop-non-finite") == in_order(SOUND[0], finite, SOUND[2])
    ended = lab.run("train", "--drop-non-finite")
    assert ended.code == 0 and ": 3 with NaN or infinity" in ended.err, ended


# What is said of a store, and is not so.


@pytest.mark.parametrize("options", ["--column mlp", "--half-dtype bf16", "--document d"])
@pytest.mark.parametrize("layout", ["native", "parquet"])
def test_options_that_are_not_so(layout: str, options: str, lab: Lab) -> None:
    lab.make(layout, SOUND)
    if layout == "parquet":
        for path, x in zip(files(lab.store), SOUND, strict=True):
            write_bytes(path, x, "f16")
    lab.says(*options.split())


@pytest.mark.parametrize("layout", ["native", "npy"])
def test_options_that_are_so(layout: str, lab: Lab) -> None:
    lab.make(layout, SOUND)
    assert lab.rows("--column", "acts", "--half-dtype", "f16") == in_order(*SOUND)


def test_an_odd_file_is_not_damaged(lab: Lab) -> None:
    """Nothing is left out where nobody can tell which file is the odd one."""
    lab.make("npy", [rows(0, width=2 * WIDTH), *SOUND[1:]])
    lab.says("--damaged", "skip")


def test_a_header_that_is_no_text(lab: Lab) -> None:
    path = lab.make("npy")[1]
    data = bytearray(path.read_bytes())
    data[8:10] = b"\xff\x7f"
    path.write_bytes(data)
    ended = lab.run("inspect", "-q")
    assert ended.code == 1 and len(ended.err) < 600 and ended.err.rstrip("\n").isprintable(), ended


# What happens meanwhile.


@every_layout
def test_replaced_while_training(layout: str, lab: Lab) -> None:
    """The same command then goes on to the same bytes as a run that nothing happened to."""
    lab.make(layout, SOUND)
    expected, out = lab.folder / "expected", lab.folder / "run"
    more = [*TRAIN, "--rows", "65536", "--checkpoint-every", "16", "-q"]
    command: list[str | Path] = ["train", "--store", lab.store, *more, "--out"]
    assert lab.saekit.run(*command, expected).code == 0
    replaced_meanwhile(lab, lambda: any(out.glob("checkpoints/*")), [*command, out])
    assert not (out / "dictionary").exists()
    assert lab.saekit.run(*command, out).code == 0
    weights = "dictionary/dictionary.safetensors"
    assert (out / weights).read_bytes() == (expected / weights).read_bytes()


@every_layout
def test_replaced_while_converting(layout: str, lab: Lab) -> None:
    parts = [rows(seed, 1 << 16) for seed in range(FILES)]
    lab.make(layout, parts)
    out = lab.folder / "out"
    more = ["--shard-mib", "1", "--out", out, "-q"]
    command: list[str | Path] = ["convert-store", lab.store, *more]
    replaced_meanwhile(lab, (out / ".saekit-store-state").exists, command)
    assert not (out / "manifest.json").exists()
    assert lab.saekit.run(*command).code == 0
    assert in_order(read_store(out)) == in_order(*parts)


@pytest.mark.parametrize("more", [[], ["--shuffle"]], ids=["in-order", "shuffled"])
@pytest.mark.parametrize("layout", ["native", "parquet", "arrow", "npy"])
def test_full_disk(layout: str, more: list[str], lab: Lab) -> None:
    """What was half written is no store; the same command makes it one when there is space."""
    parts = [rows(seed, 1 << 14) for seed in range(FILES)]
    lab.make(layout, parts)
    out = lab.folder / "out"
    command = ["convert-store", "-q", lab.store, "--out", out, "--shard-mib", "1", *more]
    ended = subprocess.run(
        [lab.saekit.program, *command],
        preexec_fn=limit_files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1 and ended.stdout == "", ended
    assert re.match(f"error: cannot write {out}/.*: File too large", ended.stderr), ended
    assert not (out / "manifest.json").exists() and not list(out.glob("shards/*"))
    found = lab.saekit.run("verify", out)
    assert found.code == 1 and f"{out} is not a store yet" in found.err, found
    assert lab.saekit.run(*command).code == 0
    assert lab.saekit.run("verify", out).code == 0
    assert in_order(read_store(out)) == in_order(*parts)
    assert not (out / ".saekit-convert").exists()
