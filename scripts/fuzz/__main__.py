"""Damages small files of every kind that saekit reads, and runs saekit on them.

    python scripts/fuzz --seconds 300            # every target, five minutes each
    python scripts/fuzz jsonl npy --seconds 20   # some of them
    python scripts/fuzz --list

A run fails where the program panics, is ended by a signal, needs more than 4 GB of address space or 20
seconds, or where it exits with 0 and another result although a hash could have told the damage.
Each failing input is kept in `--keep`, with the command that shows it again. The exit code is the number
of targets that failed. Needs numpy, pyarrow and safetensors (scripts/requirements-notebook.txt).
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from judge import Program, judge
from mutate import mutated
from seeds import make_seeds
from targets import TARGETS, Target

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Runs the requested targets; returns how many failed."""
    args = arguments()
    if args.list:
        print("\n".join(f"{target.name:16} {target.about}" for target in TARGETS))
        return 0
    unknown = set(args.targets) - {target.name for target in TARGETS}
    if unknown:
        sys.exit(f"no such target: {', '.join(sorted(unknown))}; see --list")
    chosen = [t for t in TARGETS if not args.targets or t.name in args.targets]
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        seeds = Path(scratch) / "seeds"
        program = Program(args.saekit)
        make_seeds(program, seeds)
        failed = [t.name for t in chosen if not fuzz(t, program, seeds, Path(scratch), args)]
    print(f"{len(chosen) - len(failed)} targets passed, {len(failed)} failed {failed or ''}")
    return len(failed)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--list", action="store_true", help="print the targets and stop")
    parser.add_argument("--seconds", type=float, default=300.0, help="time per target")
    parser.add_argument("--count", type=int, default=10**9, help="damaged inputs per target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--saekit", type=Path, default=ROOT / "target/release/saekit")
    parser.add_argument("--keep", type=Path, default=ROOT / "target/fuzz", help="failing inputs")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for working copies")
    return parser.parse_args()


def fuzz(target: Target, program: Program, seeds: Path, scratch: Path, args) -> bool:
    """Runs one target until its time is over; says whether nothing failed."""
    expected = target.expected(program, seeds, scratch)
    counts: Counter[str] = Counter()
    end = time.monotonic() + args.seconds
    number = 0

    def one(number: int) -> str:
        rng = random.Random(f"{args.seed} {target.name} {number}")
        work = Path(tempfile.mkdtemp(dir=scratch))
        try:
            shutil.copytree(seeds / target.seed, work / "in", symlinks=True)
            note = damage(target, work / "in", rng)
            verdict, said = judge(target, program, work, expected)
            if verdict.startswith("FAIL"):
                keep(target, work, args.keep / target.name / str(number), note, said)
            return verdict
        finally:
            shutil.rmtree(work, ignore_errors=True)

    with ThreadPoolExecutor(args.jobs) as pool:
        while time.monotonic() < end and number < args.count:
            batch = range(number, min(number + 8 * args.jobs, args.count))
            counts.update(pool.map(one, batch))
            number = batch.stop
    bad = {key: n for key, n in counts.items() if key.startswith("FAIL")}
    told = ", ".join(f"{key} {n}" for key, n in sorted(counts.items()))
    print(f"{target.name:16} {number:6} inputs: {told}", flush=True)
    return not bad


def damage(target: Target, folder: Path, rng: random.Random) -> str:
    """Changes one file of `folder`; says which and how."""
    files = sorted(p for glob in target.files for p in folder.glob(glob) if p.is_file())
    path = rng.choice(files)
    data, how = mutated(path.read_bytes(), path.suffix, rng)
    path.write_bytes(data)
    if target.mend:
        target.mend(folder)
    return f"{path.relative_to(folder)}: {how}"


def keep(target: Target, work: Path, out: Path, note: str, said: str) -> None:
    """Keeps a failing input and the command that shows it."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(work, out, symlinks=True)
    command = " ".join(target.command(Path("in"), Path("out")))
    (out / "WHY.txt").write_text(f"saekit {command}\n{note}\n\n{said}\n")


if __name__ == "__main__":
    sys.exit(main())
