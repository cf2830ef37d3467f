"""Every block of docs/python.md, run in the folder of an analysis.

Blocks under one heading have to answer the same, and what a function here finds in
`features/<latent>.json`. The page's 42 stands for a latent that fires, here the most legible one; its
` the` for a token that some latent answers to and some latent promotes.
"""

import ast
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, Json, f32
from safetensors.numpy import load_file

Rows = list[tuple[Any, ...]]
ACTIVATIONS = "The activations behind a feature's examples"
ONE_FEATURE = "One feature as JSON"


def sections() -> dict[str, list[tuple[str, str]]]:
    """The blocks of the page by heading: language and text."""
    text = (ROOT / "docs/python.md").read_text()
    found: dict[str, list[tuple[str, str]]] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE):
        blocks = re.findall(r"^```(sql|python)\n(.*?)^```$", part, flags=re.MULTILINE | re.DOTALL)
        found[part.split("\n")[0]] = blocks
    return found


SECTIONS = sections()
INTRODUCTION = next(iter(SECTIONS))


def ranked(features: list[Json]) -> list[Json]:
    return sorted(features, key=lambda f: (-f["legibility"], f["latent"]))


def word(features: list[Json]) -> str:
    """What stands for ` the`: of the top tokens that are promoted too, the commonest word."""
    promoted = {token["text"] for f in features for token in f["logits"]["promoted"]}
    tops = [f["tokens"]["top"][0]["text"] for f in features if f["tokens"]["top"]]
    words = Counter(text for text in tops if text in promoted and re.fullmatch(" ?[a-z]+", text))
    return max(words, key=lambda text: (words[text], text))


def most_legible(features: list[Json]) -> Rows:
    rows = [(f["latent"], f["legibility"], f["density"]["density"]) for f in ranked(features)]
    return rows[:10]


def top_token(features: list[Json]) -> Rows:
    text = word(features)
    tops = [(f["latent"], f["tokens"]["top"][0]) for f in features if f["tokens"]["top"]]
    rows = [(latent, top["mean"]) for latent, top in tops if top["text"] == text]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def promotes(features: list[Json]) -> Rows:
    text = word(features)
    tokens = [(f["latent"], token) for f in features for token in f["logits"]["promoted"]]
    rows = [(latent, f32(token["logit"])) for latent, token in tokens if token["text"] == text]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def as_text(features: list[Json]) -> Rows:
    rows: Rows = []
    for rank, example in enumerate(ranked(features)[0]["examples"]["top"]):
        texts = list(example["texts"])
        texts[example["at"]] = f"[{texts[example['at']]}]"
        rows.append((rank, f32(example["value"]), "".join(texts)))
    return rows


def with_example(features: list[Json]) -> Rows:
    best = [(f, f["examples"]["top"][0]) for f in ranked(features) if f["examples"]["top"]]
    rows = [(f["latent"], f["legibility"], f32(e["value"]), "".join(e["texts"])) for f, e in best]
    return rows[:10]


def edges(features: list[Json]) -> Rows:
    pairs = [(f["latent"], other) for f in features for other in f["cofiring"]]
    rows = [(latent, o["latent"], o["jaccard"]) for latent, o in pairs if o["jaccard"] >= 0.2]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))


EXPECTED: dict[str, Callable[[list[Json]], Rows]] = {
    "The most legible features": most_legible,
    "Features whose top token is a given one": top_token,
    "Features that promote a given token": promotes,
    "The examples of a feature, as text": as_text,
    "Legible features with their strongest example": with_example,
    "Features that fire together": edges,
}


def run_python(code: str, names: dict[str, Any]) -> Any:
    """Runs a block; gives the value of the expression it ends with, if it does."""
    tree = ast.parse(code)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "docs/python.md", "exec"), names)
        return None
    exec(compile(ast.Module(tree.body[:-1], []), "docs/python.md", "exec"), names)
    return eval(compile(ast.Expression(last.value), "docs/python.md", "eval"), names)


def as_rows(result: Any) -> Rows:
    if isinstance(result, pl.DataFrame):
        return result.rows()
    if isinstance(result, pd.DataFrame):
        result = result.itertuples(index=False, name=None)
    return [tuple(v.item() if isinstance(v, np.generic) else v for v in row) for row in result]


@pytest.fixture
def names(analysis: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's first block imports; the current folder is the analysis."""
    monkeypatch.chdir(analysis)
    names: dict[str, Any] = {}
    for _, code in SECTIONS[INTRODUCTION]:
        run_python(code, names)
    return names


def blocks(heading: str, features: list[Json]) -> list[tuple[str, str]]:
    """The blocks under a heading, about a latent and a token that are there."""
    latent, text = str(ranked(features)[0]["latent"]), word(features)
    found = []
    for language, code in SECTIONS[heading]:
        code = re.sub(r"(['\"]) the\1", rf"\g<1>{text}\1", code)
        found.append((language, re.sub(r"\b42\b", latent, code)))
    return found


def test_every_section_is_known() -> None:
    with_blocks = {heading for heading, blocks in SECTIONS.items() if blocks}
    assert with_blocks == {INTRODUCTION, ACTIVATIONS, ONE_FEATURE, *EXPECTED}


@pytest.mark.parametrize("heading", EXPECTED)
def test_all_answers_are_the_json_s(heading: str, names: dict, features: list[Json]) -> None:
    expected = EXPECTED[heading](features)
    assert expected, "nothing to compare"
    found = blocks(heading, features)
    assert [language for language, _ in found] == ["sql", "python", "python"]
    for language, code in found:
        result = duckdb.sql(code).fetchall() if language == "sql" else run_python(code, dict(names))
        assert as_rows(result) == expected, code


def test_activations_encode_to_the_values(names: dict, features: list[Json], demo: Path) -> None:
    ((_, code),) = blocks(ACTIVATIONS, features)
    run_python(code, names)
    sae = load_file(demo / "run/dictionary/dictionary.safetensors")
    latent = ranked(features)[0]["latent"]
    x = names["x"].astype(np.float32)
    h = (x - sae["b_dec"]) @ sae["w_enc"][latent] + sae["b_enc"][latent]
    assert len(h) == len(ranked(features)[0]["examples"]["top"]) > 0
    np.testing.assert_allclose(h, names["values"], rtol=1e-3)


def test_one_feature_is_the_table_s(names: dict, features: list[Json], analysis: Path) -> None:
    ((_, code),) = blocks(ONE_FEATURE, features)
    fires, texts = run_python(code, names)
    row = (
        pq.read_table(analysis / "features.parquet")
        .slice(ranked(features)[0]["latent"], 1)
        .to_pylist()[0]
    )
    assert fires == row["fires"] > 0
    assert texts == [token["text"] for token in row["top_tokens"]] != []
    assert json.dumps(names["feature"]["flags"]) == json.dumps(row["flags"])
