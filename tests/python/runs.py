"""Runs of `saekit train` on stores far away, which end with the same bytes as one on a folder."""

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import Ended, Saekit
from servers import Fault, Server, closed, replaced, short, status, whole

TRAIN = "--d-sae 128 --k 8 --batch 128 --checkpoint-every 8 --log-every 8 --pool-mib 1 --device cpu"

# What is mended by asking again, and how often it happens.
MENDED: dict[str, tuple[Fault, int]] = {
    "unavailable-twice": (status(503), 2),
    "short-body": (short, 1),
    "connection-closed": (closed, 1),
}

# What ends a run, and what its message has to say. `replaced` is none before a file was seen.
STOPS: dict[str, tuple[Fault, str]] = {
    "range-ignored": (whole, r"range"),
    "replaced": (replaced, r"chang|replaced|another|412|etag"),
    "forbidden": (status(403), r"403|forbidden|denied|permission"),
    "missing": (status(404), r"404|not found|no such|missing|changed while"),
}


@dataclass
class Place:
    """Where the store lies, what else has to be in the environment, and the server in between."""

    location: str
    environment: dict[str, str] = field(default_factory=dict)
    server: Server | None = None


def train(saekit: Saekit, at: Place, out: Path, seconds: float | None = None) -> Ended | None:
    """Trains; nothing where it had to be killed after so many seconds."""
    command = ["train", "--store", at.location, "--out", str(out), *TRAIN.split()]
    if seconds is None:
        return saekit.run(*command, **at.environment)
    return saekit.run_or_kill(seconds, *command, **at.environment)


def dictionary(run: Path) -> bytes:
    return (run / "dictionary/dictionary.safetensors").read_bytes()


def trained(saekit: Saekit, at: Place, out: Path) -> bytes:
    """The dictionary of a run that has to reach its end."""
    ended = train(saekit, at, out)
    assert ended and ended.code == 0, ended
    return dictionary(out)


def kill_and_resume(saekit: Saekit, at: Place, out: Path, kills: int, expected: bytes) -> None:
    """`kill -9` at random moments of the time that a run takes, which is then run to its end."""
    moments = random.Random(out.name)
    killed, finished = 0, 0
    begun = time.monotonic()
    train(saekit, at, out / "clean")
    takes = time.monotonic() - begun
    for _ in range(20 * kills):
        run = out / f"run-{finished}"
        more = killed < kills
        ended = train(saekit, at, run, moments.uniform(0, takes) if more else None)
        if not ended:
            killed += 1
            if (run / "summary.json").exists():  # killed when there was nothing left to do
                assert dictionary(run) == expected, f"after {killed} kills"
                finished += 1
            continue
        assert ended.code == 0, ended
        assert dictionary(run) == expected, f"after {killed} kills"
        finished += 1
        if not more:
            return
    pytest.fail(f"{killed} kills, {finished} runs finished")
