"""Writes metrics.json beside itself: rows, reconstructions, codes and numpy's figures for them.

    python metrics.py        # numpy 2.3.5 or 2.4.6; the file is the same on every run
"""

import json
from pathlib import Path

import numpy as np

ROWS, WIDTH, LATENTS = 64, 5, 12
Array = np.ndarray


def norm(rows: Array) -> Array:
    return np.linalg.norm(rows, axis=1)


def explained_variances(x: Array, y: Array) -> dict[str, float]:
    e, centred = x - y, x - x.mean(axis=0)
    fvu = (e**2).sum() / (centred**2).sum()
    per_row = (e**2).sum(axis=1) / (centred**2).sum(axis=1)
    return {
        "fvu": fvu,
        "explained_variance": 1 - fvu,
        "explained_variance_per_row": 1 - per_row.mean(),
        "explained_variance_residual": 1 - e.var(axis=0).sum() / x.var(axis=0).sum(),
    }


def norms(x: Array, y: Array) -> dict[str, float]:
    e = x - y
    return {
        "mse": (e**2).sum(axis=1).mean(),
        "normalised_mse": ((e**2).mean(axis=1) / (x**2).mean(axis=1)).mean(),
        "l2_error_ratio": norm(e).mean() / norm(x).mean(),
        "l2_norm_in": norm(x).mean(),
        "l2_norm_out": norm(y).mean(),
        "l2_ratio": (norm(y) / norm(x)).mean(),
        "relative_reconstruction_bias": (norm(y) ** 2).mean() / (x * y).sum(axis=1).mean(),
        "cosine_similarity": ((x * y).sum(axis=1) / norm(x) / norm(y)).mean(),
    }


def median_norm(x: Array) -> float:
    """The norm at rank n // 2 of all norms, each rounded down to 11 significant bits."""
    bits = norm(x).view(np.uint64) >> np.uint64(42) << np.uint64(42)
    return float(np.sort(bits.view(np.float64))[len(x) // 2])


def massive_figures(x: Array, y: Array) -> dict[str, float]:
    """Figures with and without the rows whose norm is above 5 times the median norm."""
    limit = 5 * median_norm(x)
    massive = norm(x) > limit
    squares = ((x - x.mean(axis=0)) ** 2).sum(axis=1)
    return {
        "limit": limit,
        "massive_rows": int(massive.sum()),
        "variance_share": squares[massive].sum() / squares.sum(),
        "fvu": explained_variances(x, y)["fvu"],
        "fvu_without_massive": explained_variances(x[~massive], y[~massive])["fvu"],
    }


def massive_rows() -> dict[str, object]:
    """Rows of which three are a hundred times as large, in one direction and well reconstructed."""
    rng = np.random.default_rng(20261130)
    x = rng.standard_normal((ROWS, WIDTH)) + 1.0
    x[[5, 40, 41]] = [200.0, 0.0, 3.0, -150.0, 1.0] + rng.standard_normal((3, WIDTH))
    y = 0.99 * x + 0.4 * rng.standard_normal((ROWS, WIDTH))
    x, y = x.astype(np.float32), y.astype(np.float32)
    figures = massive_figures(x.astype(np.float64), y.astype(np.float64))
    return {"x": x.ravel().tolist(), "x_hat": y.ravel().tolist(), "figures": figures}


def code_figures(codes: Array) -> dict[str, object]:
    density = (codes != 0).mean(axis=0)
    edges = np.arange(-8, 0.125, 0.25)
    counts, _ = np.histogram(np.log10(density[density > 0]), bins=edges)
    return {
        "l0": (codes != 0).sum(axis=1).mean(),
        "l1": np.abs(codes).sum(axis=1).mean(),
        "dead": int((density == 0).sum()),
        "counts": counts.tolist(),
    }


def main() -> None:
    rng = np.random.default_rng(20261121)
    spread = np.array([0.1, 1.0, 3.0, 10.0, 30.0])
    x = (100.0 + spread * rng.standard_normal((ROWS, WIDTH))).astype(np.float32)
    y = (0.97 * x + rng.standard_normal((ROWS, WIDTH))).astype(np.float32)
    chance = 10.0 ** rng.uniform(-2.5, 0, LATENTS)
    codes = rng.standard_normal((ROWS, LATENTS)) * (rng.random((ROWS, LATENTS)) < chance)
    codes = codes.astype(np.float32)
    wide, wide_hat = x.astype(np.float64), y.astype(np.float64)
    golden = {
        "shape": [ROWS, WIDTH, LATENTS],
        "x": x.ravel().tolist(),
        "x_hat": y.ravel().tolist(),
        "codes": codes.ravel().tolist(),
        "reconstruction": explained_variances(wide, wide_hat) | norms(wide, wide_hat),
        "code": code_figures(codes.astype(np.float64)),
        "massive": massive_rows(),
    }
    Path(__file__).with_name("metrics.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
