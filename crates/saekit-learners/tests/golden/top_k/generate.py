"""Twenty steps of a TopK autoencoder in PyTorch: autograd, torch.optim.Adam, float64.

Writes `plain.safetensors` and `clipped.safetensors` beside this file: the batches, the initial and
final weights, the loss terms of each step, and how many latents were dead before each step.
Run: python generate.py   (torch 2.x, safetensors)
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

D, F, K, B, STEPS = 8, 48, 4, 16, 20
K_AUX, DEAD_AFTER, AUXK, LR = 3, 48, 1 / 32, 1e-2


def lr_scale(step: int) -> float:
    """Warm-up over 4 steps, decay over the last 5: what the test passes to the learner."""
    return min((step + 1) / 4, (STEPS - step) / 5, 1.0)


def top_k_dense(pre: torch.Tensor, k: int) -> torch.Tensor:
    """relu of the k largest of each row at their places, zeros elsewhere."""
    values, ids = pre.topk(k, dim=1)
    return torch.zeros_like(pre).scatter(1, ids, values.relu())


def run(clip: float | None) -> dict[str, torch.Tensor]:
    """Trains and returns everything the test needs."""
    torch.manual_seed(0)
    truth = torch.randn(24, D)
    mix = (torch.rand(STEPS, B, 24) < 0.15) * torch.rand(STEPS, B, 24)
    batches = (mix @ truth + 0.1 * torch.randn(D)).float()
    w0 = torch.nn.functional.normalize(torch.randn(F, D), dim=1).float()
    b0 = (0.1 * torch.randn(D)).float()
    w_enc, w_dec = (w0.double().clone().requires_grad_() for _ in range(2))
    b_enc = torch.zeros(F, dtype=torch.double, requires_grad=True)
    b_dec = b0.double().clone().requires_grad_()
    adam = torch.optim.Adam([w_enc, b_enc, w_dec, b_dec], lr=LR, betas=(0.9, 0.999), eps=1e-8)
    since, terms, dead_counts = torch.zeros(F), [], []
    for step in range(STEPS):
        x = batches[step].double()
        pre = (x - b_dec) @ w_enc.T + b_enc
        codes = top_k_dense(pre, K)
        error = x - (codes @ w_dec + b_dec)
        mse = error.pow(2).sum() / (x - x.mean(0)).pow(2).sum()
        dead = (since >= DEAD_AFTER).nonzero().flatten()
        aux = torch.zeros((), dtype=torch.double)
        if len(dead):
            left = error.detach()
            found = top_k_dense(pre[:, dead], min(K_AUX, len(dead))) @ w_dec[dead]
            aux = (left - found).pow(2).sum() / (left - left.mean(0)).pow(2).sum()
        adam.zero_grad()
        (mse + AUXK * aux).backward()
        w_dec.grad -= (w_dec.grad * w_dec.data).sum(1, keepdim=True) * w_dec.data
        if clip is not None:
            norm = torch.stack([p.grad.norm() for p in (w_enc, b_enc, w_dec, b_dec)]).norm()
            for p in (w_enc, b_enc, w_dec, b_dec):
                p.grad *= min(1.0, clip / norm.item())
        adam.param_groups[0]["lr"] = LR * lr_scale(step)
        adam.step()
        w_dec.data /= w_dec.data.norm(dim=1, keepdim=True)
        since += B
        since[(codes > 0).any(0)] = 0
        terms.append([mse.item(), AUXK * aux.item()])
        dead_counts.append(len(dead))
    assert max(dead_counts) > K_AUX > min(n for n in dead_counts if n), dead_counts
    final = {"w_enc": w_enc, "b_enc": b_enc, "w_dec": w_dec, "b_dec": b_dec}
    return {
        "batches": batches,
        "w_init": w0,
        "b_dec_init": b0,
        "terms": torch.tensor(terms),
        "dead": torch.tensor(dead_counts, dtype=torch.float32),
        **{name: p.detach().float().contiguous() for name, p in final.items()},
    }


if __name__ == "__main__":
    here = Path(__file__).parent
    save_file(run(None), here / "plain.safetensors")
    save_file(run(0.05), here / "clipped.safetensors")
