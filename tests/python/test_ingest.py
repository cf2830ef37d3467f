"""Every block of docs/ingest.md, run in one folder, and what saekit reads against what was written."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, Saekit
from datasets import Dataset, Features, List, Value
from safetensors.numpy import load_file
from stores import read_store

LAYERS = "Several layers, documents and positions"
RECIPES = {  # the columns that have names in the file
    "pyarrow": ["acts"],
    "polars": ["acts"],
    "datasets": ["acts"],
    "SAELens": ["blocks.1.hook_resid_post"],
    "NumPy": [],
    "safetensors": ["acts"],
    LAYERS: ["mlp", "resid"],
}
FIRST = "Look first, shuffle once"
INTRODUCTION = "What a row is"  # its only block installs packages


def sections() -> dict[str, dict[str, str]]:
    """The page's blocks by heading and language; the introduction is not among them."""
    found = {}
    for text in re.split(r"^## ", (ROOT / "docs/ingest.md").read_text(), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
        assert len(dict(blocks)) == len(blocks), "one block of a language under a heading"
        found[text.split("\n")[0]] = dict(blocks)
    return found


SECTIONS = sections()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ingest")


def run_python(heading: str, here: Path) -> dict[str, np.ndarray]:
    """Runs a recipe; gives the arrays it has made."""
    names: dict[str, np.ndarray] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        exec(compile(SECTIONS[heading]["python"], f"docs/ingest.md: {heading}", "exec"), names)
    return names


def run_shell(heading: str, here: Path, saekit: Saekit) -> dict[str, str]:
    """Runs a section's commands; gives the flags of its training."""
    block = SECTIONS[heading]["sh"]
    command = ["bash", "-euo", "pipefail", "-c", block]
    ended = subprocess.run(
        command, cwd=here, env=saekit.environment({}), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{block}\n{ended.stderr}"
    (line,) = [line for line in block.splitlines() if line.startswith("saekit train ")]
    words = shlex.split(line)
    return {word: words[i + 1] for i, word in enumerate(words) if word.startswith("--")}


def assert_trained(run: Path, width: int, d_sae: int) -> None:
    """There is a dictionary of that shape that is not what it began with."""
    tensors = load_file(run / "dictionary/dictionary.safetensors")
    assert tensors["w_enc"].shape == tensors["w_dec"].shape == (d_sae, width)
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    summary = json.loads((run / "summary.json").read_text())
    assert summary["rows"] == 8192 and 0 < summary["last"]["fvu"] < 2


def assert_inspected(saekit: Saekit, location: Path, columns: list[str]) -> None:
    """`inspect` gives the number of rows, and the columns' names with their width."""
    ended = saekit.run("inspect", location)
    assert ended.code == 0, ended
    assert re.search(r"^rows +8,192$", ended.out, re.MULTILINE), ended.out
    found = re.findall(r"^(\S+) +32 ", ended.out, re.MULTILINE)
    assert found and set(found) >= set(columns), ended.out


def converted(saekit: Saekit, location: Path, out: Path, *flags: str) -> np.ndarray:
    """The rows of what `convert-store` makes of a location, as pyarrow reads them, sorted."""
    ended = saekit.run("convert-store", location, "--out", out, "--dtype", "f32", *flags)
    assert ended.code == 0, ended
    return in_order(read_store(out))


def in_order(rows: np.ndarray) -> np.ndarray:
    """The rows sorted by their values: a store has those of a shard in a random order."""
    return rows[np.lexsort(rows.T)]


def test_every_section_is_known() -> None:
    assert {heading for heading, blocks in SECTIONS.items() if blocks} == {*RECIPES, FIRST, INTRODUCTION}


@pytest.mark.parametrize("heading", [heading for heading in SECTIONS if heading in RECIPES])
def test_recipe(heading: str, here: Path, tmp_path: Path, saekit: Saekit) -> None:
    names = run_python(heading, here)
    flags = run_shell(heading, here, saekit)
    assert_trained(here / flags["--out"], 32, int(flags["--d-sae"]))
    assert_inspected(saekit, here / flags["--store"], RECIPES[heading])
    which = ["--hook", flags["--hook"]] if heading == LAYERS else []
    rows = converted(saekit, here / flags["--store"], tmp_path / "native", *which)
    x = names["y" if heading == LAYERS else "x"].astype(np.float32).reshape(-1, 32)
    np.testing.assert_array_equal(rows, in_order(x))


def test_shuffled_once(here: Path, saekit: Saekit) -> None:
    """Needs what the first recipe made: the same rows, in another order."""
    if not (here / "acts-pyarrow").exists():
        run_python("pyarrow", here)
    flags = run_shell(FIRST, here, saekit)
    assert_trained(here / flags["--out"], 32, int(flags["--d-sae"]))
    found = read_store(here / flags["--store"])
    column = pq.read_table(here / "acts-pyarrow/part-0.parquet")["acts"].combine_chunks()
    written = np.asarray(column.flatten()).reshape(-1, 32)
    assert sorted(map(bytes, found)) == sorted(map(bytes, written))
    assert np.all(found == written, axis=1).mean() < 0.01


TYPES = {"f16": pa.float16(), "f32": pa.float32(), "f64": pa.float64()}
WRITERS = {
    "defaults": {},
    "zstd": {"compression": "zstd"},
    "plain": {"use_dictionary": False, "compression": "none"},
    "second-pages": {"data_page_version": "2.0", "data_page_size": 4096},
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed-size-list", "list"])
@pytest.mark.parametrize("dtype", TYPES)
def test_parquet_of_every_kind(
    dtype: str, fixed: bool, writer: str, tmp_path: Path, saekit: Saekit
) -> None:
    """Rows of any type, in several row groups, are the ones that were written."""
    width = 24
    kind = pa.list_(TYPES[dtype], width) if fixed else pa.list_(TYPES[dtype])
    x = np.random.default_rng(0).standard_normal((1000, width)).astype(np.float16)
    values = pa.array(x.ravel()).cast(TYPES[dtype])
    starts = pa.array(np.arange(0, x.size + 1, width, dtype=np.int32))
    lists = pa.FixedSizeListArray if fixed else pa.ListArray
    column = lists.from_arrays(values, width) if fixed else lists.from_arrays(starts, values)
    assert column.type == kind
    path = tmp_path / "acts.parquet"
    pq.write_table(pa.table({"acts": column}), path, row_group_size=300, **WRITERS[writer])
    rows = converted(saekit, path, tmp_path / "native")
    np.testing.assert_array_equal(rows, in_order(x.astype(np.float32)))


@pytest.mark.parametrize("writer", ["pyarrow", "pyarrow with checksums", "polars"])
def test_who_writes_checksums_is_what_the_page_says(writer: str, tmp_path: Path) -> None:
    """A flipped bit in the first row is found where there are some; else it changes a number."""
    path = tmp_path / "acts.parquet"
    x = np.random.default_rng(0).standard_normal((100, 768)).astype(np.float16)
    if writer == "polars":
        pl.DataFrame({"acts": x}).write_parquet(path, compression="uncompressed")
    else:
        table = pa.table({"acts": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 768)})
        checksums = writer != "pyarrow"
        plain = {"use_dictionary": False, "compression": "none"}
        pq.write_table(table, path, write_page_checksum=checksums, **plain)
    data = bytearray(path.read_bytes())
    data[data.index(x[0].tobytes())] ^= 1
    path.write_bytes(data)
    if writer == "pyarrow with checksums":
        with pytest.raises(OSError, match="CRC"):
            pq.read_table(path, page_checksum_verification=True)
        return
    column = pq.read_table(path, page_checksum_verification=True)["acts"].combine_chunks()
    assert (np.asarray(column.flatten()) != x.ravel()).sum() == 1


def test_pyarrow_does_by_default_what_the_page_says(tmp_path: Path) -> None:
    """Row groups of a million rows, and float16 in dictionaries to the last value."""
    path = tmp_path / "defaults.parquet"
    x = np.random.default_rng(0).standard_normal(1_100_000)
    pq.write_table(pa.table({"half": x.astype(np.float16), "single": x.astype(np.float32)}), path)
    found = pq.read_metadata(path)
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == [1 << 20, 51424]
    half, single = (found.row_group(0).column(i) for i in range(2))
    assert half.has_dictionary_page and half.compression == "SNAPPY"
    assert half.total_uncompressed_size < 2.2 * half.num_values < single.total_uncompressed_size


def test_what_datasets_keeps_beside_a_data_set_is_not_read(saekit: Saekit, tmp_path: Path) -> None:
    """A `map` leaves what came of it in the same folder."""
    x = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    features = Features({"acts": List(Value("float32"), length=8)})
    Dataset.from_dict({"acts": x}, features=features).save_to_disk(tmp_path / "acts")
    before = set((tmp_path / "acts").rglob("*.arrow"))
    saved = Dataset.load_from_disk(tmp_path / "acts")
    saved.map(lambda row: {"acts": [2 * value for value in row["acts"]]})
    assert set((tmp_path / "acts").rglob("*.arrow")) > before, "nothing was kept there"
    ended = saekit.run("inspect", tmp_path / "acts")
    assert re.search(r"^rows +300$", ended.out, re.MULTILINE), ended
