"""Every block of docs/ingest.md, run in one folder, and what saekit reads against what was written."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, Saekit
from safetensors.numpy import load_file
from stores import read_store

RECIPES = {
    "pyarrow",
    "polars",
    "datasets",
    "SAELens",
    "NumPy",
    "safetensors",
    "Several layers, documents and positions",
}
LAYERS = "Several layers, documents and positions"
FIRST = "Look first, shuffle once"


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


def assert_inspected(saekit: Saekit, here: Path, location: str, columns: dict[str, int]) -> None:
    """`inspect` gives the number of rows, and the width of each column."""
    ended = saekit.run("inspect", here / location)
    assert ended.code == 0, ended
    assert re.search(r"^rows +8,192$", ended.out, re.MULTILINE), ended.out
    for name, width in columns.items():
        assert re.search(rf"^{re.escape(name)} +{width} ", ended.out, re.MULTILINE), ended.out


def converted(saekit: Saekit, location: Path, out: Path, *flags: str) -> np.ndarray:
    """The rows of what `convert-store` makes of a location, as pyarrow reads them."""
    ended = saekit.run("convert-store", location, "--out", out, "--dtype", "f32", *flags)
    assert ended.code == 0, ended
    return read_store(out)


def test_every_section_is_known() -> None:
    assert {heading for heading, blocks in SECTIONS.items() if blocks} == RECIPES | {FIRST}


@pytest.mark.parametrize("heading", [heading for heading in SECTIONS if heading in RECIPES])
def test_recipe(heading: str, here: Path, tmp_path: Path, saekit: Saekit) -> None:
    names = run_python(heading, here)
    flags = run_shell(heading, here, saekit)
    assert_trained(here / flags["--out"], 32, int(flags["--d-sae"]))
    columns = {"resid": 32, "mlp": 32} if heading == LAYERS else {}
    assert_inspected(saekit, here, flags["--store"], columns)
    which = ["--hook", flags["--hook"]] if heading == LAYERS else []
    rows = converted(saekit, here / flags["--store"], tmp_path / "native", *which)
    x = names["y" if heading == LAYERS else "x"].astype(np.float32).reshape(-1, 32)
    np.testing.assert_array_equal(rows, x)


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
