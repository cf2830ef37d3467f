"""Checks an exported dictionary against SAELens: it loads, encodes and decodes as ours does.

    python sae_lens_check.py EXPORT ROWS [--hook NAME] [--model NAME]

EXPORT is the folder of the exported dictionary, ROWS a safetensors file with the f32 tensors `x`
[rows, d_in], `codes_dense` [rows, d_sae] and `x_hat` [rows, d_out] as saekit computed them. Prints
the figures; the exit code is 1 where a check fails. README.md says what is checked and why.
"""

import argparse
import json
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from sae_lens import SAE
from torch import Tensor

# T-act and T-rec for f32
ACT_RTOL, ACT_ATOL = 1e-5, 1e-6
REC_RTOL, REC_ATOL = 1e-5, 1e-5
# the margin rule: what lies this close to the threshold, relative to max |h|, may flip
MARGIN = 1e-5
MARGIN_SHARE = 1e-3

CLASSES = {
    "standard": "StandardSAE",
    "topk": "TopKSAE",
    "abstopk": "AbsTopKSAE",
    "jumprelu": "JumpReLUSAE",
    "gated": "GatedSAE",
    "transcoder": "Transcoder",
    "skip_transcoder": "SkipTranscoder",
    "jumprelu_transcoder": "JumpReLUTranscoder",
    "jumprelu_skip_transcoder": "JumpReLUSkipTranscoder",
}


@dataclass
class Report:
    """Prints checks as they are made and remembers whether one failed."""

    failed: list[str] = field(default_factory=list)

    def check(self, name: str, passed: bool, figures: str) -> None:
        print(f"{'ok  ' if passed else 'FAIL'} {name:<22} {figures}")
        if not passed:
            self.failed.append(name)


def check_metadata(
    sae: SAE[Any], cfg: dict[str, Any], args: argparse.Namespace, report: Report
) -> None:
    name, expected = type(sae).__name__, CLASSES.get(cfg["architecture"])
    report.check("class", name == expected, f"{name}, expected {expected}")
    for key, wanted in (("hook_name", args.hook), ("model_name", args.model)):
        found, written = getattr(sae.cfg.metadata, key), cfg["metadata"].get(key)
        passed = found is not None and found == (wanted or written)
        report.check(key, passed, f"`{found}`, expected `{wanted or written}`")


def check_parameters(sae: SAE[Any], folder: Path, report: Report) -> None:
    written = load_file(folder / "sae_weights.safetensors")
    loaded = sae.state_dict()
    same = written.keys() == loaded.keys() and all(
        torch.equal(tensor, loaded[name]) for name, tensor in written.items()
    )
    report.check("parameters", same, f"{len(written)} tensors, bit for bit: {sorted(written)}")


def pre_activations(sae: SAE[Any], x: Tensor) -> Tensor:
    """What the activation function compares, [rows, d_sae]."""
    h = sae.process_sae_in(x) @ sae.W_enc
    if sae.cfg.architecture() == "gated":
        return h + sae.b_gate
    h = h + sae.b_enc
    if getattr(sae.cfg, "rescale_acts_by_decoder_norm", False):
        h = h * sae.W_dec.norm(dim=-1)
    return h


def doubtful(sae: SAE[Any], x: Tensor) -> tuple[Tensor, Tensor]:
    """Entries too close to the threshold to compare, and the rows to leave out for them."""
    h = pre_activations(sae, x)
    tau = MARGIN * h.abs().max()
    architecture = sae.cfg.architecture()
    if "topk" in architecture:
        key = h.abs() if architecture == "abstopk" else h
        top = key.topk(sae.cfg.k + 1, dim=-1).values if sae.cfg.k < h.shape[1] else None
        rows = torch.zeros(len(h), dtype=torch.bool)
        if top is not None:
            rows = (top[:, -2] - top[:, -1] < tau) & (top[:, -2] > 0)
        cut = torch.zeros(len(h), 1) if top is None else top[:, -2:-1]
        return ((key - cut).abs() < tau) & rows[:, None], rows
    threshold = sae.threshold if hasattr(sae, "threshold") else 0.0
    entries = (h - threshold).abs() < tau
    return entries, torch.zeros(len(h), dtype=torch.bool)


def differences(found: Tensor, expected: Tensor, rtol: float, atol: float) -> tuple[int, str]:
    """How many values are outside the tolerance, and that in words."""
    error = (found - expected).abs()
    outside = int((error > atol + rtol * expected.abs()).sum())
    relative = float(error.norm() / expected.norm()) if expected.any() else 0.0
    size = f"max |d| {float(error.max()):.2e}, |d|/|y| {relative:.2e}"
    tolerance = f"rtol {rtol:g}, atol {atol:.2g}"
    return outside, f"{size}, outside {outside} of {error.numel()} ({tolerance})"


def check_codes(sae: SAE[Any], rows: dict[str, Tensor], report: Report) -> Tensor:
    """Compares codes; gives the rows whose reconstructions can be compared."""
    theirs, ours = sae.encode(rows["x"]), rows["codes_dense"]
    theirs = theirs.to_dense() if theirs.is_sparse else theirs
    entries, left_out = doubtful(sae, rows["x"])
    share = float(entries.float().mean())
    figures = f"{int(left_out.sum())} of {len(ours)} rows, {share:.1e} of the entries"
    report.check("margin", share < MARGIN_SHARE, figures + f" (less than {MARGIN_SHARE:g})")
    kept = ~left_out
    flips = (theirs != 0) != (ours != 0)
    count = int((flips & ~entries)[kept].sum())
    report.check("active latents", count == 0, f"{count} differ; L0 {l0(ours)} and {l0(theirs)}")
    sure = kept[:, None] & ~entries
    outside, figures = differences(ours[sure], theirs[sure], ACT_RTOL, ACT_ATOL)
    report.check("encode (T-act)", outside == 0, figures)
    return kept & ~(flips & entries).any(dim=1)


def l0(codes: Tensor) -> str:
    return f"{float((codes != 0).sum(dim=1).float().mean()):.4f}"


def check_outputs(sae: SAE[Any], rows: dict[str, Tensor], kept: Tensor, report: Report) -> None:
    encoded = sae.encode(rows["x"])
    ours = rows["x_hat"]
    for name, theirs, mask in (
        ("decode (T-rec)", sae.decode(rows["codes_dense"]), torch.ones_like(kept)),
        ("forward (T-rec)", sae.decode(encoded), kept),
    ):
        atol = REC_ATOL * float(theirs.abs().max())
        outside, figures = differences(ours[mask], theirs[mask], REC_RTOL, atol)
        report.check(name, outside == 0, figures)


def load_rows(path: Path, sae: SAE[Any], report: Report) -> dict[str, Tensor] | None:
    rows = load_file(path)
    shapes = {name: list(tensor.shape) for name, tensor in sorted(rows.items())}
    n = len(rows["x"]) if "x" in rows else 0
    d_in, d_sae = sae.cfg.d_in, sae.cfg.d_sae
    d_out = getattr(sae.cfg, "d_out", d_in)
    wanted = {"codes_dense": [n, d_sae], "x": [n, d_in], "x_hat": [n, d_out]}
    good = n > 0 and shapes == wanted and all(t.isfinite().all() for t in rows.values())
    report.check("rows", good, f"{shapes}")
    return rows if good else None


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("export", type=Path, help="folder of the exported dictionary")
    parser.add_argument("rows", type=Path, help="safetensors: x, codes_dense, x_hat")
    parser.add_argument("--hook", help="hook point the export must name")
    parser.add_argument("--model", help="model the export must name")
    return parser.parse_args()


@torch.no_grad()
def main() -> int:
    args, report = parse_args(), Report()
    cfg = json.loads((args.export / "cfg.json").read_text())
    sae = SAE.load_from_disk(args.export)
    print(f"sae-lens {version('sae-lens')}, torch {torch.__version__}: {args.export}")
    check_metadata(sae, cfg, args, report)
    check_parameters(sae, args.export, report)
    rows = load_rows(args.rows, sae, report)
    if rows is not None:
        kept = check_codes(sae, rows, report)
        check_outputs(sae, rows, kept, report)
    print("FAILED: " + ", ".join(report.failed) if report.failed else "all checks passed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
