"""Which files are damaged, and what is run on them."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HOOK = "blocks.0.hook_resid_post"


def stdout(_work: Path, out: bytes) -> bytes:
    """The result of a verb that prints it."""
    return out


def dictionary(work: Path, _out: bytes) -> bytes:
    """The result of training."""
    return (work / "in/run/dictionary/dictionary.safetensors").read_bytes()


@dataclass
class Target:
    """Files of a seed folder, and a command that reads them."""

    name: str
    about: str
    seed: str
    files: list[str]
    line: str
    # Where a hash covers the files: what the command results in, which damage must not change.
    result: Callable[[Path, bytes], bytes] | None = None
    # Makes hashes agree with the damaged file, so that what lies behind them is reached.
    mend: Callable[[Path], None] | None = None

    def command(self, given: Path, out: Path) -> list[str]:
        """The arguments; `IN` and `OUT` stand for the folders."""
        return [w.replace("IN", str(given)).replace("OUT", str(out)) for w in self.line.split()]

    def expected(self, program, seeds: Path, scratch: Path) -> bytes | None:
        """What the command results in without damage; it must succeed."""
        work = scratch / f"expected-{self.name}"
        shutil.copytree(seeds / self.seed, work / "in", symlinks=True)
        out = program.ok(*self.command(Path("in"), Path("out")), cwd=work)
        return self.result(work, out) if self.result else None


def rehash(folder: Path) -> None:
    """Writes the hashes and sizes of a store's files into its manifest."""
    path = folder / "acts/manifest.json"
    manifest = json.loads(path.read_text())
    for entry in [manifest["tokens"], *manifest["shards"]]:
        data = (folder / "acts" / entry["file"]).read_bytes()
        entry["sha256"] = hashlib.sha256(data).hexdigest()
        entry["bytes"] = len(data)
    path.write_text(json.dumps(manifest))


HARVEST = f"harvest --model IN/model --hook {HOOK} --context 16 --out OUT --text IN/"
TRAIN = "train --store IN/acts --out IN/run --d-sae 32 --k 4 --batch 64 --rows 4096 --checkpoint-every 8"
FIRINGS = "features IN/run --id 3 --sample 5"

TARGETS = [
    Target("jsonl", "text, JSON lines", "texts", ["t.jsonl"], f"{HARVEST}t.jsonl"),
    Target("jsonl-gz", "text, compressed JSON lines", "texts", ["t.jsonl.gz"], f"{HARVEST}t.jsonl.gz"),
    Target("txt", "plain text", "texts", ["t.txt"], f"{HARVEST}t.txt"),
    Target("text-parquet", "text in parquet", "texts", ["*.text.parquet"], f"{HARVEST}a.text.parquet"),
    Target("ids-parquet", "token ids in parquet", "texts", ["ids.parquet"], f"{HARVEST}ids.parquet"),
    Target("tokenizer", "tokenizer.json", "texts", ["model/tokenizer.json"], f"{HARVEST}t.txt"),
    Target("config", "config.json", "texts", ["model/config.json"], f"{HARVEST}t.txt"),
    Target("model", "model.safetensors", "texts", ["model/model.safetensors"], f"{HARVEST}t.txt"),
    Target("npy", "an array of NumPy", "files", ["x.npy"], "verify IN/x.npy"),
    Target("safetensors", "named tensors", "files", ["x.safetensors"], "verify IN/x.safetensors"),
    Target("arrow", "Arrow IPC", "files", ["x.arrow"], "verify IN/x.arrow"),
    Target("parquet", "parquet with lists", "files", ["x.parquet"], "verify IN/x.parquet"),
    Target("store", "any file of a store", "store", ["acts/**/*"], "verify IN/acts", stdout),
    Target("tokens", "a tokens table whose hash agrees", "store", ["acts/tokens.parquet"],
           "verify IN/acts", None, rehash),
    Target("shards", "shards whose hashes agree", "store", ["acts/shards/*"],
           "verify IN/acts", None, rehash),
    Target("train", "a store in training", "store", ["acts/**/*.parquet"], f"{TRAIN} --exclude-tokens 70"),
    Target("checkpoint", "a run that goes on", "begun", ["run/checkpoints/**/*", "run/plan.toml"],
           TRAIN, dictionary),
    Target("metrics", "metrics of a run that goes on", "begun", ["run/metrics.jsonl"], TRAIN, dictionary),
    Target("index", "the latent index", "analyzed", ["run/analysis/index/**/*"], FIRINGS, stdout),
    Target("analysis", "tables and features of an analysis", "analyzed",
           ["run/analysis/*.json", "run/analysis/features/*"], FIRINGS),
    Target("dictionary", "a dictionary", "analyzed", ["run/dictionary/*"], "inspect IN/run/dictionary"),
    Target("run", "a finished run", "analyzed", ["run/*.json", "run/*.toml"], "inspect IN/run"),
    Target("saelens", "a dictionary of SAELens", "analyzed", ["sae/*"], "inspect IN/sae"),
]
