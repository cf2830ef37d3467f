"""Runs the program and says whether it behaved."""

import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

MEMORY = 4 << 30
SECONDS = 20


@dataclass
class Program:
    """The binary, run with bounds on memory and time."""

    path: Path

    def run(self, *arguments: str, cwd: Path) -> tuple[int | None, bytes, bytes]:
        """Exit code, stdout and stderr; no code where it took too long."""
        try:
            ended = subprocess.run(
                [self.path.resolve(), *arguments],
                cwd=cwd,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=SECONDS,
                preexec_fn=bound,
            )
        except subprocess.TimeoutExpired as error:
            return None, error.stdout or b"", error.stderr or b""
        return ended.returncode, ended.stdout, ended.stderr

    def ok(self, *arguments: str, cwd: Path) -> bytes:
        """Stdout of a command that must succeed."""
        code, out, err = self.run(*arguments, cwd=cwd)
        if code != 0:
            raise SystemExit(f"saekit {' '.join(arguments)} failed ({code}):\n{err.decode()}")
        return out


def bound() -> None:
    """Limits the address space of the process about to start; it leaves no core file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def judge(target, program: Program, work: Path, expected: bytes | None) -> tuple[str, str]:
    """`ok`, `refused`, or a word that begins with FAIL; and what the program said."""
    arguments = target.command(Path("in"), Path("out"))
    code, out, err = program.run(*arguments, cwd=work)
    said = f"exit code {code}\n{err[-3000:].decode(errors='replace')}"
    if code is None:
        return "FAIL hang", said
    if code < 0:
        return f"FAIL signal {-code}", said
    if b"unexpectedly" in err or b"panicked" in err or code not in (0, 1, 2):
        return "FAIL panic", said
    if any(byte < 32 and byte not in b"\t\n\r" for byte in out + err):
        return "FAIL control characters", said
    if code != 0:
        return ("refused", said) if b"error: " in err else ("FAIL no message", said)
    if expected is not None and target.result(work, out) != expected:
        return "FAIL another result", said
    return "same" if expected is not None else "read", said
