#!/usr/bin/env python3
"""Compare two stores of the same sequences, row by row: saekit's and that of scripts/harvest.py.

    saekit harvest --model MODEL --text TEXT --hook HOOK --out OURS
    scripts/harvest.py MODEL THEIRS --hook HOOK --tokens OURS/tokens.parquet
    scripts/parity/harvest_check.py OURS THEIRS

Rows are matched by (sequence, position). Two values agree where they differ by at most one step of
the dtype, since both were rounded, plus 1e-4 of the column's root mean square, the tolerance of the
forward pass. Prints a line a column; exits with 1 where anything disagrees.
"""
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

# Greatest step relative to a value: 2 to the minus number of bits after the leading one.
STEPS = {"f16": 2.0**-10, "bf16": 2.0**-7, "f32": 2.0**-23}
FORWARD = 1e-4


def decode(bytes_: np.ndarray, dtype: str) -> np.ndarray:
    """Stored bytes as f32."""
    if dtype == "bf16":
        return (bytes_.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return bytes_.view({"f16": "<f2", "f32": "<f4"}[dtype]).astype(np.float32)


def read(store: Path) -> tuple[dict, list, np.ndarray, dict[str, np.ndarray]]:
    """Manifest, token ids a sequence, places `[rows, 2]` in order and values `[rows, width]` a column."""
    manifest = json.loads((store / "manifest.json").read_text())
    shards = [pq.read_table(store / shard["file"]).combine_chunks() for shard in manifest["shards"]]
    places = np.concatenate([np.stack([shard[name].to_numpy() for name in ("sequence", "position")], 1)
                             for shard in shards])
    order = np.lexsort((places[:, 1], places[:, 0]))
    values = {}
    for column in manifest["columns"]:
        parts = []
        for shard in shards:
            array = shard[column["name"]].combine_chunks()
            width = array.type.byte_width
            raw = np.frombuffer(array.buffers()[1], np.uint8)
            parts.append(decode(raw[array.offset * width:][:len(array) * width].reshape(-1, width), column["dtype"]))
        values[column["name"]] = np.concatenate(parts)[order]
    tokens = pq.read_table(store / "tokens.parquet")["token_ids"].to_pylist()
    return manifest, tokens, places[order], values


def main() -> None:
    """Compares the two stores that the command line names."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    (ours, tokens, places, values), (theirs, tokens_2, places_2, values_2) = (read(Path(p)) for p in sys.argv[1:])
    bad = [name for name, same in [
        ("token ids", tokens == tokens_2), ("places of rows", np.array_equal(places, places_2)),
        ("hash of the model", ours["model"]["sha256"] == theirs["model"]["sha256"]),
        ("hash of the tokenizer", ours["tokenizer_sha256"] == theirs["tokenizer_sha256"]),
        ("columns", values.keys() == values_2.keys()),
        *((f"`{key}`", ours[key] == theirs[key])
          for key in ("rows", "sequences", "context_size", "prepend_bos", "excluded_tokens")),
    ] if not same]
    if bad:
        raise SystemExit(f"the stores differ in {', '.join(bad)}")
    for column, column_2 in zip(ours["columns"], theirs["columns"]):
        a, b = values[column["name"]], values_2[column["name"]]
        step = max(STEPS[column["dtype"]], STEPS[column_2["dtype"]])
        rms = float(np.sqrt(np.mean(np.square(a, dtype=np.float64))))
        difference = np.abs(a - b)
        wrong = int((difference > step * np.maximum(np.abs(a), np.abs(b)) + FORWARD * rms).sum())
        off = abs(column["mean_norm"] / column_2["mean_norm"] - 1)
        print(f"{column['name']}: {len(a)} rows, {wrong} values beyond rounding, {np.mean(a == b):.2%} equal, "
              f"greatest difference {difference.max() / rms:.1e} rms, mean norms differ by {off:.1e}")
        if wrong or off > FORWARD:
            bad.append(column["name"])
    if bad:
        raise SystemExit(f"the stores differ in {', '.join(bad)}")


if __name__ == "__main__":
    main()
