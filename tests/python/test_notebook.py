"""The notebook: kept without outputs, and every cell of it runs."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

# What the notebook's HTML has to survive: markup, control characters, a change of direction.
HOSTILE = r"""
hostile = {
    "group": "<b>", "value": 1.0, "at": 0,
    "texts": ["<script>alert(1)</script>", "\x00\x1b[2J\n", "\u202e&amp;", '" onclick="'],
    "values": [1.0, 0.0, 0.5, 0.0],
}
print(highlighted(hostile, 1.0))
"""


@pytest.fixture(scope="module")
def notebook(root: Path) -> nbformat.NotebookNode:
    return nbformat.read(root / "notebooks/features.ipynb", as_version=4)


@pytest.fixture(scope="module")
def executed(
    notebook: nbformat.NotebookNode, demo: Path, tmp_path_factory
) -> nbformat.NotebookNode:
    folder = tmp_path_factory.mktemp("notebook")
    copy = nbformat.from_dict(notebook)
    copy.cells.append(nbformat.v4.new_code_cell(HOSTILE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAEKIT_DEMO", str(demo))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        client = NotebookClient(copy, timeout=300, resources={"metadata": {"path": str(folder)}})
        client.execute()
    return copy


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    found = [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]
    assert found, f"no cell is tagged `{tag}`"
    return found


def data(cell: nbformat.NotebookNode, kind: str) -> list[str]:
    return [out.data[kind] for out in cell.outputs if kind in out.get("data", {})]


def test_kept_without_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (cell.outputs, cell.execution_count) == ([], None)


def test_runs_without_errors_and_warnings(executed: nbformat.NotebookNode) -> None:
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", output
            assert output.get("name") != "stderr" or "Warning" not in output.text, output.text


def test_plots_are_images(executed: nbformat.NotebookNode) -> None:
    plots = tagged(executed, "plot")
    assert len(plots) == 4
    for cell in plots:
        assert [len(png) > 5000 for png in data(cell, "image/png")] == [True], cell.source


def test_examples_are_highlighted(executed: nbformat.NotebookNode) -> None:
    (cell,) = tagged(executed, "html")
    (page,) = data(cell, "text/html")
    assert page.count("<tr>") > 1 and page.count("background: rgba") >= page.count("outline") > 1


def test_texts_are_escaped(executed: nbformat.NotebookNode) -> None:
    text = executed.cells[-1].outputs[0].text
    assert "&lt;script&gt;" in text and "&amp;amp;" in text and "&quot; onclick=&quot;" in text
    assert not [
        part for part in ("<script", "<b>", "\x00", "\x1b", "\u202e", '" onclick') if part in text
    ]


def test_the_readme_s_lines_run(
    root: Path, demo: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    (tmp_path / "saekit-demo").symlink_to(demo)
    monkeypatch.chdir(tmp_path)
    text = (root / "notebooks/README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(compile(code, "notebooks/README.md", "exec"), names)
    assert 0 < names["fvu"] < 1 and len(capsys.readouterr().out.splitlines()) == 1
    assert names["ids"] in range(names["manifest"]["model"]["d_vocab"])
