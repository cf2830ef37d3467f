"""Trains one peer for a few steps on a CPU and prints what a step takes, as a JSON object.

Run by `scripts/bench-peers`: python peer.py PEER SETTING, where SETTING is JSON of `Setting`. Every
peer goes through its own training loop, on the same activations in memory.
"""

import contextlib
import itertools
import json
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCHES = 8  # kept in memory, used in turn
FEATURES, NOISE = 4096, 0.05
FOREVER = 100_000  # steps the schedules are told of; the feed ends a run long before


@dataclass(frozen=True)
class Setting:
    """What is trained, and how long."""

    d_in: int
    d_sae: int
    k: int
    batch_rows: int
    steps: int
    warmup: int
    threads: int


def activations(rows: int, d_in: int, k: int) -> Tensor:
    """Rows that are sums of `k` unit features, some far more common than others, and noise."""
    features = F.normalize(torch.randn(FEATURES, d_in), dim=1)
    drawn = (torch.rand(rows, k).square() * FEATURES).long()
    sizes = 0.5 + torch.empty(rows, k).exponential_()
    mixed = F.embedding_bag(drawn, features, per_sample_weights=sizes, mode="sum")
    return mixed + NOISE * torch.randn(rows, d_in)


class Feed(Iterator[Tensor]):
    """Batches out of memory for as many steps as are timed; notes when each was asked for."""

    def __init__(self, setting: Setting) -> None:
        rows = activations(BATCHES * setting.batch_rows, setting.d_in, setting.k)
        self.batches = itertools.cycle(rows.split(setting.batch_rows))
        self.limit = setting.warmup + setting.steps
        self.asked: list[float] = []

    def __next__(self) -> Tensor:
        self.asked.append(time.perf_counter())
        if len(self.asked) > self.limit:
            raise StopIteration
        return next(self.batches)

    def step_times(self) -> list[float]:
        """Seconds of each step, from one request to the next."""
        return [end - start for start, end in itertools.pairwise(self.asked)]


def saelens(setting: Setting, feed: Feed, sparse: bool = False, amp: bool = False) -> None:
    """SAELens with its defaults, or under bf16 autocast, or with sparse activations.

    Those are without rescaling: on a CPU torch has no gradient of their product with the norms.
    """
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    sae = TopKTrainingSAEConfig(
        d_in=setting.d_in,
        d_sae=setting.d_sae,
        k=setting.k,
        use_sparse_activations=sparse,
        rescale_acts_by_decoder_norm=not sparse,
    )
    trainer = SAETrainerConfig(
        total_training_samples=FOREVER * setting.batch_rows,
        train_batch_size_samples=setting.batch_rows,
        lr_end=3e-5,
        autocast=amp,
    )
    SAETrainer(cfg=trainer, sae=TopKTrainingSAE(sae), data_provider=feed).fit()


def dictionary_learning(setting: Setting, feed: Feed) -> None:
    """dictionary_learning's TopKTrainer with its defaults."""
    from dictionary_learning.trainers import TopKTrainer
    from dictionary_learning.training import trainSAE

    config = {
        "trainer": TopKTrainer,
        "steps": FOREVER,
        "activation_dim": setting.d_in,
        "dict_size": setting.d_sae,
        "k": setting.k,
        "layer": 0,
        "lm_name": "none",
        "device": "cpu",
    }
    trainSAE(feed, [config], steps=FOREVER, device="cpu")


class Model(nn.Module):
    """Stands in for the language model that sparsify runs: its one layer gives out `source`."""

    device = torch.device("cpu")
    dummy_inputs = {"input_ids": torch.zeros(1, 1)}

    def __init__(self, source: Iterator[Tensor]) -> None:
        super().__init__()
        self.base_model = nn.ModuleDict({"layer": nn.Identity()})
        self.source = source

    def forward(self, input_ids: Tensor) -> Tensor:
        """Activations in the shape of the tokens, whatever these are."""
        return self.base_model["layer"](next(self.source).unflatten(0, input_ids.shape))


def sparsify(setting: Setting, feed: Feed) -> None:
    """sparsify with its defaults: signum, unit decoder rows, no auxiliary loss."""
    from sparsify import SparseCoderConfig, TrainConfig, Trainer

    context = math.gcd(setting.batch_rows, 128)
    sequences = setting.batch_rows // context
    config = TrainConfig(
        SparseCoderConfig(num_latents=setting.d_sae, k=setting.k),
        batch_size=sequences,
        hookpoints=["layer"],
        save_every=FOREVER,
        log_to_wandb=False,
    )
    model = Model(itertools.repeat(torch.zeros(1, setting.d_in)))
    texts = [{"input_ids": torch.zeros(context, dtype=torch.long)}] * (sequences * FOREVER)
    trainer = Trainer(config, texts, model)
    model.source = feed
    trainer.fit()


class SparseEncoder(torch.autograd.Function):
    """A batch's codes from one dense product; its gradients from nothing but the codes."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, k: int, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """The `k` largest of each row, no less than 0, and their latents."""
        hidden = F.linear(x.to(dtype), weight.to(dtype), bias.to(dtype))
        values, latents = hidden.topk(k, sorted=False)
        values = values.float().relu()
        ctx.save_for_backward(x, values, latents)
        ctx.d_sae = len(bias)
        return values, latents

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """Of the weight and the bias alone: the input needs none."""
        x, values, latents = ctx.saved_tensors
        grad = (grad * (values > 0)).flatten()
        latents, order = latents.flatten().sort()
        starts = torch.searchsorted(latents, torch.arange(ctx.d_sae + 1))
        row = order // values.shape[1]
        by_latent = torch.sparse_csr_tensor(starts, row, grad[order], (ctx.d_sae, len(x)))
        bias = torch.zeros(ctx.d_sae).index_add_(0, latents, grad[order])
        return None, by_latent @ x, bias, None, None


def plain_torch(setting: Setting, feed: Feed, sparse: bool, amp: bool = False) -> None:
    """A step by hand: fused Adam, clipping, unit decoder rows; the codes dense or sparse."""
    decoder = F.normalize(torch.randn(setting.d_sae, setting.d_in), dim=1)
    encoder = decoder.clone()
    b_enc, b_dec = torch.zeros(setting.d_sae), torch.zeros(setting.d_in)
    parameters = [tensor.requires_grad_() for tensor in (encoder, decoder, b_enc, b_dec)]
    optimizer = torch.optim.Adam(parameters, lr=2e-4 / (setting.d_sae / 2**14) ** 0.5, fused=True)
    dtype = torch.bfloat16 if amp else torch.float32
    for x in feed:
        centred = x - b_dec.detach()
        if sparse:
            values, latents = SparseEncoder.apply(centred, encoder, b_enc, setting.k, dtype)
            decoded = F.embedding_bag(latents, decoder, per_sample_weights=values, mode="sum")
        else:
            hidden = F.linear(centred, encoder, b_enc)
            values, latents = hidden.topk(setting.k, sorted=False)
            decoded = torch.zeros_like(hidden).scatter(1, latents, values.relu()) @ decoder
        (decoded + b_dec - x).square().sum(1).mean().backward()
        with torch.no_grad():
            along = torch.linalg.vecdot(decoder.grad, decoder).unsqueeze(1)
            decoder.grad.addcmul_(along, decoder, value=-1)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            decoder /= decoder.norm(dim=1, keepdim=True)


# Name: the package it is in, and what trains it.
PEERS: dict[str, tuple[str, Callable[[Setting, Feed], None]]] = {
    "saelens": ("sae-lens", saelens),
    "saelens-sparse": ("sae-lens", partial(saelens, sparse=True)),
    "saelens-amp": ("sae-lens", partial(saelens, amp=True)),
    "dictionary-learning": ("dictionary-learning", dictionary_learning),
    "sparsify": ("eai-sparsify", sparsify),
    "torch-dense": ("torch", partial(plain_torch, sparse=False)),
    "torch-sparse": ("torch", partial(plain_torch, sparse=True)),
    "torch-sparse-amp": ("torch", partial(plain_torch, sparse=True, amp=True)),
}


def matmul_gflops(setting: Setting, dtype: torch.dtype) -> float:
    """Torch's best rate at the encoder's product, `[batch_rows, d_in]` by `[d_in, d_sae]`."""
    x = torch.randn(setting.batch_rows, setting.d_in).to(dtype)
    weight = torch.randn(setting.d_in, setting.d_sae).to(dtype)
    out = x @ weight
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(x, weight, out=out)
        seconds.append(time.perf_counter() - start)
    return 2e-9 * x.numel() * setting.d_sae / min(seconds)


def main(peer: str, setting: Setting) -> None:
    """Trains the peer and prints its figures. What the libraries print goes to standard error."""
    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    package, train = PEERS[peer]
    feed = Feed(setting)
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(StopIteration):
        train(setting, feed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = feed.step_times()[setting.warmup :]
    if len(times) != setting.steps:
        raise SystemExit(f"{peer} asked for {len(feed.asked)} batches only")
    figures = {
        "s_per_step": median(times),
        "s_min": min(times),
        "tokens_per_s": setting.batch_rows / median(times),
        "peak_rss_mb": peak,
        "matmul_gflops": {
            "f32": matmul_gflops(setting, torch.float32),
            "bf16": matmul_gflops(setting, torch.bfloat16),
        },
        "versions": {name: version(name) for name in {"torch", package}},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], Setting(**json.loads(sys.argv[2])))
