"""Where the tests of faults make stores, and compare what saekit says with what it should."""

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conftest import ROOT, Ended, Saekit
from layouts import FILES, files, refresh, rows, write_folder
from stores import read_store, write_shard

GOLDEN = ROOT / "tests/golden/faults.txt"
WRITES = os.environ.get("SAEKIT_GOLDEN") == "write"
TRAIN = "--d-sae 16 --k 2 --batch 256 --device cpu".split()
VERBS = ["inspect", "verify", "train", "convert-store"]
SOUND = [rows(seed) for seed in range(FILES)]


def read_golden() -> dict[str, str]:
    """The messages by the name of their test; none where they are to be written."""
    parts = [] if WRITES else GOLDEN.read_text().split("\n## ")[1:]
    return {name: text for name, text in (part.split("\n", 1) for part in parts)}


def write_golden(golden: dict[str, str]) -> None:
    text = "".join(f"\n## {name}\n{said}" for name, said in golden.items())
    GOLDEN.write_text(f"What saekit prints, by test of tests/python/test_faults.py.\n{text}")


@dataclass
class Lab:
    """Where stores are made and damaged, and what is said of them."""

    saekit: Saekit
    folder: Path
    name: str
    golden: dict[str, str]
    native: Path

    @property
    def store(self) -> Path:
        return self.folder / "acts"

    def make(self, layout: str, parts: list[np.ndarray] | None = None) -> list[Path]:
        """A store of these parts, but for saekit's own, which has others where none are given."""
        if layout != "native":
            write_folder(self.store, layout, parts or SOUND)
            return files(self.store)
        shutil.copytree(self.native, self.store)
        if parts:
            for path, x in zip(files(self.store), parts, strict=True):
                write_shard(path, "acts", x)
            refresh(self.store)
        return files(self.store)

    def run(self, verb: str, *options: str | Path) -> Ended:
        """A verb on the store; what fails leaves nothing that looks whole."""
        out = self.folder / f"{verb}-out"
        shutil.rmtree(out, ignore_errors=True)
        command = {
            "train": ["--store", self.store, "--out", out, *TRAIN],
            "convert-store": [self.store, "--out", out, "--dtype", "f32"],
        }
        ended = self.saekit.run(verb, *command.get(verb, [self.store]), *options)
        assert ended.code in (0, 1) and "unexpectedly" not in ended.err, ended
        if ended.code == 1:
            assert ended.out == "" and not (out / "manifest.json").exists(), ended
            assert not (out / "dictionary").exists(), ended
        return ended

    def works(self) -> None:
        for verb in VERBS:
            ended = self.run(verb)
            assert ended.code == 0 and "warning" not in ended.err, ended

    def says(self, *options: str, verbs: list[str] = VERBS) -> None:
        """Fails unless the verbs end as they should; a message names a file or the store."""
        said: dict[str, list[str]] = {}
        for verb in verbs:
            ended = self.run(verb, "-q", *options)
            message = ended.err.replace(str(self.folder), "DIR") if ended.code else "ok\n"
            assert ended.code == 0 or re.match("error: .*DIR/acts.*\n$", message), ended
            said.setdefault(re.sub(r"\b[0-9a-f]{64}\b", "HASH", message), []).append(verb)
        self.expect("".join(f"{', '.join(verbs)}: {message}" for message, verbs in said.items()))

    def expect(self, text: str) -> None:
        """Fails unless `text` is what the golden file has for this test."""
        if WRITES:
            self.golden[self.name] = text
        assert text == self.golden.get(self.name)

    def rows(self, *options: str) -> list[bytes]:
        """The store's rows in f32, as `convert-store` writes them, in order of their bytes."""
        ended = self.run("convert-store", "-q", *options)
        assert ended.code == 0, ended
        return in_order(read_store(self.folder / "convert-store-out"))


def in_order(*parts: np.ndarray) -> list[bytes]:
    """Rows in f32, sorted: a store has them in a random order."""
    return sorted(row.tobytes() for x in parts for row in x.astype(np.float32))


def stopped_when(process: subprocess.Popen[str], begun: Callable[[], bool]) -> None:
    """Halts a process in the middle of its work."""
    while not begun():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)


def replaced_meanwhile(lab: Lab, begun: Callable[[], bool], command: list[str | Path]) -> None:
    """Another file takes the last one's place while a command runs, which is an error; and back."""
    path, kept, other = files(lab.store)[-1], lab.folder / "kept", lab.folder / "other"
    shutil.copy(files(lab.store)[0], other)
    os.link(path, kept)
    with lab.saekit.start(*command) as process:
        stopped_when(process, begun)
        other.rename(path)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate()
    assert process.returncode == 1 and out == "", (process.returncode, out, err)
    lab.expect(err.replace(str(lab.folder), "DIR"))
    kept.rename(path)


def limit_files() -> None:
    """No file grows beyond 300 KiB, and who tries is told so, as by a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300 << 10, 300 << 10))
