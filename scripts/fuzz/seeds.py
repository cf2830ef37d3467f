"""Small, whole files of every kind, made by the program itself and by the libraries others use."""

import gzip
import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file
from targets import HARVEST, TRAIN

WORDS = "the quick brown fox jumps over a lazy dog while seven wizards mix quartz with jazz".split()


def make_seeds(program, out: Path) -> None:
    """Makes the folders `texts`, `files`, `store`, `begun` and `analyzed` in `out`."""
    texts(out / "texts")
    files(out / "files")
    (out / "store").mkdir()
    run = lambda line, cwd: program.ok(*line.split(), cwd=cwd)
    harvest = HARVEST.replace("IN/", "texts/").replace("OUT", "store/acts") + "t.jsonl"
    run(f"{harvest} --shard-mib 1", out)
    shutil.copytree(out / "store", out / "begun")
    begin(program, out / "begun")
    shutil.copytree(out / "store", out / "analyzed")
    run(TRAIN.replace("IN/", ""), out / "analyzed")
    run("analyze run --store acts --model ../texts/model", out / "analyzed")
    run("export run --format saelens --out sae", out / "analyzed")


def begin(program, folder: Path) -> None:
    """A run that was killed after its first checkpoint."""
    line = TRAIN.replace("IN/", "").split()
    process = subprocess.Popen([program.path.resolve(), *line], cwd=folder, stderr=subprocess.DEVNULL)
    checkpoints = folder / "run/checkpoints"
    # A checkpoint has another name until it is whole.
    while process.poll() is None and not any(checkpoints.glob("[0-9]*/progress.json")):
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if (folder / "run/summary.json").exists():
        raise SystemExit("the run to be killed was too fast; try again")


def texts(out: Path) -> None:
    """Documents in every format, and a GPT-2 with random weights that reads bytes."""
    out.mkdir(parents=True)
    rng = random.Random(0)
    documents = [" ".join(rng.choices(WORDS, k=rng.randrange(8, 60))) + "." for _ in range(120)]
    lines = "".join(json.dumps({"text": text, "n": i}) + "\n" for i, text in enumerate(documents))
    (out / "t.jsonl").write_text(lines)
    (out / "t.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    (out / "t.txt").write_text("\n\n".join(documents))
    pq.write_table(pa.table({"text": documents, "n": range(120)}), out / "a.text.parquet", row_group_size=50)
    ids = [[rng.randrange(257) for _ in range(rng.randrange(8, 32))] for _ in range(60)]
    pq.write_table(pa.table({"input_ids": ids}), out / "ids.parquet")
    model(out / "model")


def model(out: Path, d: int = 16, layers: int = 1) -> None:
    """The model's folder."""
    out.mkdir()
    rng = np.random.default_rng(0)
    w = lambda *shape: (0.2 * rng.standard_normal(shape)).astype(np.float32)
    tensors = {"wte.weight": w(257, d), "wpe.weight": w(32, d), "ln_f.weight": w(d), "ln_f.bias": w(d)}
    for layer in range(layers):
        for name, rows, columns in [("attn.c_attn", d, 3 * d), ("attn.c_proj", d, d),
                                    ("mlp.c_fc", d, 4 * d), ("mlp.c_proj", 4 * d, d)]:
            tensors[f"h.{layer}.{name}.weight"] = w(rows, columns)
            tensors[f"h.{layer}.{name}.bias"] = w(columns)
        for name in ["ln_1", "ln_2"]:
            tensors[f"h.{layer}.{name}.weight"] = w(d)
            tensors[f"h.{layer}.{name}.bias"] = w(d)
    save_file({f"transformer.{k}": v for k, v in tensors.items()}, out / "model.safetensors")
    config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": d, "n_layer": layers,
              "n_head": 2, "n_positions": 32, "vocab_size": 257, "activation_function": "gelu_new",
              "layer_norm_epsilon": 1e-5, "bos_token_id": 256, "eos_token_id": 256}
    (out / "config.json").write_text(json.dumps(config))
    (out / "tokenizer.json").write_text(json.dumps(tokenizer()))


def tokenizer() -> dict:
    """A byte-level BPE with a few merges."""
    shown = {b: chr(b) for b in [*range(33, 127), *range(161, 173), *range(174, 256)]}
    shown |= {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in shown)}
    vocab = {shown[b]: b for b in range(256)} | {"<|endoftext|>": 256}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": 256, "content": "<|endoftext|>", "single_word": False, "lstrip": False,
                              "rstrip": False, "normalized": False, "special": True}],
            "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                      "ignore_merges": False, "vocab": vocab, "merges": []}}


def files(out: Path, rows: int = 200, width: int = 24) -> None:
    """Activations as other tools write them."""
    out.mkdir(parents=True)
    x = np.random.default_rng(1).standard_normal((rows, width)).astype(np.float32)
    np.save(out / "x.npy", x)
    save_file({"activations": x, "ids": np.arange(rows)}, out / "x.safetensors")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(x.astype(np.float16).ravel()), width)
    table = pa.table({"activation": vectors, "document": pa.array(np.arange(rows) // 8, pa.int32())})
    pq.write_table(table, out / "x.parquet", row_group_size=64, compression="zstd", write_page_checksum=True)
    with pa.OSFile(str(out / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=64)
