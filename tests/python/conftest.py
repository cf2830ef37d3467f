"""What the tests of saekit's files share: the demo's folder, and its features as JSON has them.

    SAEKIT_DEMO=saekit-demo python -m pytest tests/python

needs scripts/requirements-notebook.txt and the folder of a finished `saekit demo`, --small or not.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]


def f32(value: float) -> float:
    """A number as a column of type float holds it."""
    return float(np.float32(value))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def demo() -> Path:
    path = Path(os.environ.get("SAEKIT_DEMO", "saekit-demo")).resolve()
    if not (path / "run/analysis/analysis.json").exists():
        pytest.exit(f"{path} holds no finished demo; run `saekit demo --small`, set SAEKIT_DEMO", 1)
    return path


@pytest.fixture(scope="session")
def analysis(demo: Path) -> Path:
    return demo / "run/analysis"


@pytest.fixture(scope="session")
def summary(analysis: Path) -> Json:
    return json.loads((analysis / "analysis.json").read_text())


@pytest.fixture(scope="session")
def features(analysis: Path, summary: Json) -> list[Json]:
    """Every `features/<latent>.json`, in order."""
    latents = range(summary["shape"]["d_code"])
    return [json.loads((analysis / f"features/{latent}.json").read_text()) for latent in latents]
