"""What an analysis reads off the weights, computed again in numpy: neighbours and logits."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file


@pytest.fixture(scope="module")
def decoder(demo: Path) -> np.ndarray:
    """`[d_sae, d_model]`."""
    return load_file(demo / "run/dictionary/dictionary.safetensors")["w_dec"].astype(np.float64)


@pytest.fixture(scope="module")
def table(analysis: Path) -> pl.DataFrame:
    return pl.read_parquet(analysis / "features.parquet")


def check(found: list[dict], name: str, value: str, expected: np.ndarray) -> None:
    """Entries named by `name` have their `value` of `expected`, and no other entry is larger."""
    ids = [entry[name] for entry in found]
    values = np.array([entry[value] for entry in found])
    np.testing.assert_allclose(values, expected[ids], atol=1e-5)
    assert (np.diff(values) <= 0).all()
    rest = np.delete(expected, ids)
    assert rest.max() <= values.min() + 1e-5


def test_neighbours_are_the_largest_cosines(table: pl.DataFrame, decoder: np.ndarray) -> None:
    unit = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    for latent, found in enumerate(table["neighbours"].to_list()):
        assert latent not in [entry["latent"] for entry in found]
        check(found, "latent", "cosine", cosines[latent])


def test_logits_are_the_unembedding_times_the_decoder_row(
    table: pl.DataFrame, decoder: np.ndarray, demo: Path
) -> None:
    model = next(path.parent for path in demo.glob("*/model.safetensors"))
    # GPT-2 unembeds with its embedding, `[d_vocab, d_model]`
    unembedding = load_file(model / "model.safetensors")["transformer.wte.weight"]
    logits = decoder @ unembedding.astype(np.float64).T
    for latent in range(table.height):
        promoted, suppressed = table["promoted"][latent], table["suppressed"][latent]
        check(promoted.to_list(), "token", "logit", logits[latent])
        negated = [{**entry, "logit": -entry["logit"]} for entry in suppressed.to_list()]
        check(negated, "token", "logit", -logits[latent])
