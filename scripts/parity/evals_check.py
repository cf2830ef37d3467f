"""Measures a dictionary in torch and with SAELens' own code, to compare with `saekit eval`.

    python evals_check.py MODEL EXPORT TOKENS [--ours EVAL.json] [--sequences N] [--special ID ...]

MODEL is a Hugging Face folder of the GPT-2 family, EXPORT a dictionary in SAELens' layout, TOKENS
the contexts: a store's folder or tokens.parquet, or JSON lines of `input_ids`. With --ours the
figures are compared and the exit code is 1 where one differs. README.md has the details.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from sae_lens import SAE
from sae_lens.evals import (
    get_downstream_reconstruction_metrics,
    get_sparsity_and_variance_metrics,
)
from sae_lens.load_model import HookedProxyLM
from sae_lens.training.activation_scaler import ActivationScaler
from torch import Tensor
from transformers import GPT2LMHeadModel

# Rows of a store are f16 and ours are summed in f64; losses differ by f32 rounding only.
TOLERANCES = {
    "fvu": 2e-3,
    "mse": 2e-3,
    "cosine_similarity": 1e-4,
    "l0": 1e-3,
    "explained_variance": 1e-3,
    "ce_clean": 1e-4,
    "ce_sae": 1e-3,
    "ce_zero_ablated": 1e-4,
    "ce_mean_ablated": 1e-3,
    "ce_recovered_zero": 1e-3,
    "ce_recovered_mean": 2e-3,
}
Figures = dict[str, float]
Replace = Callable[[Tensor], Tensor]


@dataclass
class Setting:
    """What is evaluated, and on what."""

    model: GPT2LMHeadModel
    sae: SAE[Any]
    module: str
    sequences: list[Tensor]
    special: list[int]
    everywhere: bool

    def ordinary(self, ids: Tensor) -> Tensor:
        """Where the tokens are not special."""
        return ~torch.isin(ids, torch.tensor(self.special, dtype=ids.dtype))


def module_of(hook: str) -> str:
    """The module of transformers' GPT-2 whose output a hook point is."""
    match = re.fullmatch(r"blocks\.(\d+)\.hook_(resid_pre|resid_post|mlp_out|attn_out)", hook)
    if match is None:
        sys.exit(f"`{hook}` is not the output of a module of GPT-2")
    layer, kind = int(match[1]), match[2]
    if kind == "resid_pre":
        return f"transformer.h.{layer - 1}" if layer else "transformer.drop"
    part = {"resid_post": "", "mlp_out": ".mlp", "attn_out": ".attn"}[kind]
    return f"transformer.h.{layer}{part}"


def read_sequences(path: Path) -> list[Tensor]:
    if path.is_dir():
        path = path / "tokens.parquet"
    if path.suffix == ".parquet":
        rows = pq.read_table(path, columns=["token_ids"])["token_ids"].to_pylist()
    else:
        rows = [json.loads(line)["input_ids"] for line in path.read_text().splitlines()]
    return [torch.tensor(row, dtype=torch.int64) for row in rows if len(row) > 1]


def forward(setting: Setting, ids: Tensor, replace: Replace) -> Tensor:
    """Logits, with what `replace` makes of the activations in their place."""

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (replace(output[0][0])[None], *output[1:])
        return replace(output[0])[None]

    handle = setting.model.get_submodule(setting.module).register_forward_hook(hook)
    try:
        return setting.model(ids[None]).logits[0]
    finally:
        handle.remove()


def activations(setting: Setting) -> Tensor:
    """The activations of every token that is not special."""
    rows: list[Tensor] = []
    for ids in setting.sequences:

        def keep(x: Tensor, ids: Tensor = ids) -> Tensor:
            rows.append(x[setting.ordinary(ids)])
            return x

        forward(setting, ids, keep)
    return torch.cat(rows)


def row_figures(setting: Setting, x: Tensor) -> Figures:
    codes = torch.cat([setting.sae.encode(part) for part in x.split(4096)])
    y = torch.cat([setting.sae.decode(part) for part in codes.split(4096)]).double()
    x, active = x.double(), codes != 0
    error = (x - y).pow(2).sum()
    fvu = float(error / (x - x.mean(dim=0)).pow(2).sum())
    return {
        "rows": float(len(x)),
        "fvu": fvu,
        "explained_variance": 1 - fvu,
        "mse": float(error / len(x)),
        "cosine_similarity": float(F.cosine_similarity(x, y, dim=1).mean()),
        "l0": float(active.double().sum(dim=1).mean()),
    }


def runs(setting: Setting, mean: Tensor) -> dict[str, Callable[[Tensor], Replace]]:
    """What each run puts in place of the activations, given the tokens."""

    def spliced(ids: Tensor) -> Replace:
        return where(setting.ordinary(ids), lambda x: setting.sae.decode(setting.sae.encode(x)))

    def ablated(row: Tensor) -> Callable[[Tensor], Replace]:
        everywhere = setting.everywhere
        return lambda ids: where(
            setting.ordinary(ids) | everywhere, lambda x: row.expand_as(x).clone()
        )

    return {
        "ce_clean": lambda ids: lambda x: x,
        "ce_sae": spliced,
        "ce_zero_ablated": ablated(torch.zeros_like(mean)),
        "ce_mean_ablated": ablated(mean),
    }


def where(mask: Tensor, replace: Replace) -> Replace:
    return lambda x: torch.where(mask[:, None], replace(x), x)


def loss_figures(setting: Setting, mean: Tensor) -> Figures:
    sums, tokens = {}, 0
    for name, run in runs(setting, mean).items():
        losses = [counted_losses(setting, ids, run(ids)) for ids in setting.sequences]
        sums[name] = sum(float(loss.double().sum()) for loss in losses)
        tokens = sum(len(loss) for loss in losses)
    figures: Figures = {name: total / tokens for name, total in sums.items()} | {"tokens": tokens}
    for kind in ("zero", "mean"):
        ablated = figures[f"ce_{kind}_ablated"]
        lost = ablated - figures["ce_clean"]
        figures[f"ce_recovered_{kind}"] = (ablated - figures["ce_sae"]) / lost
    return figures


def counted_losses(setting: Setting, ids: Tensor, replace: Replace) -> Tensor:
    logits = forward(setting, ids, replace)
    losses = F.cross_entropy(logits[:-1], ids[1:], reduction="none")
    return losses[setting.ordinary(ids)[:-1]]


class Contexts:
    """Gives SAELens' evaluation one context after the other."""

    def __init__(self, sequences: list[Tensor]) -> None:
        self.left: Iterator[Tensor] = iter(sequences)

    def get_batch_tokens(self, _batch_size: int) -> Tensor:
        return next(self.left)[None]


def sae_lens_figures(setting: Setting) -> Figures:
    """What SAELens' own functions say: run on one context at a time."""
    setting.sae.cfg.metadata.hook_name = setting.module
    no_tokenizer: Any = None
    model = HookedProxyLM(setting.model, no_tokenizer, hook_names=[setting.module])
    common: dict[str, Any] = {
        "n_batches": len(setting.sequences),
        "eval_batch_size_prompts": 1,
        "ignore_tokens": setting.special,
        "model_kwargs": {},
    }

    def target() -> tuple[Any, ...]:
        return setting.sae, model, Contexts(setting.sequences), ActivationScaler()

    losses = get_downstream_reconstruction_metrics(
        *target(), compute_kl=False, compute_ce_loss=True, **common
    )
    rows, _ = get_sparsity_and_variance_metrics(
        *target(),
        compute_l2_norms=False,
        compute_sparsity_metrics=True,
        compute_variance_metrics=True,
        compute_featurewise_density_statistics=True,
        **common,
    )
    return {
        "ce_clean": losses["ce_loss_without_sae"],
        "ce_sae": losses["ce_loss_with_sae"],
        "ce_zero_ablated": losses["ce_loss_with_ablation"],
        "ce_recovered_zero": losses["ce_loss_score"],
        "explained_variance": rows["explained_variance"],
        "mse": rows["mse"],
        "cosine_similarity": rows["cossim"],
        "l0": rows["l0"],
    }


def our_figures(ours: dict[str, Any]) -> Figures:
    rows, losses = ours["reconstruction"], ours["cross_entropy"] or {}
    found = rows["metrics"] | {"l0": rows["codes"]["l0"]} | losses
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def compare(ours: Figures, theirs: Figures, who: str) -> list[str]:
    """Prints the figures both have; gives the names of those that differ."""
    wrong = []
    for name, expected in theirs.items():
        if name not in ours:
            continue
        tolerance = TOLERANCES.get(name, 0.0)
        passed = abs(ours[name] - expected) <= tolerance * max(abs(expected), 1e-9)
        wrong += [] if passed else [f"{name} ({who})"]
        print(f"{'ok  ' if passed else 'FAIL'} {name:<20} {ours[name]:<14.7g} {who} {expected:.7g}")
    return wrong


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, help="Hugging Face folder")
    parser.add_argument("export", type=Path, help="dictionary in SAELens' layout")
    parser.add_argument("tokens", type=Path, help="store, tokens.parquet, or JSON lines")
    parser.add_argument("--ours", type=Path, help="JSON of `saekit eval`")
    parser.add_argument("--hook", help="hook point; default: what the export says")
    parser.add_argument("--sequences", type=int, help="run the model over the first N only")
    parser.add_argument("--special", type=int, nargs="*", default=[0], help="special token ids")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    return parser.parse_args()


def load(args: argparse.Namespace, ours: dict[str, Any] | None) -> Setting:
    sae = SAE.load_from_disk(args.export)
    losses = (ours or {}).get("cross_entropy") or {}
    return Setting(
        model=GPT2LMHeadModel.from_pretrained(args.model, dtype=torch.float32).eval(),
        sae=sae,
        module=module_of(args.hook or losses.get("hook") or sae.cfg.metadata.hook_name),
        sequences=read_sequences(args.tokens),
        special=losses.get("special_ids", args.special),
        everywhere=losses.get("ablated", "everywhere") == "everywhere",
    )


@torch.no_grad()
def main() -> int:
    args = parse_args()
    ours = json.loads(args.ours.read_text()) if args.ours else None
    setting = load(args, ours)
    x = activations(setting)
    figures = row_figures(setting, x)
    n = args.sequences or ((ours or {}).get("cross_entropy") or {}).get("sequences")
    every, setting.sequences = setting.sequences, setting.sequences[:n]
    figures |= loss_figures(setting, x.mean(dim=0))
    upstream = sae_lens_figures(setting)
    if len(setting.sequences) < len(every):
        for name in ("explained_variance", "mse", "cosine_similarity", "l0"):
            del upstream[name]  # of fewer rows than ours
    result = {"torch": figures, "sae_lens": upstream}
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")
    if ours is None:
        print(json.dumps(result, indent=2))
        return 0
    wrong = [name for who in result for name in compare(our_figures(ours), result[who], who)]
    print("FAILED: " + ", ".join(wrong) if wrong else "all figures agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
