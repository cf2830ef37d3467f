#!/usr/bin/env python3
"""Write a saekit store (docs/store-format.md) with `transformers`, as `saekit harvest` does.

The reference for people who read Python: the same packing, columns and manifest. Documents are
shuffled by NumPy, so sequences come in another order than saekit's for the same seed; `--tokens`
takes them from a store instead, in that store's order. All token ids are held in memory.

    harvest.py MODEL OUT --hook blocks.2.hook_resid_post TEXT...
    harvest.py MODEL OUT --hook blocks.2.hook_resid_post --tokens STORE/tokens.parquet
"""
import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel

BATCH, SHARD_SEQUENCES, ROW_GROUP_BYTES = 32, 2048, 16 << 20
DTYPES = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}
# Where blocks are, and in a block its attention and the norm before its MLP.
FAMILIES = {"gpt2": ("transformer.h", "attn", "ln_2")} | dict.fromkeys(
    ["llama", "mistral", "qwen2", "qwen3"], ("model.layers", "self_attn", "post_attention_layernorm"))
# A sequence is an array a column, of one entry a token.
COLUMNS = ["token_ids", "document", "byte_start", "byte_end"]
Sequence = list[np.ndarray]


def sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry(path: Path, out: Path) -> dict:
    """What the manifest says of a file of the store in `out`."""
    return {"file": path.relative_to(out).as_posix(), "bytes": path.stat().st_size, "sha256": sha256(path)}


def documents(paths: list[Path]) -> list[str]:
    """Every document: a row of the column `text` of a .parquet file; any other file as a whole."""
    parts = [pq.read_table(path, columns=["text"])["text"].to_pylist() if path.suffix == ".parquet"
             else [path.read_bytes().decode()] for path in paths]
    return [text for part in parts for text in part]


def pack(texts: list[str], tokenizer: Tokenizer, bos: int | None, size: int, seed: int) -> Iterator[Sequence]:
    """Contexts `[BOS, tokens...]` of `size` tokens, documents shuffled and parted by BOS."""
    context: list[tuple[int, ...]] = []
    for document in np.random.default_rng(seed).permutation(len(texts)):
        encoding = tokenizer.encode(texts[document], add_special_tokens=False)
        before = np.cumsum([0, *(len(character.encode()) for character in texts[document])])
        tokens = [(token, document, before[i], before[j]) for token, (i, j) in zip(encoding.ids, encoding.offsets)]
        if bos is not None and context and tokens:
            tokens.insert(0, (bos, document, tokens[0][2], tokens[0][2]))
        for token in tokens:
            if bos is not None and not context:
                context.append((bos, document, token[2], token[2]))
            context.append(token)
            if len(context) == size:
                yield list(np.array(context, np.uint32).T)
                context = []
    if len(context) >= 2:
        yield list(np.array(context, np.uint32).T)


def read_tokens(path: Path) -> Iterator[Sequence]:
    """The sequences of a store's tokens table."""
    for batch in pq.ParquetFile(path).iter_batches(1024, columns=COLUMNS):
        for i in range(batch.num_rows):
            yield [batch.column(name)[i].values.to_numpy() for name in COLUMNS]


def record(model: PreTrainedModel, hooks: list[str]) -> dict[str, torch.Tensor]:
    """A dictionary that each forward pass fills with the activations at `hooks`."""
    seen = dict.fromkeys(hooks, torch.empty(0))

    def keep(hook: str, value: torch.Tensor | tuple) -> None:
        seen[hook] = value[0] if isinstance(value, tuple) else value

    if model.config.model_type not in FAMILIES:
        raise SystemExit(f"a model of type `{model.config.model_type}`; expected {', '.join(FAMILIES)}")
    blocks, attention, norm = FAMILIES[model.config.model_type]
    for hook in hooks:
        try:
            _, layer, kind = hook.split(".")
            block = model.get_submodule(blocks)[int(layer)]
            before = {"hook_resid_pre": block, "hook_resid_mid": block.get_submodule(norm)}
            after = {"hook_resid_post": block, "hook_mlp_out": block.mlp,
                     "hook_attn_out": block.get_submodule(attention)}
            if kind in before:
                before[kind].register_forward_pre_hook(lambda _, args, hook=hook: keep(hook, args))
            else:
                after[kind].register_forward_hook(lambda _, __, out, hook=hook: keep(hook, out))
        except (ValueError, LookupError) as error:
            raise SystemExit(f"there is no hook point `{hook}` in this model") from error
    return seen


def run(model: PreTrainedModel, seen: dict[str, torch.Tensor], sequences: list[Sequence],
        left_out: list[int]) -> tuple[np.ndarray, np.ndarray, list[torch.Tensor]]:
    """The rows of `sequences`: number of the sequence among them, position, values a hook point."""
    parts = []
    for start in range(0, len(sequences), BATCH):
        batch = [sequence[0] for sequence in sequences[start:start + BATCH]]
        ids = np.full((len(batch), max(map(len, batch))), -1, np.int64)
        for row, tokens in enumerate(batch):
            ids[row, :len(tokens)] = tokens
        model(torch.from_numpy(ids.clip(0)), use_cache=False)
        rows, positions = np.nonzero((ids >= 0) & ~np.isin(ids, left_out))
        parts.append((rows + start, positions, [values[rows, positions] for values in seen.values()]))
    numbers, positions, values = zip(*parts)
    return np.concatenate(numbers), np.concatenate(positions), [torch.cat(column) for column in zip(*values)]


def write_shard(path: Path, dtype: str, columns: dict[str, np.ndarray]) -> None:
    """Writes a shard of bytes `[rows, bytes a row]` and numbers `[rows]`."""
    wide = {name: column.shape[1] for name, column in columns.items() if column.ndim == 2}
    arrays = [pa.array(column, pa.uint32()) if name not in wide else pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(wide[name]), len(column), [None, pa.py_buffer(column)]) for name, column in columns.items()]
    fields = [pa.field(name, array.type, nullable=False) for name, array in zip(columns, arrays)]
    schema = pa.schema(fields, metadata={"dtype": dtype, "byte_order": "little"})
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, use_dictionary=False,
                   compression={name: "none" if name in wide else "zstd" for name in columns},
                   row_group_size=max(1, ROW_GROUP_BYTES // sum(wide.values())))


def write_tokens(path: Path, sequences: list[Sequence]) -> None:
    """Writes the tokens table."""
    kind = pa.list_(pa.field("element", pa.uint32(), nullable=False))
    offsets = pa.array(np.cumsum([0, *(len(sequence[0]) for sequence in sequences)]), pa.int32())
    values = [pa.array(np.concatenate(column)) for column in zip(*sequences)]
    arrays = [pa.ListArray.from_arrays(offsets, column, type=kind) for column in values]
    schema = pa.schema([pa.field(name, kind, nullable=False) for name in COLUMNS])
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, compression="zstd", row_group_size=4096)


def model_info(folder: Path, model: PreTrainedModel) -> dict:
    """The manifest's `model`; its hash is that of what `sha256sum config.json *.safetensors` prints."""
    config, files = model.config, [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    listing = "".join(f"{sha256(path)}  {path.name}\n" for path in files)
    return {"name": folder.resolve().name, "family": config.model_type, "d_model": config.hidden_size,
            "n_layers": config.num_hidden_layers, "n_ctx": config.max_position_embeddings,
            "d_vocab": config.vocab_size, "sha256": hashlib.sha256(listing.encode()).hexdigest()}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a Hugging Face folder")
    parser.add_argument("out", type=Path, help="the folder of the store, which must not be there")
    parser.add_argument("text", type=Path, nargs="*", help=".parquet (column `text`) or text files")
    parser.add_argument("--tokens", type=Path, help="tokens.parquet of a store, whose sequences are taken instead")
    parser.add_argument("--hook", action="append", required=True, help="a hook point; may be given several times")
    parser.add_argument("--context-size", type=int, help="tokens a context, BOS included")
    parser.add_argument("--dtype", choices=DTYPES, default="f16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-special", action="store_true", help="store rows of special tokens too")
    args = parser.parse_args()
    if bool(args.text) == bool(args.tokens) or args.out.exists():
        parser.error("give either text or --tokens, and a folder that is not there yet")
    return args


@torch.no_grad()
def main() -> None:
    """Writes the store."""
    args = arguments()
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    info, seen = model_info(args.model, model), record(model, args.hook)
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    roles = [model.config.bos_token_id, model.config.eos_token_id, model.config.pad_token_id]
    added = [token for token, added in tokenizer.get_added_tokens_decoder().items() if added.special]
    left_out = [] if args.keep_special else sorted({token for token in roles + added if isinstance(token, int)})
    size = args.context_size or min(info["n_ctx"], 1024)
    sequences = list(read_tokens(args.tokens) if args.tokens else
                     pack(documents(args.text), tokenizer, roles[0], size, args.seed))
    (args.out / "shards").mkdir(parents=True)
    shards, random = [], np.random.default_rng([args.seed, 1])
    sums, norms = [0.0] * len(args.hook), np.zeros(len(args.hook))
    for start in range(0, len(sequences), SHARD_SEQUENCES):
        numbers, positions, values = run(model, seen, sequences[start:start + SHARD_SEQUENCES], left_out)
        order = random.permutation(len(numbers))
        values = [value.to(DTYPES[args.dtype])[order] for value in values]
        if not all(value.isfinite().all() for value in values):
            raise SystemExit(f"an activation is NaN, infinite or too large for {args.dtype}")
        sums = [total + value.double().sum(0).numpy() for total, value in zip(sums, values)]
        norms += [value.double().norm(dim=1).sum().item() for value in values]
        columns = {hook: value.view(torch.uint8).numpy() for hook, value in zip(args.hook, values)}
        columns |= {"sequence": numbers[order] + start, "position": positions[order]}
        path = args.out / "shards" / f"shard-{len(shards):05}.parquet"
        write_shard(path, args.dtype, columns)
        shards.append({"rows": len(order), **entry(path, args.out)})
    write_tokens(args.out / "tokens.parquet", sequences)
    rows = sum(shard["rows"] for shard in shards)
    lengths = {len(sequence[0]) for sequence in sequences[:-1] or sequences}
    manifest = {
        "format": "saekit-store", "version": 1, "model": info,
        "tokenizer_sha256": sha256(args.model / "tokenizer.json"),
        "dataset": {"name": (args.text or [args.tokens])[0].name, "sha256": None},
        "context_size": lengths.pop() if len(lengths) == 1 else None,
        "prepend_bos": all(sequence[0][0] == roles[0] for sequence in sequences), "excluded_tokens": left_out,
        "seed": args.seed, "rows": rows, "sequences": len(sequences), "shards": shards,
        "tokens": entry(args.out / "tokens.parquet", args.out),
        "columns": [{"name": hook, "width": len(total), "dtype": args.dtype, "mean_norm": norm / rows,
                     "scale": len(total) ** 0.5 * rows / norm, "mean": (total / rows).tolist()}
                    for hook, total, norm in zip(args.hook, sums, norms.tolist())],
    }
    partial = args.out / "manifest.json.partial"
    partial.write_text(json.dumps(manifest, indent=2) + "\n")
    partial.rename(args.out / "manifest.json")
    print(f"{rows} rows of {len(sequences)} sequences in {args.out}")


if __name__ == "__main__":
    main()
