#!/usr/bin/env python3
"""Write the trained model as a Hugging Face GPT-2 folder with f16 weights.

Usage: export.py --work DIR --checkpoint FILE --heldout FILE --out DIR [--report FILE]

Checks on the way, with transformers and the exported weights upcast to f32:
held-out nats per token, and the size of the residual stream after each layer.
"""
import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

import train as T


def state(checkpoint):
    """Our names and [out, in] matrices to transformers' names and [in, out]."""
    own = torch.load(checkpoint, map_location="cpu", weights_only=True)["model"]
    out = {"transformer.wte.weight": own["wte"], "transformer.wpe.weight": own["wpe"],
           "transformer.ln_f.weight": own["ln_f.weight"], "transformer.ln_f.bias": own["ln_f.bias"]}
    names = {"ln_1": "ln_1", "ln_2": "ln_2", "c_attn": "attn.c_attn", "attn_proj": "attn.c_proj",
             "c_fc": "mlp.c_fc", "mlp_proj": "mlp.c_proj"}
    for l in range(T.LAYERS):
        for a, b in names.items():
            w = own[f"h.{l}.{a}.weight"]
            out[f"transformer.h.{l}.{b}.weight"] = w.t() if w.ndim == 2 else w
            out[f"transformer.h.{l}.{b}.bias"] = own[f"h.{l}.{a}.bias"]
    return {k: v.detach().to(torch.float16).contiguous() for k, v in out.items()}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument("--heldout", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--report", type=Path)
    args = ap.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)

    weights = state(args.checkpoint)
    assert all(torch.isfinite(w).all() for w in weights.values())
    save_file(weights, args.out / "model.safetensors", metadata={"format": "pt"})
    config = GPT2Config(vocab_size=T.VOCAB, n_positions=T.CTX, n_embd=T.WIDTH, n_layer=T.LAYERS, n_head=T.HEADS,
                        activation_function="gelu_new", resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
                        layer_norm_epsilon=1e-5, bos_token_id=0, eos_token_id=0, tie_word_embeddings=True,
                        architectures=["GPT2LMHeadModel"], dtype="float16")
    fields = config.to_dict()
    for name in ("task_specific_params", "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
                 "summary_type", "summary_use_proj"):
        fields.pop(name, None)
    keep = set(GPT2Config().to_diff_dict()) | {
        "activation_function", "architectures", "attn_pdrop", "bos_token_id", "dtype", "embd_pdrop", "eos_token_id",
        "initializer_range", "layer_norm_epsilon", "model_type", "n_embd", "n_head", "n_inner", "n_layer",
        "n_positions", "reorder_and_upcast_attn", "resid_pdrop", "scale_attn_by_inverse_layer_idx",
        "scale_attn_weights", "tie_word_embeddings", "use_cache", "vocab_size"}
    fields = {k: v for k, v in sorted(fields.items()) if k in keep and k != "_name_or_path"}
    fields["dtype"] = fields["torch_dtype"] = "float16"     # new and old name of the same field
    (args.out / "config.json").write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")
    shutil.copyfile(args.work / "tokenizer.json", args.out / "tokenizer.json")

    # what the exported folder does, by transformers
    model = GPT2LMHeadModel.from_pretrained(args.out, dtype=torch.float32).eval()
    tok = T.Tokenizer.from_file(str(args.out / "tokenizer.json"))
    held = T.stream(tok, T.texts(args.heldout))
    n = len(held) // (T.CTX - 1)
    body = torch.from_numpy(held[: n * (T.CTX - 1)].reshape(n, T.CTX - 1))
    stats = {l: {"square": 0.0, "max_abs": 0.0, "first_rms": 0.0, "max_abs_not_first": 0.0} for l in range(T.LAYERS)}
    total, count, rows = 0.0, 0, 0
    captured = {}
    for l, block in enumerate(model.transformer.h):
        block.register_forward_hook(lambda _m, _i, o, l=l: captured.__setitem__(l, o[0] if isinstance(o, tuple) else o))
    with torch.no_grad():
        for part in body.split(64):
            ids = torch.cat([torch.zeros(len(part), 1, dtype=torch.long), part], dim=1)[:, : T.CTX]
            logits = model(ids).logits
            total += float(T.F.cross_entropy(logits[:, :-1].reshape(-1, T.VOCAB), ids[:, 1:].reshape(-1), reduction="sum"))
            count += ids[:, 1:].numel()
            rows += len(ids)
            for l, x in captured.items():
                s = stats[l]
                s["square"] += float(x[:, 1:].double().square().sum())
                s["max_abs"] = max(s["max_abs"], float(x.abs().max()))
                s["max_abs_not_first"] = max(s["max_abs_not_first"], float(x[:, 1:].abs().max()))
                s["first_rms"] = float(x[:, 0].square().mean().sqrt())
    for s in stats.values():
        s["rms_not_first"] = (s.pop("square") / (rows * (T.CTX - 1) * T.WIDTH)) ** 0.5
    report = {"heldout_nats_per_token_f16_weights": round(total / count, 4), "scored_tokens": count,
              "parameters": sum(w.numel() for w in weights.values()),
              "resid_post": {l: {k: round(v, 4) for k, v in s.items()} for l, s in stats.items()},
              "files": {p.name: p.stat().st_size for p in sorted(args.out.iterdir())}}
    print(json.dumps(report, indent=1))
    if args.report:
        args.report.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
