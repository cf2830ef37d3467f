"""Writes a site of made-up features, hostile ones among them, from the assets of the crate.

    python tests/browser/synthetic.py FOLDER [--features 2000] [--pages 200] [--seed 0]

The numbers and texts come from the seed. The first latents are the hard cases, by name in `HARD`.
"""

import argparse
import json
import math
import random
import shutil
from pathlib import Path

ASSETS = Path(__file__).resolve().parents[2] / "crates/saekit-pages/assets"

# Latents that are hard to show, each for one reason.
HARD = {
    "hostile": 0,
    "dead": 1,
    "bare": 2,
    "sparse_groups": 3,
    "signed": 4,
    "textless": 5,
    "massive": 6,
}

PAYLOAD = "window.ran = true"
HOSTILE = [
    f"<script>{PAYLOAD}</script>",
    f"</script><script>{PAYLOAD}</script>",
    f"<img src=x onerror='{PAYLOAD}'>",
    f'"onmouseover="{PAYLOAD}" x="',
    f"javascript:{PAYLOAD}",
    "${window.ran=true}",
    "a\nb\tc\rd",
    "\x00\x07\x1b[31m\x7f\x85",
    "\u202egnp.exe\u2066",
    "\u200b\ufeff",
    "\u2028\u2029",
    "x" * 300,
    "👩‍🚀",
    "שלום",
    "",
    "   ",
    "--><!--",
    "\\u003cb\\u003e",
]

# A little English: what a theme is about, and what stands around it.
THEMES = [
    "sea ship sail harbour wave captain",
    "king queen throne crown prince lord",
    "error panic unwrap Result trait impl",
    "river valley mountain hill forest field",
    "one two three four seven twelve",
    "said asked answered replied cried told",
    "January March April July October December",
    "bread wine salt meat honey oil",
]
FILLER = (
    " the| of| and| to| in| a| that| it| was| for| on| with| as| his| they| be| at| from| had| not|,|.|;"
    "| when| which| there| all| were| upon| then| over|\n| would| long| after| before| again| through| every"
).split("|")
WORDS = [" " + word for theme in THEMES for word in theme.split()]


def tokens_of(rng: random.Random, theme: list[str], length: int) -> tuple[list[str], list[float]]:
    """A stretch of text in which the theme's words fire."""
    texts, values = [], []
    for _ in range(length):
        if rng.random() < 0.09:
            texts.append(" " + rng.choice(theme))
            values.append(round(rng.uniform(0.4, 9.0), 4))
        else:
            texts.append(rng.choice(FILLER))
            values.append(round(rng.uniform(0.05, 0.6), 4) if rng.random() < 0.05 else 0.0)
    return texts, values


def example(rng: random.Random, theme: list[str], value: float) -> dict:
    """A firing of the given value in its context."""
    before, after = 20, 10
    texts, values = tokens_of(rng, theme, before + 1 + after)
    values = [min(other, abs(value) * 0.9) for other in values]
    if theme is not HOSTILE:
        texts[before] = " " + rng.choice(theme)
    else:
        texts[before] = rng.choice(HOSTILE)
    values[before] = value
    position = rng.randint(before, 127)
    return {
        "sequence": rng.randint(0, 4000),
        "position": position,
        "value": value,
        "collapsed": rng.choice([0, 0, 0, 2, 14]),
        "start": position - before,
        "at": before,
        "tokens": [rng.randint(0, 50000) for _ in texts],
        "texts": texts,
        "values": values,
    }


def top_tokens(rng: random.Random, theme: list[str], largest: float) -> list[dict]:
    """The theme's words by mean value."""
    means = sorted((rng.uniform(0.05, 0.6) * largest for _ in theme), reverse=True)
    spaced = theme if theme is HOSTILE else [" " + word for word in theme]
    rows = []
    for text, mean in zip(spaced, means, strict=True):
        occurrences = rng.randint(3, 900)
        rows.append(
            {
                "token": rng.randint(0, 50000),
                "text": text,
                "mean": mean,
                "fires": rng.randint(1, occurrences),
                "occurrences": occurrences,
            }
        )
    return rows


def feature(latent: int, features: int, seed: int, top: int = 20) -> dict:
    """Everything about a latent that is alive, with `top` examples and, if there are more, the groups."""
    rng = random.Random(f"{seed} {latent}")
    theme = HOSTILE if latent == HARD["hostile"] else THEMES[latent % len(THEMES)].split()
    rows = 100_000
    fires = max(1, int(rows * 10 ** rng.uniform(-4.6, -0.7)))
    largest = round(rng.uniform(2.0, 24.0), 4)
    bins = 40
    counts = [int(fires * math.exp(-i / 7) * rng.uniform(0.6, 1.3) / 7) for i in range(bins)]
    counts[-1] = max(1, counts[-1])
    strengths = sorted((rng.uniform(0.02, 1.0) ** 2 * largest for _ in range(25)), reverse=True)
    quantiles = [
        {
            "from": group[-1],
            "to": group[0],
            "fires": fires // 5,
            "examples": [example(rng, theme, round(value, 4)) for value in group],
        }
        for group in (strengths[i : i + 5] for i in range(0, 25 if top > 1 else 0, 5))
    ]
    others = rng.sample(range(features), 8)
    logits = sorted((rng.uniform(0.1, 2.4) for _ in range(10)), reverse=True)
    return {
        "latent": latent,
        "legibility": round(rng.uniform(0.05, 0.98), 4),
        "flags": (["dense"] if fires > rows / 10 else [])
        + (["duplicate"] if latent % 17 == 0 else []),
        "density": {
            "rows": rows,
            "fires": fires,
            "density": fires / rows,
            "max": largest,
            "scale_end": largest,
            "mean": round(largest * 0.3, 4),
        },
        "histogram": {
            "start": 0.0,
            "width": largest / bins,
            "counts": counts,
            "below": 0,
            "above": 0,
        },
        "tokens": {"contextual": round(rng.random(), 4), "top": top_tokens(rng, theme, largest)},
        "logits": {
            "promoted": [
                {"token": 5, "text": rng.choice(WORDS), "logit": value} for value in logits
            ],
            "suppressed": [
                {"token": 6, "text": rng.choice(FILLER), "logit": -0.6 * value} for value in logits
            ],
        },
        "neighbours": [
            {"latent": other, "cosine": round(0.9 - 0.09 * i, 4)} for i, other in enumerate(others)
        ],
        "cofiring": [
            {"latent": other, "rows": 400 - 40 * i, "jaccard": round(0.5 - 0.05 * i, 4)}
            for i, other in enumerate(reversed(others))
        ],
        "examples": {
            "top": [example(rng, theme, round(largest * (1 - 0.02 * i), 4)) for i in range(top)],
            "quantiles": quantiles,
        },
    }


def harden(page: dict) -> dict:
    """Makes a latent of `HARD` what its name says; some others are dead, too."""
    kind = {latent: name for name, latent in HARD.items()}.get(page["latent"])
    if page["latent"] % 50 == HARD["dead"]:
        kind = "dead"
    if kind == "dead":
        page.update(
            legibility=0.0,
            flags=["dead"],
            cofiring=[],
            histogram={"start": 0.0, "width": 0.0, "counts": [], "below": 0, "above": 0},
            examples={"top": [], "quantiles": []},
            tokens={"contextual": None, "top": []},
        )
        page["density"].update(fires=0, density=0.0, max=None, scale_end=None, mean=None)
    if kind == "bare":
        page.update(logits=None, tokens=None, neighbours=None)
    if kind == "sparse_groups":
        page["examples"]["quantiles"][2].update(examples=[], fires=0)
    if kind == "signed":
        page["histogram"]["start"] = -page["density"]["max"] / 2
        for shown in page["examples"]["top"]:
            shown["values"] = [
                -value if i % 2 else value for i, value in enumerate(shown["values"])
            ]
            shown["value"] = shown["values"][shown["at"]]
    if kind == "massive":
        strongest = page["examples"]["top"][0]
        page["density"]["max"] = strongest["value"] = strongest["values"][strongest["at"]] = 3000.0
        page["histogram"]["above"] = 1
    if kind == "textless":
        for shown in page["examples"]["top"]:
            shown.update(position=0, start=0, at=0, tokens=[], texts=[], values=[])
    return page


def snippet(page: dict) -> list | None:
    """The strongest example, cut short."""
    if not page["examples"]["top"] or not page["examples"]["top"][0]["texts"]:
        return None
    best = page["examples"]["top"][0]
    cut = slice(best["at"] - 6, best["at"] + 6)
    return [best["texts"][cut], best["values"][cut], 6]


def index(pages: list[dict]) -> dict:
    """The index of the pages, the most legible first."""
    bits = {"dead": 1, "dense": 2, "duplicate": 4}
    pages = sorted(pages, key=lambda page: -page["legibility"])
    tokens = [page["tokens"] or {"contextual": None, "top": []} for page in pages]
    return {
        "format": "saekit-analysis",
        "version": 1,
        "title": "synthetic · blocks.1.hook_resid_post",
        "facts": [
            ["codec", "topk, k 32"],
            ["hook point", "blocks.1.hook_resid_post"],
            ["latents", f"{len(pages):,}"],
            ["rows analysed", "100,000"],
            ["L0", "32.0"],
        ],
        "rule": "Features are ordered by how easily a person can tell what they stand for, the most legible first.",
        "missing": [["logits", "no model was given: analyse again with --model"]],
        "report": None,
        "latents": [page["latent"] for page in pages],
        "legibility": [page["legibility"] for page in pages],
        "density": [page["density"]["density"] for page in pages],
        "max": [page["density"]["max"] for page in pages],
        "scale_end": [page["density"]["scale_end"] for page in pages],
        "contextual": [each["contextual"] for each in tokens],
        "flags": [sum(bits[flag] for flag in page["flags"]) for page in pages],
        "tokens": [[row["text"] for row in each["top"][:5]] for each in tokens],
        "snippets": [snippet(page) for page in pages],
    }


def call(path: Path, name: str, data: dict) -> None:
    """Writes data as the script that hands them to the page."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    path.write_text(f"saekit.{name}({text});\n", encoding="utf-8")


def write_site(folder: Path, features: int, pages: int, seed: int = 0) -> None:
    """Writes a site of `features` latents into a new folder, with the pages of the first `pages`."""
    (folder / "data/features").mkdir(parents=True)
    shutil.copytree(ASSETS, folder / "assets")
    shutil.move(folder / "assets/index.html", folder)
    made = [
        harden(feature(latent, features, seed, 20 if latent < pages else 1))
        for latent in range(features)
    ]
    call(folder / "data/index.js", "index", index(made))
    for page in made[:pages]:
        call(folder / f"data/features/{page['latent']}.js", "feature", page)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a site of made-up features.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--features", type=int, default=2000)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write_site(given.folder, given.features, given.pages, given.seed)


if __name__ == "__main__":
    main()
