"""Reads activations in one way and prints how fast, as a JSON object.

Run by `scripts/bench-ingest`: python reader.py CONTENDER SETTING, where SETTING is JSON of `Setting`.
Every contender gives batches of float32 in the order on disk, on one thread; the first is compared with
the raw file's.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Batches = Iterator[Any]  # of numpy or torch, float32 [rows, width]


@dataclass(frozen=True)
class Setting:
    """What is read: files of make.py, in batches of so many rows, for at most so many seconds."""

    data: str
    rows: int
    width: int
    batch_rows: int
    seconds: float

    def path(self, name: str) -> Path:
        """A file or folder of the data."""
        return Path(self.data, name)


def raw_bytes(setting: Setting) -> Iterator[bytearray]:
    """The bytes of a batch, always in the same buffer."""
    size = 2 * setting.width * setting.batch_rows
    buffer = bytearray(size)
    file = os.open(setting.path("raw.f16"), os.O_RDONLY)
    try:
        for start in range(0, 2 * setting.width * setting.rows, size):
            read = os.preadv(file, [buffer], start)
            yield buffer if read == size else buffer[:read]
    finally:
        os.close(file)


def raw_numpy(setting: Setting) -> Batches:
    """pread and numpy's conversion."""
    out = np.empty((setting.batch_rows, setting.width), np.float32)
    for data in raw_bytes(setting):
        x = np.frombuffer(data, "<f2").reshape(-1, setting.width)
        np.copyto(out[: len(x)], x)
        yield out[: len(x)]


def raw_torch(setting: Setting) -> Batches:
    """pread and torch's conversion."""
    import torch

    torch.set_num_threads(1)
    out = torch.empty(setting.batch_rows, setting.width)
    for data in raw_bytes(setting):
        x = torch.frombuffer(data, dtype=torch.float16).view(-1, setting.width)
        yield out[: len(x)].copy_(x)


def pyarrow_batches(setting: Setting, name: str) -> Iterator[Any]:
    """The columns of the parquet file in a folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    (path,) = setting.path(name).glob("*.parquet")
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(setting.batch_rows, use_threads=False):
            yield batch.column(0)


def pyarrow_fsl(setting: Setting, name: str = "fsl") -> Batches:
    """pyarrow's iter_batches on fixed-size lists."""
    for column in pyarrow_batches(setting, name):
        values = column.flatten().to_numpy(zero_copy_only=True)
        yield values.reshape(-1, setting.width).astype(np.float32)


def pyarrow_fsl_default(setting: Setting) -> Batches:
    """The same, on a file written with the defaults."""
    return pyarrow_fsl(setting, "fsl-default")


def pyarrow_fsb(setting: Setting) -> Batches:
    """pyarrow's iter_batches on the store's fixed-size binary."""
    for column in pyarrow_batches(setting, "native/shards"):
        values = np.frombuffer(column.buffers()[1], "<f2").reshape(-1, setting.width)
        yield values[column.offset : column.offset + len(column)].astype(np.float32)


def formatted(data: Any, setting: Setting) -> Batches:
    """What a data set gives as numpy."""
    for batch in data.with_format("numpy").iter(batch_size=setting.batch_rows):
        yield np.asarray(batch["acts"], np.float32)


def datasets_disk(setting: Setting) -> Batches:
    """A data set from `load_from_disk`."""
    from datasets import load_from_disk

    return formatted(load_from_disk(setting.path("dataset")), setting)


def datasets_parquet(setting: Setting) -> Batches:
    """A data set streamed from parquet."""
    from datasets import load_dataset

    files = [str(path) for path in setting.path("fsl").glob("*.parquet")]
    data = load_dataset("parquet", data_files=files, split="train", streaming=True)
    return formatted(data, setting)


def saelens_store(setting: Setting) -> Any:
    """SAELens' store of cached activations, which needs no model then."""
    import torch
    from sae_lens.training.activations_store import ActivationsStore

    torch.set_num_threads(1)
    context, batches = 128, max(128, 2 * setting.batch_rows // 128)
    return ActivationsStore(
        model=None,
        dataset=None,
        streaming=False,
        hook_name="acts",
        hook_head_index=None,
        context_size=context,
        d_in=setting.width,
        n_batches_in_buffer=batches,
        total_training_tokens=setting.rows,
        store_batch_size_prompts=setting.batch_rows // context,
        train_batch_size_tokens=setting.batch_rows,
        prepend_bos=True,
        normalize_activations="none",
        device=torch.device("cpu"),
        dtype="float32",
        cached_activations_path=str(setting.path("contexts")),
    )


def saelens(setting: Setting) -> Batches:
    """SAELens' cached activations, in the order on disk."""
    store = saelens_store(setting)
    while True:
        try:
            yield store.get_filtered_llm_batch(raise_on_epoch_end=True)
        except StopIteration:
            return


def saelens_mixed(setting: Setting) -> Batches:
    """SAELens' cached activations through its mixing buffer, as its trainer gets them."""
    return iter(saelens_store(setting).get_data_loader())


CONTENDERS: dict[str, Callable[[Setting], Batches]] = {
    "raw-numpy": raw_numpy,
    "raw-torch": raw_torch,
    "pyarrow-fsl": pyarrow_fsl,
    "pyarrow-fsl-default": pyarrow_fsl_default,
    "pyarrow-fsb": pyarrow_fsb,
    "datasets-disk": datasets_disk,
    "datasets-parquet": datasets_parquet,
    "saelens": saelens,
    "saelens-mixed": saelens_mixed,
}
LIBRARIES = ("numpy", "pyarrow", "datasets", "torch", "sae-lens")


def check(contender: str, setting: Setting, first: Any) -> None:
    """Ends the program where the rows are not the raw file's; mixed ones only have its shape."""
    expected = np.array(next(raw_numpy(setting)))
    same = np.array_equal(first, expected[: len(first)]) or contender == "saelens-mixed"
    if str(first.dtype).split(".")[-1] != "float32" or not same:
        raise SystemExit(f"{contender} gives {first.dtype} {tuple(first.shape)}, and other values")


def measure(contender: str, setting: Setting) -> dict[str, Any]:
    """Reads until the end, or for so long, after a first batch that is not timed."""
    batches = CONTENDERS[contender](setting)
    check(contender, setting, next(batches))
    begun, cpu, rows = time.perf_counter(), time.process_time(), 0
    for batch in batches:
        rows += len(batch)
        if time.perf_counter() - begun > setting.seconds or rows >= setting.rows:
            break
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {"rows": rows, "tokens_per_s": rows / seconds, "cpu_tokens_per_s": rows / cpu}


def main() -> None:
    """Prints the figures, or why there are none."""
    contender, setting = sys.argv[1], Setting(**json.loads(sys.argv[2]))
    try:
        found = measure(contender, setting)
    except ModuleNotFoundError as error:
        print(json.dumps({"missing": error.name}))
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    used = [name for name in LIBRARIES if name.replace("-", "_") in sys.modules]
    versions = {name: version(name) for name in used}
    print(json.dumps(found | {"peak_rss_mb": peak, "versions": versions}), flush=True)
    os._exit(
        0
    )  # pyarrow's threads may hang or abort at exit where a reader was not read to its end


if __name__ == "__main__":
    main()
