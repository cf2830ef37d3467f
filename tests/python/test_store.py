"""The analysis against the store it was made on, computed again in numpy."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Json
from safetensors.numpy import load_file

CHUNK = 4096


@dataclass
class Recount:
    """What numpy finds, a value a latent unless another shape is given."""

    fires: np.ndarray
    top: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    by_token: np.ndarray  # sums of values [d_vocab, d_sae]
    occurrences: np.ndarray  # [d_vocab]
    together: np.ndarray  # rows that two latents share [d_sae, d_sae]
    rows: int
    close: int  # rows whose choice of latents the last bits decide


def read_store(store: Path) -> tuple[np.ndarray, pl.DataFrame, list[list[int]]]:
    """Activations `[rows, width]` as stored, the sequence and position of each row, the sequences."""
    manifest = json.loads((store / "manifest.json").read_text())
    column = manifest["columns"][0]
    shards = [pq.read_table(store / shard["file"]) for shard in manifest["shards"]]
    table = pa.concat_tables(shards).combine_chunks()
    raw = table[column["name"]].chunk(0).buffers()[1]
    assert column["dtype"] == "f16"
    x = np.frombuffer(raw, "<f2").reshape(-1, column["width"])
    sequences = pq.read_table(store / "tokens.parquet")["token_ids"].to_pylist()
    places = pl.from_arrow(table.select(["sequence", "position"]))
    assert isinstance(places, pl.DataFrame)
    return x, places, sequences


def encode(sae: dict[str, np.ndarray], k: int, x: np.ndarray) -> tuple[np.ndarray, int]:
    """Codes of TopK, and in how many rows rounding may choose other latents."""
    h = (x.astype(np.float32) - sae["b_dec"]) @ sae["w_enc"].T + sae["b_enc"]
    tail = np.partition(h, (-k - 1, -k), axis=1)
    out, last = tail[:, -k - 1], tail[:, -k]
    margin = 1e-5 * np.abs(h).max(axis=1)
    close = (last - out < margin) | (last < margin)
    return np.where(h >= last[:, None], np.maximum(h, 0), 0), int(close.sum())


@pytest.fixture(scope="module")
def recount(demo: Path) -> Recount:
    run = demo / "run/dictionary"
    sae = load_file(run / "dictionary.safetensors")
    header = json.loads((run / "dictionary.json").read_text())
    assert header["activation"]["type"] == "top_k" and header["subtract_b_dec"]
    x, places, sequences = read_store(demo / "heldout")
    tokens = np.array([sequences[sequence][position] for sequence, position in places.rows()])
    width, vocab = header["d_sae"], int(tokens.max()) + 1
    zeros = [np.zeros(width) for _ in range(4)]
    found = Recount(
        *zeros, np.zeros((vocab, width)), np.bincount(tokens), np.zeros((width, width)), len(x), 0
    )
    order = np.argsort(tokens, kind="stable")
    for start in range(0, len(x), CHUNK):
        part = order[start : start + CHUNK]
        codes, close = encode(sae, header["activation"]["k"], x[part])
        add(found, codes.astype(np.float64), tokens[part])
        found.close += close
    return found


def add(found: Recount, codes: np.ndarray, tokens: np.ndarray) -> None:
    """Adds rows in the order of their tokens."""
    found.fires += (codes != 0).sum(axis=0)
    found.top = np.maximum(found.top, codes.max(axis=0))
    found.total += codes.sum(axis=0)
    found.squares += (codes**2).sum(axis=0)
    active = (codes != 0).astype(np.float32)
    found.together += active.T @ active
    ids, starts = np.unique(tokens, return_index=True)
    found.by_token[ids] += np.add.reduceat(codes, starts, axis=0)


@pytest.fixture(scope="module")
def table(analysis: Path) -> pl.DataFrame:
    return pl.read_parquet(analysis / "features.parquet")


def test_densities(table: pl.DataFrame, recount: Recount, summary: Json) -> None:
    assert summary["rows"] == recount.rows
    fires = table["fires"].to_numpy()
    difference = np.abs(fires.astype(np.int64) - recount.fires)
    assert difference.sum() <= 2 * recount.close
    assert recount.close <= recount.rows // 100, "too many rows are close to compare"
    assert (table["density"].to_numpy() == fires / recount.rows).all()


def alike(table: pl.DataFrame, recount: Recount) -> np.ndarray:
    """Latents that fire, in equally many rows of both."""
    same = (table["fires"].to_numpy() == recount.fires) & (recount.fires > 0)
    assert same.sum() > 0.8 * (recount.fires > 0).sum()
    return same


def test_values(table: pl.DataFrame, recount: Recount) -> None:
    same = alike(table, recount)
    np.testing.assert_allclose(table["max"].to_numpy()[same], recount.top[same], rtol=1e-4)
    mean = recount.total[same] / recount.fires[same]
    np.testing.assert_allclose(table["mean"].to_numpy()[same], mean, rtol=1e-4)


def test_contextual_scores(table: pl.DataFrame, recount: Recount) -> None:
    same = alike(table, recount)
    rows, kinds = recount.rows, np.count_nonzero(recount.occurrences)
    of_tokens = (recount.by_token**2 / np.maximum(recount.occurrences, 1)[:, None]).sum(axis=0)
    within = (recount.squares - of_tokens) / (rows - kinds)
    total = (recount.squares - recount.total**2 / rows) / (rows - 1)
    expected = np.clip(within[same] / total[same], 0, 1)
    np.testing.assert_allclose(table["contextual"].to_numpy()[same], expected, atol=1e-4)


def test_top_tokens(table: pl.DataFrame, recount: Recount) -> None:
    means = recount.by_token / np.maximum(recount.occurrences, 1)[:, None]
    rare = recount.occurrences < 3
    for latent in np.flatnonzero(alike(table, recount)):
        top = table["top_tokens"][int(latent)].to_list()
        of_latent = means[:, latent]
        largest = np.lexsort((-of_latent, rare, of_latent == 0))[: len(top)]
        found = [token["mean"] for token in top]
        np.testing.assert_allclose(found, of_latent[largest], rtol=1e-4, atol=1e-7)
        for token in top:
            assert token["occurrences"] == recount.occurrences[token["token"]]
            assert token["mean"] == pytest.approx(means[token["token"], latent], rel=1e-4, abs=1e-7)


def test_cofiring_latents_share_the_rows_that_are_said(
    table: pl.DataFrame, recount: Recount
) -> None:
    fires = table["fires"].to_numpy().astype(np.int64)
    either = fires[:, None] + fires[None, :] - recount.together
    jaccard = recount.together / np.maximum(either, 1)
    np.fill_diagonal(jaccard, -1)
    for latent in np.flatnonzero(alike(table, recount)):
        found = table["cofiring"][int(latent)].to_list()
        others = [entry["latent"] for entry in found]
        shared = np.array([entry["rows"] for entry in found])
        # where rounding chose another latent in a row, a count may be off by that row
        assert np.abs(shared - recount.together[latent, others]).sum() <= 2 * recount.close
        for entry in found:
            both = fires[latent] + fires[entry["latent"]] - entry["rows"]
            assert entry["jaccard"] == entry["rows"] / both
        slack = 2 * recount.close / fires[latent]
        least = min(entry["jaccard"] for entry in found)
        assert np.delete(jaccard[latent], others).max() <= least + slack


def test_every_example_is_a_row_of_the_store(analysis: Path, demo: Path) -> None:
    sae = load_file(demo / "run/dictionary/dictionary.safetensors")
    x, places, _ = read_store(demo / "heldout")
    examples = pl.read_parquet(analysis / "examples.parquet")
    found = examples.join(places.with_row_index("row"), on=["sequence", "position"], how="inner")
    assert found.height == examples.height > 0
    rows, latents = found["row"].to_numpy(), found["latent"].to_numpy()
    h = np.einsum("rd,rd->r", x[rows] - sae["b_dec"], sae["w_enc"][latents]) + sae["b_enc"][latents]
    np.testing.assert_allclose(found["value"].to_numpy(), h, rtol=1e-3, atol=1e-4)


def test_every_example_shows_its_sequence(analysis: Path, demo: Path) -> None:
    _, _, sequences = read_store(demo / "heldout")
    texts: dict[int, str] = {}
    for example in pl.read_parquet(analysis / "examples.parquet").iter_rows(named=True):
        tokens, start = example["tokens"], example["start"]
        assert tokens == sequences[example["sequence"]][start : start + len(tokens)]
        assert start + example["at"] == example["position"]
        assert example["values"][example["at"]] == example["value"]
        assert len(tokens) == len(example["texts"]) == len(example["values"])
        for token, text in zip(tokens, example["texts"]):
            known = texts.setdefault(token, text)
            # A piece of a character is shown as the character, or as nothing, by its place.
            assert known == text or not (known + text).isascii(), (token, known, text)
