"""Runs of `saekit train` on stores far away, which end with the same bytes as one on a folder."""

import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from conftest import Ended, Saekit
from layouts import rows
from servers import Fault, Server, Trouble, closed, replaced, short, status, whole

SHARDS = 4  # into which the activations are written
TRAIN = "--d-sae 128 --k 8 --batch 128 --checkpoint-every 8 --log-every 8 --pool-mib 1 --device cpu"

# What is mended by asking again, and how often it happens.
MENDED: dict[str, tuple[Fault, int]] = {
    "unavailable-twice": (status(503), 2),
    "short-body": (short, 1),
    "connection-closed": (closed, 1),
}

# What ends a run, and what its message has to say of a shard. `replaced` is none before a file was
# seen. A number is a word of its own, since addresses have ports.
STOPS: dict[str, tuple[Fault, str]] = {
    "range-ignored": (whole, r"range"),
    "replaced": (replaced, r"chang|replaced|another|\b412\b|etag"),
    "forbidden": (status(403), r"\b403\b|forbidden|denied|permission"),
    "missing": (status(404), r"\b404\b|not found|no such|missing|changed while"),
}


@dataclass
class Place:
    """Where the store lies, what else has to be in the environment, and the server in between.

    The secrets are what must not come out again anywhere.
    """

    location: str
    environment: dict[str, str] = field(default_factory=dict)
    server: Server | None = None
    secrets: tuple[str, ...] = ()


def activations() -> np.ndarray:
    """Enough of them for a run that asks for many ranges."""
    return rows(7, 16384, 64)


def train(
    saekit: Saekit, at: Place, out: Path, seconds: float | None = None, more: Sequence[str] = ()
) -> Ended | None:
    """Trains; nothing where it had to be killed after so many seconds."""
    command = ["train", "--store", at.location, "--out", str(out), *TRAIN.split(), *more]
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


def dictionaries(saekit: Saekit, top: Path, names: tuple[str, ...], out: Path) -> dict[str, bytes]:
    """Those of runs on folders that nothing happens to, by the folder's name."""
    return {name: trained(saekit, Place(str(top / name)), out / name) for name in names}


def find_middle(saekit: Saekit, at: Place, out: Path, least: int) -> int:
    """Half the requests for shards' bytes of a run that nothing happens to."""
    assert at.server
    at.server.reset(None)
    trained(saekit, at, out)
    middle = at.server.asked // 2
    assert middle >= least, f"a run that asks so seldom has no middle: {middle}"
    return middle


def assert_silent(ended: Ended, at: Place, *folders: Path) -> None:
    """No secret is in what was printed, nor in a file."""
    assert not any(secret in ended.out + ended.err for secret in at.secrets), ended
    for file in (file for top in folders for file in top.rglob("*") if file.is_file()):
        assert not any(secret.encode() in file.read_bytes() for secret in at.secrets), file


def assert_same_manifest(saekit: Saekit, near: Path, at: Place) -> None:
    """`inspect` finds the folder's manifest also far away."""
    here = saekit.run("inspect", near)
    there = saekit.run("inspect", at.location, **at.environment)
    assert here.code == 0 and there.code == 0, (here, there)
    found = [re.search(r"manifest sha256 +(\w+)", ended.out) for ended in (here, there)]
    assert found[0] and found[1] and found[0][1] == found[1][1], (here, there)
    assert_silent(there, at)


def assert_mended(saekit: Saekit, at: Place, trouble: Trouble, out: Path, expected: bytes) -> None:
    """The trouble happens, and the run ends as if it had not."""
    assert at.server
    at.server.reset(trouble)
    assert trained(saekit, at, out) == expected, "other bytes"
    assert at.server.asked >= trouble.after + trouble.times, "nothing went wrong"


def assert_stops(
    saekit: Saekit, at: Place, trouble: Trouble, message: str, out: Path, expected: bytes
) -> None:
    """The run ends with a message about a shard, and goes on once the trouble is gone."""
    assert at.server
    at.server.reset(trouble)
    ended = train(saekit, at, out)
    assert ended and ended.code == 1, ended
    shard = re.escape(f"{at.location.rstrip('/')}/shards/shard-")
    assert re.search(f"{shard}.*({message})", ended.err, re.IGNORECASE), ended
    assert "panicked" not in ended.err, ended
    assert not (out / "dictionary").exists(), "a dictionary of a run that stopped"
    assert_silent(ended, at, out)
    at.server.reset(None)
    assert trained(saekit, at, out) == expected, "other bytes"


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
