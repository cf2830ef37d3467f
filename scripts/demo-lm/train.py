#!/usr/bin/env python3
"""Train the tokenizer and the GPT-2-architecture model of the demo.

Usage: train.py --work DIR --heldout FILE --out DIR [--steps N] [--deadline SECONDS]

--work holds lm_train.parquet (from corpus.py) and receives tokenizer.json,
the checkpoint and the log.  --deadline ends the run in good order after that
many seconds: the learning rate follows whichever of step/steps and
time/deadline is further on.  One thread is used.
"""
import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn

SEED = 20261121
EOT = "<|endoftext|>"
VOCAB, CTX, WIDTH, LAYERS, HEADS = 4096, 128, 192, 4, 6


def texts(path):
    return pq.read_table(path)["text"].to_pylist()


# ------------------------------------------------------------------- tokenizer

def make_tokenizer(path, documents):
    if path.exists():
        return Tokenizer.from_file(str(path))
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.train_from_iterator(documents, trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[EOT], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    assert tok.token_to_id(EOT) == 0 and tok.get_vocab_size() == VOCAB
    tok.save(str(path))
    return tok


def stream(tok, documents):
    """All documents in one array of ids, <|endoftext|> after each."""
    ids = []
    for e in tok.encode_batch(documents, add_special_tokens=False):
        ids.extend(e.ids)
        ids.append(0)
    return np.array(ids, dtype=np.int64)


# ----------------------------------------------------------------------- model

MASK = torch.full((CTX, CTX), float("-inf")).triu(1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(WIDTH, eps=1e-5)
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.attn_proj = nn.Linear(WIDTH, WIDTH)
        self.ln_2 = nn.LayerNorm(WIDTH, eps=1e-5)
        self.c_fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.mlp_proj = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        # plain products: on this size faster than scaled_dot_product_attention
        b, t, c = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(WIDTH, dim=2)
        q, k, v = (y.view(b, t, HEADS, c // HEADS).transpose(1, 2).reshape(b * HEADS, t, c // HEADS) for y in (q, k, v))
        scores = torch.bmm(q, k.transpose(1, 2)).float() * (c // HEADS) ** -0.5 + MASK[:t, :t]
        y = torch.bmm(torch.softmax(scores, -1).to(v.dtype), v).view(b, HEADS, t, c // HEADS)
        x = x + self.attn_proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Model(nn.Module):
    """The computation of transformers' GPT2LMHeadModel, head tied to wte."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Parameter(torch.randn(VOCAB, WIDTH) * 0.02)
        self.wpe = nn.Parameter(torch.randn(CTX, WIDTH) * 0.01)
        self.h = nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH, eps=1e-5)
        for name, p in self.named_parameters():
            if name.endswith(("c_attn.weight", "c_fc.weight")):
                nn.init.normal_(p, std=0.04)
            elif name.endswith("_proj.weight"):
                nn.init.normal_(p, std=0.04 / math.sqrt(2 * LAYERS))
            elif name.endswith(".bias"):
                nn.init.zeros_(p)

    def forward(self, ids, targets, reduction="mean"):
        x = F.embedding(ids, self.wte) + self.wpe[: ids.shape[1]]
        for block in self.h:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte)
        return F.cross_entropy(logits.view(-1, VOCAB).float(), targets.reshape(-1), reduction=reduction)


# ------------------------------------------------------------------- optimizer

def orthogonalise(g):
    """Newton-Schulz iteration of Muon, in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    turn = x.shape[-2] > x.shape[-1]
    if turn:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return (x.mT if turn else x).float()


class Muon:
    def __init__(self, params, momentum=0.95, decay=0.05):
        self.params, self.momentum, self.decay = params, momentum, decay
        self.buf = [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self, lr, momentum):
        for p, m in zip(self.params, self.buf):
            m.lerp_(p.grad, 1 - momentum)
            g = p.grad.lerp(m, momentum)
            parts = g.split(WIDTH, dim=0) if p.shape == (3 * WIDTH, WIDTH) else (g,)
            u = torch.cat([orthogonalise(x) * max(1.0, x.shape[0] / x.shape[1]) ** 0.5 for x in parts])
            p.mul_(1 - lr * self.decay).add_(u, alpha=-lr)


# ------------------------------------------------------------------------ data

def epoch(ids, rng):
    """Contexts of one pass: <|endoftext|> first, then CTX - 1 tokens; CTX targets."""
    start = int(rng.integers(CTX))
    n = (len(ids) - start) // CTX
    body = ids[start:start + n * CTX].reshape(n, CTX)[rng.permutation(n)]
    inputs = np.concatenate([np.zeros((n, 1), np.int64), body[:, :-1]], axis=1)
    return torch.from_numpy(inputs), torch.from_numpy(body)


@torch.no_grad()
def heldout_loss(model, ids, limit=None, amp=True):
    """Nats per token over contexts [<|endoftext|>, 127 tokens], 127 targets each."""
    n = len(ids) // (CTX - 1)
    body = torch.from_numpy(ids[: n * (CTX - 1)].reshape(n, CTX - 1))
    if limit:
        body = body[:: max(1, n // limit)]
    total, count = 0.0, 0
    for part in body.split(64):
        inputs = torch.cat([torch.zeros(len(part), 1, dtype=torch.long), part[:, :-1]], dim=1)
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            total += float(model(inputs, part, reduction="sum"))
        count += part.numel()
    return total / count


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--heldout", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--steps", type=int, default=6000)
    ap.add_argument("--deadline", type=float, default=math.inf)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--muon-lr", type=float, default=0.02)
    ap.add_argument("--adam-lr", type=float, default=0.004)
    ap.add_argument("--decay-part", type=float, default=0.5)
    ap.add_argument("--eager", action="store_true", help="do not use torch.compile")
    args = ap.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)

    train_docs = texts(args.work / "lm_train.parquet")
    tok = make_tokenizer(args.work / "tokenizer.json", train_docs)
    train, held = stream(tok, train_docs), stream(tok, texts(args.heldout))
    chars = sum(map(len, train_docs)) / (len(train) - len(train_docs))
    print(f"train tokens {len(train)}, held-out tokens {len(held)}, chars per token {chars:.3f}", flush=True)

    model = Model()
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("h.")]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and n.startswith("h."))]
    muon = Muon(matrices)
    adam = torch.optim.AdamW(
        [{"params": [p for p in others if p.ndim == 2], "weight_decay": 0.02},
         {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0}],
        lr=args.adam_lr, betas=(0.9, 0.98), eps=1e-10)
    run = model if args.eager else torch.compile(model)

    log = open(args.out / "log.jsonl", "a")
    started, cpu, step, done, queue = time.time(), time.process_time(), 0, 0.0, None
    tokens, recent, at, passes = 0, [], 0, 0
    while done < 1:
        if queue is None or at + args.batch > len(queue[0]):
            queue, at, passes = epoch(train, rng), 0, passes + 1
        x, y = queue[0][at:at + args.batch], queue[1][at:at + args.batch]
        at += args.batch
        scale = min(1.0, (step + 1) / 100, max(0.0, (1 - done) / args.decay_part))
        with torch.autocast("cpu", torch.bfloat16):
            loss = run(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        muon.step(args.muon_lr * scale, 0.85 + 0.10 * min(1, step / 300))
        for group in adam.param_groups:
            group["lr"] = args.adam_lr * scale
        adam.step()
        model.zero_grad(set_to_none=True)
        recent.append(float(loss.detach()))
        tokens += x.numel()
        step += 1
        done = max(step / args.steps, (time.time() - started) / args.deadline)
        if step % 200 == 0 or done >= 1:
            row = {"step": step, "tokens": tokens, "passes": passes, "train": round(sum(recent) / len(recent), 4),
                   "scale": round(scale, 4), "wall_s": round(time.time() - started, 1),
                   "cpu_s": round(time.process_time() - cpu, 1), "done": round(done, 4)}
            recent = []
            if step % 400 == 0 or done >= 1:
                row["heldout_sample"] = round(heldout_loss(model, held, 256), 4)
                torch.save({"model": model.state_dict(), "row": row}, args.out / "checkpoint.tmp")
                (args.out / "checkpoint.tmp").replace(args.out / "checkpoint.pt")
            print(json.dumps(row), flush=True)
            log.write(json.dumps(row) + "\n")
            log.flush()
    final = {"heldout_nats_per_token": round(heldout_loss(model, held, amp=False), 4), "heldout_tokens": len(held),
             "train_tokens": len(train), "tokens_seen": tokens, "steps": step, "passes": round(tokens / len(train), 2),
             "batch": args.batch, "wall_s": round(time.time() - started), "cpu_s": round(time.process_time() - cpu),
             "chars_per_token": round(chars, 3), "torch": torch.__version__, "compile": not args.eager}
    (args.out / "final.json").write_text(json.dumps(final, indent=1) + "\n")
    print(json.dumps(final), flush=True)


if __name__ == "__main__":
    main()
