#!/usr/bin/env python3
"""Checks the structure of the crates, prints the figures, and fails where a rule is broken.

    python3 scripts/check_structure.py [--self-test]

The rules:
* No files of a crate import each other in a circle. File A imports file B where A names an item that B
  defines, in a `use` or in a path such as `module::item`. A re-export alone (`pub use`) is not an import:
  the importer is the file that uses the name. What a module's own parents define is not an import either:
  `format/mod.rs` may hold the contract and the list of the formats beside it. Test modules do not count.
* No .rs file is longer than 500 lines.
* The top level of saekit-store has at most 20 entries.
* 90 % of the functions have at most 30 lines.

Plain Python 3 without packages. It reads Rust by regular expressions, which is enough for formatted code
without macros that import. `--self-test` runs it on made-up crates that break each rule.
"""

import re
import sys
import tempfile
from pathlib import Path

MOST_LINES = 500
MOST_FUNCTION_LINES = 30
MOST_ENTRIES = {"saekit-store": 20}

# Circles that stay: a set of files, relative to the repository, and the reason.
EXCEPTIONS = {}

STRINGS = re.compile(
    r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\'\\])\'', re.DOTALL
)
# Items that no build of the program has: tests, and names for the documentation alone.
UNBUILT = re.compile(r"#\[cfg\((?:test|doc)\)\]\s*(?:#\[[^\]]*\]\s*)*")
USE = re.compile(r"(?<![\w:])(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
MODULE = re.compile(r"(?<![\w:])mod\s+(\w+)\s*;")
PATH = re.compile(r"(?<![\w:])(\w+(?:::\w+)+)")
FUNCTION = re.compile(r"(?<![\w:])fn\s+\w+")


def blank(text):
    """Spaces for everything but the line breaks of `text`."""
    return re.sub(r"[^\n]", " ", text)


def code_of(text):
    """`text` without comments, strings and unbuilt items; lines keep their numbers."""
    code = STRINGS.sub(lambda found: blank(found.group()), text)
    while found := UNBUILT.search(code):
        end = end_of_item(code, found.end())
        code = code[: found.start()] + blank(code[found.start() : end]) + code[end:]
    return code


def end_of_item(code, start):
    """The end of the item at `start`: after its first `;` or `{...}` outside other brackets."""
    depth = 0
    for at in range(start, len(code)):
        letter = code[at]
        if letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        elif depth == 0 and letter == ";":
            return at + 1
        elif depth == 0 and letter == "{":
            return end_of_block(code, at)
    return len(code)


def end_of_block(code, start):
    """The place after the brace that closes the one at `start`."""
    depth = 0
    for at in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return at + 1
    return len(code)


def split_tree(tree):
    """The parts of `a, b::{c, d}` at its outermost commas."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(tree):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(tree[start:at])
            start = at + 1
    return [part.strip() for part in [*parts, tree[start:]] if part.strip()]


def expand(tree, before=()):
    """Every (path, name) that the `use` of `tree` binds; the name of a glob is `*`."""
    tree = tree.strip()
    if "{" in tree:
        head, rest = tree.split("{", 1)
        before = (*before, *(s.strip() for s in head.split("::") if s.strip()))
        for part in split_tree(rest.rsplit("}", 1)[0]):
            yield from expand(part, before)
        return
    path, _, alias = tree.partition(" as ")
    path = (*before, *(s.strip() for s in path.split("::") if s.strip()))
    if path[-1] == "self":
        path = path[:-1]
    yield path, alias.strip() or path[-1]


class Module:
    """A file of a crate with the names that it binds."""

    def __init__(self, path, parent):
        self.path, self.parent = path, parent
        self.text = path.read_text(encoding="utf-8")
        self.code = code_of(self.text)
        uses = [(bool(found[1]), list(expand(found[2]))) for found in USE.finditer(self.code)]
        self.uses = [(public, *bound) for public, list_ in uses for bound in list_]
        self.body = USE.sub(lambda found: blank(found.group()), self.code)
        self.bindings = {name: path for _, path, name in self.uses if name not in ("*", "_")}
        is_root = path.name in ("mod.rs", "lib.rs", "main.rs")
        folder = path.parent if is_root else path.parent / path.stem
        self.children = {}
        for found in MODULE.finditer(self.code):
            for file in (folder / f"{found[1]}.rs", folder / found[1] / "mod.rs"):
                if file.exists():
                    self.children[found[1]] = Module(file, self)

    def all(self):
        """This module and all below it."""
        yield self
        for child in self.children.values():
            yield from child.all()

    def root(self):
        return self.parent.root() if self.parent else self

    def is_below(self, other):
        return self.parent is not None and (self.parent is other or self.parent.is_below(other))

    def resolve(self, path, seen=()):
        """The module that `path`, as written here, leads to, and the name of the item in it: None where
        it is the module itself. None for both where the path leaves the crate."""
        if (self, path) in seen:
            return None, None
        seen = (*seen, (self, path))
        first, rest = path[0], path[1:]
        if first == "crate":
            return self.root().look(rest, seen)
        if first == "self":
            return self.look(rest, seen)
        if first == "super":
            return self.parent.look(rest, seen) if self.parent else (None, None)
        if first in self.children or first in self.bindings:
            return self.look(path, seen)
        return None, None

    def look(self, path, seen):
        """`resolve` for a path that begins in this module."""
        if not path:
            return self, None
        first, rest = path[0], path[1:]
        if first == "super" and self.parent:
            return self.parent.look(rest, seen)
        if first in self.children:
            return self.children[first].look(rest, seen)
        if first in self.bindings:
            module, item = self.resolve(self.bindings[first], seen)
            return (module, item) if item or not module else module.look(rest, seen)
        return self, first

    def imports(self):
        """(module, name) for every item of another file that this one uses."""
        for public, path, name in self.uses:
            used = not public or re.search(rf"(?<![\w:]){re.escape(name)}\b", self.body)
            if name == "*" or used:
                yield self.resolve(path[:-1] if name == "*" else path)
        for found in PATH.finditer(self.body):
            yield self.resolve(tuple(found[1].split("::")))


def edges_of(root):
    """For each module, the modules it imports and the names that it takes from each."""
    edges = {module: {} for module in root.all()}
    for module, targets in edges.items():
        for target, item in module.imports():
            if target and item and target is not module and not module.is_below(target):
                targets.setdefault(target, set()).add(item)
    return edges


def circles(edges):
    """The strongly connected components of more than one module (Tarjan, 1972)."""
    order, low, stack, found = {}, {}, [], []

    def visit(module):
        order[module] = low[module] = len(order)
        stack.append(module)
        for target in edges[module]:
            if target not in order:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], order[target])
        if low[module] == order[module]:
            at = stack.index(module)
            found.append(stack[at:])
            del stack[at:]

    for module in edges:
        if module not in order:
            visit(module)
    return [circle for circle in found if len(circle) > 1]


def function_lengths(code):
    """The lines of every function with a body, signature and braces included."""
    for found in FUNCTION.finditer(code):
        end = end_of_item(code, found.start())
        if code[end - 1] == "}":
            yield code.count("\n", found.start(), end) + 1


def check_circles(repository, crate):
    """The circles of a crate as complaints."""
    complaints = []
    for name in ("lib.rs", "main.rs"):
        if not (crate / "src" / name).exists():
            continue
        edges = edges_of(Module(crate / "src" / name, None))
        for circle in circles(edges):
            where = {str(module.path.relative_to(repository)) for module in circle}
            if frozenset(where) in EXCEPTIONS:
                continue
            ties = [
                f"    {a.path.relative_to(crate)} -> {b.path.relative_to(crate)}: {', '.join(sorted(names))}"
                for a in sorted(circle, key=lambda module: module.path)
                for b, names in sorted(edges[a].items(), key=lambda tie: tie[0].path)
                if b in circle
            ]
            complaints.append(f"{crate.name}: {len(circle)} files import in a circle:\n" + "\n".join(ties))
    return complaints


def check_lengths(repository, crate, files):
    """(complaints, function lengths) of the crate's `files`."""
    complaints, lengths = [], []
    for file in files:
        text = file.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > MOST_LINES:
            where = file.relative_to(repository)
            complaints.append(f"{where} has {lines} lines, at most {MOST_LINES} are allowed: split it")
        if file.is_relative_to(crate / "src"):
            lengths.extend(function_lengths(code_of(text)))
    return complaints, lengths


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0


def check(repository):
    """The complaints about a repository; prints a line of figures per crate."""
    complaints, all_lengths = [], []
    crates = sorted(file.parent for file in (repository / "crates").glob("*/Cargo.toml"))
    print(f"{'crate':20} files  lines  longest  functions  p50  p90  max")
    for crate in crates:
        files = sorted(file for file in crate.rglob("*.rs"))
        sources = [file for file in files if file.is_relative_to(crate / "src")]
        wrong, lengths = check_lengths(repository, crate, files)
        all_lengths += lengths
        complaints += wrong + check_circles(repository, crate)
        entries = list((crate / "src").iterdir())
        if len(entries) > MOST_ENTRIES.get(crate.name, len(entries)):
            most = MOST_ENTRIES[crate.name]
            complaints.append(f"{crate.name}/src has {len(entries)} entries, at most {most} are allowed")
        sizes = [file.read_text(encoding="utf-8").count("\n") for file in sources]
        p50, p90, most = (percentile(lengths, share) for share in (0.5, 0.9, 1.0))
        print(
            f"{crate.name:20} {len(sources):5} {sum(sizes):6} {max(sizes, default=0):8}"
            f" {len(lengths):10} {p50:4} {p90:4} {most:4}"
        )
    p90 = percentile(all_lengths, 0.9)
    print(f"{len(all_lengths)} functions, 90 % of them of at most {p90} lines")
    if p90 > MOST_FUNCTION_LINES:
        complaints.append(f"90 % of the functions have at most {p90} lines, expected {MOST_FUNCTION_LINES}")
    for file in sorted((repository / "tests").rglob("*.rs")):
        complaints += check_lengths(repository, repository, [file])[0]
    return complaints


def self_test():
    """Makes crates that break a rule each and one that breaks none."""
    circle = {
        "lib.rs": "mod a;\nmod b;\npub use a::A;\n",
        "a.rs": "use crate::b::B;\npub struct A(B);\n",
        "b.rs": "//! use crate::nothing;\npub struct B;\nfn f() { crate::A::new(); }\n",
    }
    tests = {
        **circle,
        "b.rs": "pub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::A;\n}\n",
    }
    through = {
        "lib.rs": "mod c;\n",
        "c/mod.rs": "mod d;\nmod e;\npub(crate) use d::D;\npub(crate) struct C;\n",
        "c/d.rs": "use super::e;\npub(crate) struct D(e::E);\n",
        "c/e.rs": "use super::D;\npub(crate) struct E(Box<D>);\n",
    }
    long = {"lib.rs": "//\n" * (MOST_LINES + 1)}
    function = {"lib.rs": "fn f() {\n" + "    g();\n" * MOST_FUNCTION_LINES + "}\n"}
    wide = {"lib.rs": "", **{f"f{i}.rs": "" for i in range(20)}}
    cases = [
        ("saekit-a", circle, "import in a circle"),
        ("saekit-a", tests, None),
        ("saekit-a", through, "2 files import in a circle"),
        ("saekit-a", long, "501 lines"),
        ("saekit-a", function, "at most 32 lines"),
        ("saekit-store", wide, "21 entries"),
        ("saekit-a", wide, None),
    ]
    for name, files, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            crate = Path(folder) / "crates" / name
            for file, text in {"../Cargo.toml": "", **files}.items():
                path = crate / "src" / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            found = "\n".join(check(Path(folder)))
            assert (expected in found) if expected else not found, (name, expected, found)
    print(f"the self-test of {len(cases)} crates passed")


def main():
    if "--self-test" in sys.argv[1:]:
        self_test()
        return
    complaints = check(Path(__file__).resolve().parent.parent)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
