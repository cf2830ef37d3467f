"""Writes metrics.json beside itself: rows, reconstructions, codes and numpy's figures for them.

    python metrics.py        # numpy 2.3.5; the file is the same on every run
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
        "mean": wide.mean(axis=0).tolist(),
        "reconstruction": explained_variances(wide, wide_hat) | norms(wide, wide_hat),
        "code": code_figures(codes.astype(np.float64)),
    }
    Path(__file__).with_name("metrics.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
