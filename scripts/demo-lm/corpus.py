#!/usr/bin/env python3
"""Collect, clean and split the text of the demo language model.

Sources (all public domain or MIT OR Apache-2.0):
  kjv     King James Bible, Debian packages bible-kjv and bible-kjv-text
  rust    the Rust books and error documentation, from the toolchain's HTML
  std     prose of the standard library documentation, same place
  sqlite  SQLite documentation, Debian package sqlite3-doc

Usage:
  corpus.py --work DIR --ship DIR [--rust-html DIR] [--sqlite-html DIR]

--work receives lm_train.parquet (everything the language model trains on);
--ship receives train.parquet (a subset of it) and heldout.parquet (never
trained on, neither by the model nor by the tokenizer).  Every file has one
non-null string column `text`, one row a document.
"""
import argparse
import hashlib
import json
import random
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20261121
HELDOUT_SHARE = 0.045
# Share of each source's training documents that is shipped in train.parquet.
SHIP_SHARE = {"kjv": 0.42, "rust": 0.46, "std": 0.35, "sqlite": 0.40}
MIN_CHARS = 400
MAX_CODE_LINES = 16
MAX_CODE_CHARS = 700

# ---------------------------------------------------------------- HTML to text

VOID = {"br", "img", "hr", "meta", "link", "input", "wbr", "col", "source", "area", "base", "embed"}
SKIP = {"script", "style", "nav", "table", "svg", "button", "form", "head", "noscript", "template",
        "textarea", "iframe", "rustdoc-toolbar", "footer"}
SKIP_CLASS = {"boring", "nosearch", "test-arrow", "buttons", "sub-heading", "rustdoc-breadcrumbs", "since",
              "rightside", "src", "hideme", "doc-anchor", "tooltip", "grammar-railroad", "fancy_toc",
              "imgcontainer", "portability", "item-decl", "nav-wrapper", "rule-link", "footnote-definition",
              "hide", "grammar-container", "alternate-heading", "test-summary", "stab", "footnote-reference"}
BLOCK = {"p", "li", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "blockquote", "div", "section", "article",
         "figcaption", "figure", "ul", "ol", "dl", "main", "body", "details", "summary", "center", "header"}
HEAD = {"h1", "h2", "h3", "h4", "h5", "h6"}
CODE = {"code", "tt", "kbd", "samp"}


class Text(HTMLParser):
    """Turns HTML into blocks (kind, text): kind is h1..h6, li, code or p."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.blocks, self.buf, self.stack = [], [], []
        self.skip = 0        # depth of the element being skipped, 0 when none is
        self.pre = 0
        self.kind = "p"

    def flush(self):
        raw = "".join(self.buf)
        self.buf = []
        if self.pre:
            text = "\n".join(line.rstrip() for line in raw.replace("\t", "    ").split("\n")).strip("\n")
        else:
            text = re.sub(r"\s+", " ", raw).strip()
            text = text.replace("``", "`") if text.count("``") else text
        if text.strip():
            self.blocks.append(("code" if self.pre else self.kind, text))

    def handle_starttag(self, tag, attrs):
        if tag in VOID:
            if tag == "br" and not self.skip:
                self.buf.append("\n")
            if tag == "hr" and not self.skip:
                self.flush()
            return
        if self.skip:
            self.stack.append(tag)
            return
        attrs = dict(attrs)
        classes = set((attrs.get("class") or "").split())
        if tag in ("p", "li", "dt", "dd"):      # these may be left unclosed
            self.close_implied(tag)
        self.stack.append(tag)
        if tag in SKIP or classes & SKIP_CLASS or (attrs.get("id") or "").startswith("copy-path"):
            if tag in BLOCK or tag == "table":
                self.flush()
            self.skip = len(self.stack)
            return
        if tag == "pre":
            self.flush()
            self.pre = len(self.stack)
        elif tag in BLOCK and not self.pre:
            self.flush()
            self.kind = tag if tag in HEAD else "li" if tag in ("li", "dd") else "p" if tag != "p" or self.kind != "li" else "li"
        elif tag in CODE and not self.pre and self.kind not in HEAD:
            self.buf.append("`")

    def close_implied(self, tag):
        """Ends an open element that this start tag ends by the rules of HTML."""
        ends = {"p": {"p"}, "li": {"li", "p"}, "dt": {"dt", "dd", "p"}, "dd": {"dt", "dd", "p"}}[tag]
        stop = {"ul", "ol", "dl", "div", "section", "blockquote", "body", "main", "details", "pre"}
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] in stop:
                return
            if self.stack[i] in ends:
                self.flush()
                del self.stack[i:]
                return

    def handle_endtag(self, tag):
        if tag in VOID or tag not in self.stack:
            return
        i = len(self.stack) - 1 - self.stack[::-1].index(tag)
        if self.skip:
            if i + 1 < self.skip:
                self.skip = 0
            elif i + 1 == self.skip:
                self.skip = 0
                del self.stack[i:]
                return
            else:
                del self.stack[i:]
                return
        if tag == "pre":
            self.flush()
            self.pre = 0
            self.kind = "p"
        elif tag in BLOCK and not self.pre:
            self.flush()
            self.kind = "p"
        elif tag in CODE and not self.pre and self.kind not in HEAD:
            self.buf.append("`")
        del self.stack[i:]

    def handle_data(self, data):
        if not self.skip:
            self.buf.append(data)


def html_blocks(source):
    parser = Text()
    parser.feed(source)
    parser.close()
    parser.flush()
    return parser.blocks


# ------------------------------------------------------------ blocks to a text

def tidy(text):
    text = text.replace("\u00a0", " ").replace("\u200b", "").replace("\u2019", "'").replace("\u2018", "'")
    text = text.replace("\u201c", '"').replace("\u201d", '"').replace("\u2026", "...").replace("§", "")
    text = re.sub(r"https?://[^\s`)>\"']+", "", text)       # addresses carry nothing here
    text = re.sub(r"<?[\w.+-]+@[\w-]+\.[\w.]+>?", "", text)
    text = re.sub(r"[\x80-\x9f\ufffd\u202a-\u202e\u2066-\u2069]", "", text)
    return text.strip()


def key_of(text):
    """Two paragraphs are the same if they differ in digits or spacing only."""
    return hashlib.sha1(re.sub(r"[\d\s]+", " ", text.lower()).encode()).digest()[:10]


def render(blocks, seen):
    """Joins blocks, dropping long code, repeated paragraphs, headings left empty."""
    kept, dropped = [], 0
    for kind, text in blocks:
        text = tidy(text) if kind != "code" else text.replace("\u00a0", " ").rstrip()
        if not text or text in ("`", "Loading", "Note", "Hashes:") or re.search(r"\b[0-9a-f]{32,}", text):
            continue
        if kind in HEAD and any(k in HEAD and t == text for k, t in kept[-1:]):
            continue
        if kind == "code":
            lines = [l for l in text.split("\n")]
            if len(lines) > MAX_CODE_LINES or len(text) > MAX_CODE_CHARS or max(map(len, lines)) > 110:
                continue
        if kind not in HEAD and len(text) >= 40:
            key = key_of(text)
            if key in seen:
                dropped += len(text)
                continue
            seen.add(key)
        kept.append((kind, text))
    out, i = [], 0
    for i, (kind, text) in enumerate(kept):
        if kind in HEAD:
            if i + 1 == len(kept):
                continue
            following = kept[i + 1][0]
            if following in HEAD and following <= kind and i > 0:
                continue
            out.append("# " + text if kind == "h1" else "## " + text)
        elif kind == "code":
            out.append("```\n" + text + "\n```")
        elif kind == "li":
            out.append("- " + text)
        else:
            out.append(text)
    text = ""
    for i, part in enumerate(out):
        tight = i > 0 and part.startswith("- ") and out[i - 1].startswith("- ")
        text += ("" if i == 0 else "\n" if tight else "\n\n") + part
    return text, dropped


# --------------------------------------------------------------------- sources

KJV_BOOKS = """Genesis;Exodus;Leviticus;Numbers;Deuteronomy;Joshua;Judges;Ruth;1 Samuel;2 Samuel;1 Kings;2 Kings;
1 Chronicles;2 Chronicles;Ezra;Nehemiah;Esther;Job;Psalm;Proverbs;Ecclesiastes;Song of Solomon;Isaiah;Jeremiah;
Lamentations;Ezekiel;Daniel;Hosea;Joel;Amos;Obadiah;Jonah;Micah;Nahum;Habakkuk;Zephaniah;Haggai;Zechariah;Malachi;
Matthew;Mark;Luke;John;Acts;Romans;1 Corinthians;2 Corinthians;Galatians;Ephesians;Philippians;Colossians;
1 Thessalonians;2 Thessalonians;1 Timothy;2 Timothy;Titus;Philemon;Hebrews;James;1 Peter;2 Peter;1 John;2 John;
3 John;Jude;Revelation""".replace("\n", "").split(";")


def kjv():
    raw = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, text=True, check=True).stdout
    chapters, order = {}, []
    for line in raw.splitlines():
        m = re.match(r"^(\d?[A-Za-z]+)(\d+):(\d+) (.*)$", line)
        if not m:
            continue
        book, chapter, verse, text = m.group(1), int(m.group(2)), m.group(3), m.group(4).strip()
        if book not in order:
            order.append(book)
        chapters.setdefault((order.index(book), chapter), []).append(f"{verse} {text}")
    assert len(order) == 66 == len(KJV_BOOKS), order
    for (book, chapter), verses in sorted(chapters.items()):
        yield f"kjv/{KJV_BOOKS[book]} {chapter}", [f"{KJV_BOOKS[book]} {chapter}\n\n" + "\n".join(verses)]


RUST_BOOKS = ["book", "reference", "cargo", "nomicon", "rust-by-example", "edition-guide", "error_codes", "rustc",
              "rustdoc", "unstable-book", "style-guide", "clippy"]
RUST_LEAVE = re.compile(r"(^|/)(print|toc|SUMMARY|README|404|CHANGELOG|grammar|syntax-index|test-summary|not_found)"
                        r"\.html$|^book/(2018|first|second)[^/]*/|^rust-by-example/[a-z]{2}/|^book/appendix-06"
                        r"|^rustc/platform-support")


def rust(root):
    for book in RUST_BOOKS:
        for path in sorted((root / book).rglob("*.html")):
            name = path.relative_to(root).as_posix()
            if RUST_LEAVE.search(name):
                continue
            source = path.read_text(encoding="utf-8")
            m = re.search(r"<main>(.*?)</main>", source, re.S)
            if m:
                yield f"rust/{name}", html_blocks(m.group(1))


STD_LEAVE = re.compile(r"^std/(arch|simd|intrinsics|f16|f128|autodiff|ffi/c_|os/raw|net/type)|/(all|index)\.html$(?<!std/index\.html)"
                       r"|primitive\.(i8|i16|i64|i128|isize|u16|u32|u64|u128|f16|f32|f128)\.html"
                       r"|^std/(i8|i16|i32|i64|i128|isize|u8|u16|u32|u64|u128|usize|f32|f64)/"
                       r"|type\.NonZero|type\.Atomic|macro\.debug_assert")


def std(root):
    for path in sorted((root / "std").rglob("*.html")):
        name = path.relative_to(root).as_posix()
        index = path.name == "index.html"
        if STD_LEAVE.search(name) and not (index and not re.match(r"std/(arch|simd|intrinsics)", name)):
            continue
        source = path.read_text(encoding="utf-8")
        m = re.search(r'<section id="main-content".*?>(.*)</section>', source, re.S)
        if not m:
            continue
        body = re.split(r'<h2 id="(?:trait-implementations|synthetic-implementations|blanket-implementations|'
                        r'implementors|deref-methods|modules|reexports|foreign-impls)|<h2[^>]*id="(?:modules|structs|enums|macros|functions)"', m.group(1))[0]
        blocks = []
        title = re.search(r"<h1>(.*?)</h1>", body, re.S)
        if title:
            blocks += [("h1", b[1]) for b in html_blocks("<p>" + title.group(1) + "</p>")][:1]
        # signature and documentation of each item, in the page's order
        for part in re.finditer(r'<h4 class="code-header">(.*?)</h4>|<div class="docblock">', body, re.S):
            if part.group(1) is not None:
                for kind, text in html_blocks("<p>" + part.group(1) + "</p>")[:1]:
                    blocks.append(("h4", re.sub(r"\s+", " ", text)))
            else:
                blocks += html_blocks(balanced_div(body, part.start()))
        yield f"{name}", blocks


def balanced_div(source, start):
    depth = 0
    for m in re.finditer(r"<(/?)div\b", source[start:]):
        depth += -1 if m.group(1) else 1
        if depth == 0:
            return source[start:start + m.start()]
    return source[start:]


SQLITE_LEAVE = re.compile(r"crossref|requirements|syntaxdiagrams|capi3ref|keyword_index|sitemap|oldnews|^changes|"
                          r"^syntax/|funclist|constlist|objlist|lang_keywords|chronology|^doclist|toc|books|download|"
                          r"fileformat\.html|releaselog/current|^index|prosupport|consortium_agree|session/funclist|"
                          r"search|vtablist|support|cves|sqlanalyze|speed\.html|hctree|copyright-release")


def sqlite(root):
    for path in sorted(root.rglob("*.html")):
        name = path.relative_to(root).as_posix()
        if SQLITE_LEAVE.search(name):
            continue
        source = path.read_text(encoding="utf-8", errors="replace")
        title = re.search(r"<title>(.*?)</title>", source, re.S)
        m = re.search(r"antiRobotDefense\(\);\s*</script>(.*)</body>", source, re.S) or \
            re.search(r"antiRobotDefense\(\);\s*</script>(.*)", source, re.S)
        if not m:
            continue
        blocks = html_blocks(m.group(1))
        if title:
            blocks = [("h1", re.sub(r"\s+", " ", title.group(1)).strip())] + blocks
        blocks = [b for b in blocks if not re.match(r"This page last modified|\*{3} DRAFT|^Table Of Contents|►", b[1])]
        blocks = [(k, re.sub(r"^[\d.]+\s+", "", t) if k in HEAD else t) for k, t in blocks]
        yield f"sqlite/{name}", blocks


# ------------------------------------------------------------------------ main

def write(path, texts):
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([pa.field("text", pa.string(), nullable=False)])
    table = pa.Table.from_arrays([pa.array(texts, pa.string())], schema=schema)
    pq.write_table(table, path, compression="zstd", compression_level=19, row_group_size=512,
                   use_dictionary=False, write_statistics=False, store_schema=False)
    return path.stat().st_size


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True)
    ap.add_argument("--ship", type=Path, required=True)
    ap.add_argument("--rust-html", type=Path)
    ap.add_argument("--sqlite-html", type=Path, default=Path("/usr/share/doc/sqlite3"))
    args = ap.parse_args()
    if args.rust_html is None:
        root = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True)
        args.rust_html = Path(root.stdout.strip()) / "share/doc/rust/html"

    seen, documents, report = set(), {}, {}
    for source, pages in (("kjv", kjv()), ("rust", rust(args.rust_html)), ("std", std(args.rust_html)),
                          ("sqlite", sqlite(args.sqlite_html))):
        docs, dropped = [], 0
        for name, blocks in pages:
            if source == "kjv":
                text = tidy(blocks[0])
            else:
                text, n = render(blocks, seen)
                dropped += n
            text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
            if len(text) >= MIN_CHARS or source == "kjv":
                docs.append((name, text))
        assert docs, source
        documents[source] = docs
        report[source] = {"documents": len(docs), "bytes": sum(len(t.encode()) for _, t in docs),
                          "repeated_chars_dropped": dropped}

    rng = random.Random(SEED)
    lm, ship, held = [], [], []
    for source, docs in documents.items():
        docs = docs[:]
        rng.shuffle(docs)
        total = sum(len(t) for _, t in docs)
        k, n = 0, 0
        while n < HELDOUT_SHARE * total:
            n += len(docs[k][1])
            k += 1
        rest = docs[k:]
        s, n = 0, 0
        while s < len(rest) and n < SHIP_SHARE[source] * (total - sum(len(t) for _, t in docs[:k])):
            n += len(rest[s][1])
            s += 1
        held += docs[:k]
        ship += rest[:s]
        lm += rest
        report[source] |= {"heldout_documents": k, "heldout_bytes": sum(len(t.encode()) for _, t in docs[:k]),
                           "shipped_documents": s, "shipped_bytes": sum(len(t.encode()) for _, t in rest[:s])}
    for part in (lm, ship, held):
        rng.shuffle(part)
    assert not {n for n, _ in held} & {n for n, _ in lm} and {n for n, _ in ship} <= {n for n, _ in lm}

    sizes = {"lm_train": write(args.work / "lm_train.parquet", [t for _, t in lm]),
             "train": write(args.ship / "train.parquet", [t for _, t in ship]),
             "heldout": write(args.ship / "heldout.parquet", [t for _, t in held])}
    (args.work / "names.json").write_text(json.dumps({"lm": [n for n, _ in lm], "heldout": [n for n, _ in held]}))
    report["files"] = {k: {"documents": len(v), "text_bytes": sum(len(t.encode()) for _, t in v), "file_bytes": sizes[k]}
                       for k, v in (("lm_train", lm), ("train", ship), ("heldout", held))}
    (args.work / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
