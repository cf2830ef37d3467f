"""The two tables of an analysis: their schema, their readers, and the JSON files beside them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Json, f32

TABLES = ["features", "examples"]
TYPES = {
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
}


def documented(root: Path, table: str) -> dict[str, str]:
    """The columns of a table and what docs/analysis-format.md says of their types."""
    text = (root / "docs/analysis-format.md").read_text()
    lines = text[text.index(f"`{table}.parquet` has a row") :].split("\n\n")[1].splitlines()
    rows = [re.fullmatch(r"\| (.+?) \| (.+) \|", line) for line in lines[2:]]
    assert rows and all(rows), f"the table of {table}.parquet in the document"
    return {name: row[2] for row in rows if row for name in re.findall("`(.+?)`", row[1])}


def arrow_type(text: str) -> pa.DataType:
    """The type that a cell such as "list of struct: `token` uint32, ...; null where ..." names."""
    text = text.replace("`", "").split(";")[0]
    if text.startswith("list of struct: "):
        fields = [field.split(" ") for field in text.removeprefix("list of struct: ").split(", ")]
        return pa.list_(pa.struct([(name, TYPES[kind]) for name, kind in fields]))
    if text.startswith("list of "):
        return pa.list_(TYPES[text.removeprefix("list of ")])
    return TYPES[re.split("[,:]", text)[0]]


def plain(kind: pa.DataType) -> pa.DataType:
    """The type without what readers do not see: names of list items, and whether null is allowed."""
    if pa.types.is_list(kind):
        return pa.list_(plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, plain(field.type)) for field in kind])
    return kind


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_the_documented_ones(root: Path, analysis: Path, table: str) -> None:
    schema = pq.read_schema(analysis / f"{table}.parquet")
    expected = documented(root, table)
    assert schema.names == list(expected)
    assert {f.name: plain(f.type) for f in schema} == {
        n: arrow_type(t) for n, t in expected.items()
    }


@pytest.mark.parametrize("table", TABLES)
def test_only_documented_columns_have_nulls(root: Path, analysis: Path, table: str) -> None:
    found = pq.read_table(analysis / f"{table}.parquet")
    nulls = {name for name in found.column_names if found[name].null_count > 0}
    assert nulls <= {name for name, kind in documented(root, table).items() if "null" in kind}


def stored(value: Any, kind: pa.DataType) -> Any:
    """A value of the JSON as a column of this type holds it."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [stored(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        assert value.keys() == {field.name for field in kind}
        return {field.name: stored(value[field.name], field.type) for field in kind}
    return f32(value) if kind == pa.float32() else value


def as_row(feature: Json) -> Json:
    """A feature's JSON by the columns of features.parquet."""
    tokens, logits = feature["tokens"] or {}, feature["logits"] or {}
    return {
        **{
            name: feature[name] for name in ("latent", "legibility", "flags", "neighbours", "cofiring")
        },
        **{name: feature["density"][name] for name in ("fires", "density", "max", "scale_end", "mean")},
        **{f"histogram_{name}": value for name, value in feature["histogram"].items()},
        **{name: logits.get(name) for name in ("promoted", "suppressed")},
        "contextual": tokens.get("contextual"),
        "top_tokens": tokens.get("top"),
    }


def as_examples(feature: Json) -> Iterator[Json]:
    """A feature's JSON by the rows of examples.parquet."""
    groups = {"top": feature["examples"]["top"]}
    for i, quantile in enumerate(feature["examples"]["quantiles"], 1):
        groups[f"q{i}"] = quantile["examples"]
    for group, examples in groups.items():
        for rank, example in enumerate(examples):
            yield {"latent": feature["latent"], "group": group, "rank": rank, **example}


def assert_rows(path: Path, expected: list[Json]) -> None:
    table = pq.read_table(path)
    assert table.num_rows == len(expected)
    for row, json in zip(table.to_pylist(), expected):
        assert row.keys() == json.keys()
        assert row == {field.name: stored(json[field.name], field.type) for field in table.schema}


def test_features_are_what_the_json_says(analysis: Path, features: list[Json]) -> None:
    assert_rows(analysis / "features.parquet", [as_row(feature) for feature in features])


def test_examples_are_what_the_json_says(analysis: Path, features: list[Json]) -> None:
    assert_rows(analysis / "examples.parquet", [e for f in features for e in as_examples(f)])


def test_summary_counts_the_rows_of_the_table(analysis: Path, summary: Json) -> None:
    table = pl.read_parquet(analysis / "features.parquet")
    assert table["latent"].to_list() == list(range(summary["shape"]["d_code"]))
    flags = table["flags"].explode().drop_nulls().to_list()
    for name, key in [("dead", "dead"), ("dense", "dense"), ("duplicate", "duplicates")]:
        assert flags.count(name) == summary[key], name
    assert summary["l0"] == pytest.approx(table["fires"].sum() / summary["rows"], rel=1e-12)
    assert table["histogram_counts"].list.sum().to_list() == table["fires"].to_list()


# One figure a line: what DuckDB and what polars call it.
FIGURES = {
    "features": [
        ("count(*)", pl.len()),
        ("sum(fires)", pl.col("fires").sum()),
        ("sum(legibility)", pl.col("legibility").sum()),
        ("count(max)", pl.col("max").count()),
        ("sum(max)", pl.col("max").cast(pl.Float64).sum()),
        ("sum(contextual)", pl.col("contextual").sum()),
        ("sum(len(flags))", pl.col("flags").list.len().sum()),
        ("sum(list_sum(histogram_counts))", pl.col("histogram_counts").list.sum().sum()),
        ("sum(len(top_tokens))", pl.col("top_tokens").list.len().sum()),
        ("sum(top_tokens[1].fires)", pl.col("top_tokens").list.first().struct.field("fires").sum()),
        ("sum(len(promoted[1].text))", pl.col("promoted").list.first().struct.field("text").str.len_chars().sum()),
        ("sum(neighbours[1].latent)", pl.col("neighbours").list.first().struct.field("latent").cast(pl.UInt64).sum()),
        ("sum(cofiring[1].rows)", pl.col("cofiring").list.first().struct.field("rows").sum()),
    ],
    "examples": [
        ("count(*)", pl.len()),
        ("count(DISTINCT \"group\")", pl.col("group").n_unique()),
        ("sum(value)", pl.col("value").cast(pl.Float64).sum()),
        ("sum(position)", pl.col("position").cast(pl.UInt64).sum()),
        ("sum(len(tokens))", pl.col("tokens").list.len().cast(pl.UInt64).sum()),
        ("sum(len(array_to_string(texts, '')))", pl.col("texts").list.join("").str.len_chars().cast(pl.UInt64).sum()),
        ("sum(list_sum(\"values\"))", pl.col("values").list.eval(pl.element().cast(pl.Float64)).list.sum().sum()),
        ("sum(tokens[\"at\" + 1])", pl.col("tokens").list.get("at").cast(pl.UInt64).sum()),
    ],
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_and_polars_read_the_same(analysis: Path, table: str) -> None:
    path = analysis / f"{table}.parquet"
    names = [sql for sql, _ in FIGURES[table]]
    (theirs,) = duckdb.sql(f"SELECT {', '.join(names)} FROM '{path}'").fetchall()
    ours = pl.read_parquet(path).select(e.alias(n) for n, e in FIGURES[table]).row(0)
    for name, a, b in zip(names, theirs, ours):
        assert float(a) == pytest.approx(float(b), rel=1e-9), name
    assert theirs[0] > 0
