"""What the tests of saekit's files share: the demo's folder, and its features as JSON has them.

    SAEKIT_DEMO=saekit-demo python -m pytest tests/python

needs scripts/requirements-notebook.txt and the folder of a finished `saekit demo`, --small or not.
What runs saekit takes the program that SAEKIT names, or `target/debug/saekit`.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]


def f32(value: float) -> float:
    """A number as a column of type float holds it."""
    return float(np.float32(value))


@dataclass
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Saekit:
    """The program; proxies and the Hub are kept out of its way."""

    program: Path

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """This process's, with the program's folder first in the path."""
        path = f"{self.program.parent}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"PATH": path, "NO_PROXY": "*", "no_proxy": "*"} | more

    def start(self, *arguments: str | Path, **more: str) -> subprocess.Popen[str]:
        """A process with these arguments, and these variables in its environment."""
        return subprocess.Popen(
            [self.program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(more),
        )

    def run(self, *arguments: str | Path, **more: str) -> Ended:
        """What came of these arguments; two minutes are too long."""
        ended = self.run_or_kill(120, *arguments, **more)
        assert ended, f"{arguments} takes too long"
        return ended

    def run_or_kill(self, seconds: float, *arguments: str | Path, **more: str) -> Ended | None:
        """What came of these arguments; nothing where it had to be killed after so long."""
        with self.start(*arguments, **more) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return None
        return Ended(process.returncode, out, err)


@pytest.fixture(scope="session")
def saekit() -> Saekit:
    program = Path(os.environ.get("SAEKIT", ROOT / "target/debug/saekit")).resolve()
    if not os.access(program, os.X_OK):
        pytest.exit(f"there is no program {program}; run `cargo build -p saekit`, or set SAEKIT", 1)
    return Saekit(program)


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
