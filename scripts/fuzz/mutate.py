"""Ways to damage the bytes of a file."""

import json
import random
import struct

NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**50, 2**63 - 1, 2**64 - 1]
VALUES = [None, True, -1, 0, 1, 2**31, 2**53, 2**63, 10**30, 1e308, -0.0, "", "x", "\x1b]0;x\x07", "é" * 999, [], {}]
TEXTS = {".json", ".jsonl", ".toml"}


def mutated(data: bytes, suffix: str, rng: random.Random) -> tuple[bytes, str]:
    """The bytes after one to four changes, and which."""
    if suffix == ".json" and rng.random() < 0.5:
        try:
            return of_json(data, rng)
        except ValueError:
            pass
    how = []
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        change = rng.choice(CHANGES)
        data = change(data, rng)
        how.append(change.__name__)
    return data, " ".join(how)


def of_json(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """A JSON document with another value, or without one, at some place."""
    document = json.loads(data)
    places = list(walk(document, ()))
    if not places:
        return data + b"x", "trailing"
    place = rng.choice(places)
    parent = document
    for key in place[:-1]:
        parent = parent[key]
    if rng.random() < 0.25:
        del parent[place[-1]]
        how = f"without {place}"
    else:
        value = rng.choice(VALUES)
        parent[place[-1]] = value
        how = f"{place} = {value!r}"[:200]
    return json.dumps(document).encode(), how


def walk(value, place):
    """The places of all values below `value`; of long lists the first few."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:6])
    for key, below in list(items)[:400]:
        yield (*place, key)
        if isinstance(below, (dict, list)):
            yield from walk(below, (*place, key))


def flip(data: bytes, rng: random.Random) -> bytes:
    """One bit."""
    if not data:
        return b"\x00"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def flip_ends(data: bytes, rng: random.Random) -> bytes:
    """One bit near the beginning or the end, where headers and footers are."""
    if len(data) < 128:
        return flip(data, rng)
    cut = 64 + rng.randrange(448)
    if rng.random() < 0.5:
        return flip(data[:cut], rng) + data[cut:]
    return data[:-cut] + flip(data[-cut:], rng)


def number(data: bytes, rng: random.Random) -> bytes:
    """A number of one to eight bytes."""
    size, code = rng.choice([(1, "B"), (2, "<H"), (4, "<I"), (8, "<Q")])
    at = rng.randrange(max(1, len(data) - size))
    return data[:at] + struct.pack(code, rng.choice(NUMBERS) & (256**size - 1)) + data[at + size :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(max(1, len(data)))]


def remove(data: bytes, rng: random.Random) -> bytes:
    """A few bytes are missing."""
    at = rng.randrange(max(1, len(data)))
    return data[:at] + data[at + rng.choice([1, 4, 64]) :]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """A piece is there twice."""
    at = rng.randrange(max(1, len(data)))
    end = at + rng.choice([1, 8, 256])
    return data[:end] + data[at:]


def insert(data: bytes, rng: random.Random) -> bytes:
    """Random bytes come in between."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice([1, 3, 40])) + data[at:]


def zeros(data: bytes, rng: random.Random) -> bytes:
    """A piece is zero, as after a crash of the machine."""
    at = rng.randrange(max(1, len(data)))
    size = min(len(data) - at, rng.choice([4, 64, 4096]))
    return data[:at] + bytes(size) + data[at + size :]


def swap(data: bytes, rng: random.Random) -> bytes:
    """Two pieces have changed places."""
    size = rng.choice([1, 8, 64])
    if len(data) < 2 * size + 2:
        return flip(data, rng)
    a, b = sorted(rng.sample(range(len(data) - size), 2))
    if b - a < size:
        return flip(data, rng)
    return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]


CHANGES = [flip, flip, flip_ends, flip_ends, number, number, cut, remove, repeat, insert, zeros, swap]
