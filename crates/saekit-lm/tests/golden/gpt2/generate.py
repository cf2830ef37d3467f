#!/usr/bin/env python3
"""Golden values for the GPT-2 forward pass, by transformers in f32.

Usage: generate.py            (run from anywhere; Python packages: scripts/demo-lm/requirements.txt)

Writes beside this file:
  tiny/               random, non-degenerate GPT-2 (f32, one file) and golden.safetensors
  tiny-sharded-bf16/  the same weights as two bf16 shards; its golden values are of the
                      bf16-rounded weights, computed in f32
  demo.safetensors    values of the shipped demo model on held-out text
  demo_tokens.json    token ids and character offsets by the tokenizers library

In golden.safetensors: input_ids [3,16]; blocks.{l}.hook_resid_pre, hook_attn_out,
hook_resid_mid, hook_mlp_out, hook_resid_post [3,16,24]; logits [3,16,61]; nll [3,15].
In demo.safetensors: input_ids [2,64]; blocks.{l}.hook_resid_post [2,64,192];
logits_last4 [2,4,4096], the logits of the last four positions; nll [2,63].
"""
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[3] / "saekit" / "demo"
SEED = 1
TINY = dict(vocab_size=61, n_positions=16, n_embd=24, n_layer=3, n_head=3)


def run(model, ids):
    """Every hook value of a forward pass, with TransformerLens' names."""
    got, handles = {}, []
    first = lambda o: (o[0] if isinstance(o, tuple) else o).detach().clone()
    for l, block in enumerate(model.transformer.h):
        name = f"blocks.{l}."
        handles += [
            block.register_forward_pre_hook(
                lambda _m, a, k, n=name: got.__setitem__(n + "hook_resid_pre", first(a or k["hidden_states"])), with_kwargs=True),
            block.attn.register_forward_hook(lambda _m, _a, o, n=name: got.__setitem__(n + "hook_attn_out", first(o))),
            block.mlp.register_forward_hook(lambda _m, _a, o, n=name: got.__setitem__(n + "hook_mlp_out", first(o))),
            block.register_forward_hook(lambda _m, _a, o, n=name: got.__setitem__(n + "hook_resid_post", first(o))),
        ]
    with torch.no_grad():
        got["logits"] = model(ids).logits
    for h in handles:
        h.remove()
    for l in range(len(model.transformer.h)):
        b = f"blocks.{l}."
        got[b + "hook_resid_mid"] = got[b + "hook_resid_pre"] + got[b + "hook_attn_out"]
        end = got[b + "hook_resid_mid"] + got[b + "hook_mlp_out"]
        assert torch.allclose(end, got[b + "hook_resid_post"], atol=1e-4 * float(end.square().mean().sqrt()))
    logp = torch.log_softmax(got["logits"][:, :-1].double(), -1)
    got["nll"] = -logp.gather(-1, ids[:, 1:, None])[..., 0].float()
    got["input_ids"] = ids
    return {k: v.contiguous() for k, v in got.items()}


def tiny_weights():
    g = torch.Generator().manual_seed(SEED)
    model = GPT2LMHeadModel(GPT2Config(**TINY))
    out = {}
    for name, p in sorted(model.named_parameters()):
        noise = torch.randn(p.shape, generator=g)
        gain = ".ln_" in name and name.endswith("weight")
        out[name] = 1 + 0.3 * noise if gain else 0.3 * noise
    return out


def tiny_config(path, dtype):
    config = dict(activation_function="gelu_new", architectures=["GPT2LMHeadModel"], attn_pdrop=0.0, bos_token_id=0,
                  dtype=dtype, embd_pdrop=0.0, eos_token_id=0, initializer_range=0.02, layer_norm_epsilon=1e-5,
                  model_type="gpt2", n_inner=None, resid_pdrop=0.0, tie_word_embeddings=True, torch_dtype=dtype, **TINY)
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(path):
    model = GPT2LMHeadModel.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    assert all(p.dtype == torch.float32 for p in model.parameters())
    return model


def tiny():
    weights = tiny_weights()
    ids = torch.randint(0, TINY["vocab_size"], (3, 16), generator=torch.Generator().manual_seed(SEED + 1))
    one = HERE / "tiny"
    tiny_config(one, "float32")
    save_file(weights, one / "model.safetensors", metadata={"format": "pt"})
    golden = run(load(one), ids)
    save_file(golden, one / "golden.safetensors")

    two = HERE / "tiny-sharded-bf16"
    tiny_config(two, "bfloat16")
    half = {k: v.to(torch.bfloat16).contiguous() for k, v in weights.items()}
    names = sorted(half)
    where = {}
    for i, part in enumerate((names[: len(names) // 2], names[len(names) // 2:]), start=1):
        file = f"model-{i:05d}-of-00002.safetensors"
        save_file({k: half[k] for k in part}, two / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": sum(v.numel() * 2 for v in half.values())}, "weight_map": where}
    (two / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    rounded = run(load(two), ids)
    save_file(rounded, two / "golden.safetensors")
    far = float((rounded["logits"] - golden["logits"]).abs().max())
    assert far > 1e-3, far       # bf16 rounding must be visible
    print("tiny: rms of resid_post", [round(float(golden[f"blocks.{l}.hook_resid_post"].square().mean().sqrt()), 3)
                                      for l in range(3)], "bf16 against f32, logits", round(far, 4))


CASES = [
    "In the beginning God created the heaven and the earth.",
    "Zażółć gęślą jaźń, naïve café, 你好 Здравствуйте",
    "Crab 🦀 and family 👨‍👩‍👧, flag 🇳🇿, thumbs 👍🏽!",
    "fn main() {\n    let v: Vec<u32> = (0..10).filter(|x| x % 2 == 0).collect();\n    println!(\"{v:?}\");\n}\n",
    "",
    "    four leading spaces, and two trailing  ",
    "line one\n\n\nline four\r\n\tindented\n",
    "first document<|endoftext|>second document <|endoftext|>",
]


def demo():
    tok = Tokenizer.from_file(str(DEMO / "model" / "tokenizer.json"))
    ids = []
    for text in pq.read_table(DEMO / "text" / "heldout.parquet")["text"].to_pylist():
        ids += tok.encode(text, add_special_tokens=False).ids + [0]
        if len(ids) >= 126:
            break
    batch = torch.tensor([[0] + ids[i * 63:(i + 1) * 63] for i in range(2)])
    model = load(DEMO / "model")
    got = run(model, batch)
    out = {k: v for k, v in got.items() if k.endswith("hook_resid_post") or k in ("input_ids", "nll")}
    out["logits_last4"] = got["logits"][:, -4:].contiguous()
    save_file(out, HERE / "demo.safetensors")
    print("demo: mean nll", round(float(got["nll"].mean()), 4))

    rows = []
    for text in CASES:
        e = tok.encode(text, add_special_tokens=False)
        rows.append({"text": text, "ids": e.ids, "offsets": [list(o) for o in e.offsets]})
    note = "ids and offsets of Tokenizer.encode(text, add_special_tokens=False); offsets count characters (code points), end exclusive"
    body = ",\n".join("    " + json.dumps(r, ensure_ascii=True) for r in rows)
    (HERE / "demo_tokens.json").write_text('{\n  "note": ' + json.dumps(note) + ',\n  "cases": [\n' + body + "\n  ]\n}\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    tiny()
    demo()
    sys.exit(0)
