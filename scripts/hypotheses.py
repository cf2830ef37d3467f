"""Counts how often an idea of what a feature means is right: python scripts/hypotheses.py RUN.

RUN is the run of a full `saekit demo` (saekit-demo/run). The features are the first twelve of the
site's order. Each idea says which tokens the feature fires on. It was formed on firings drawn with
seeds 7, 11 and 42, and is judged here on 20 drawn with seed 44 and 20 with seed 45. The first idea of
latent 344 failed on seed 44, so that its second was formed on that draw too and is judged on seed 45
alone. Prints the table of docs/features.md.
"""

import json
import subprocess
import sys
from fnmatch import fnmatchcase as fnmatch

SEEDS = (44, 45)
FORMED = {344: (44,)}  # draws that an idea was formed on

# Latent: the idea, and the tokens (without spaces around them, any case, * for anything) on which it
# is right.
IDEAS = {
    1036: ("a conjunction that goes on with a clause or a list, above all “and”", "and but nor"),
    239: ("“of”, and more weakly “unto”", "of unto"),
    53: (
        "“be”, above all after a modal verb, weakly “is”, and infinitives like “break”",
        "be is break exist go look send",
    ),
    565: (
        "a modal verb, or “either” after one",
        "can cannot may might could shall should must will would either",
    ),
    100: ("the article “a”, or an A in a name or at its head", "a an"),
    1401: ("a determiner, above all “the”", "the a an this that his your its their each"),
    271: (
        "a determiner or an adjective before a noun, above all “the”",
        "the a an his four great far",
    ),
    283: (
        "a conjunction or an adverb that connects, above all “and”, mostly in an explanation",
        "and but or then rather ather even thus while",
    ),
    748: (
        "“and”, “or” and their like, and the “or” that ends “major” and “minor”",
        "and or nor but than rather",
    ),
    996: ("a word that points at something, above all “this”", "this that which it another"),
    344: ("a token that ends in s", "*s"),
    953: ("a form of “be”", "be am is are was were been being"),
}


def saekit(*arguments: str) -> list:
    """What `saekit features` prints as JSON."""
    command = ["saekit", "features", *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main(run: str) -> int:
    first = [feature["latent"] for feature in saekit(run, "--limit", str(len(IDEAS)))]
    if set(first) != set(IDEAS):
        print(f"the first features are {first}, the ideas are of {list(IDEAS)}", file=sys.stderr)
        return 1
    wrong = 0
    print("| latent | idea | right of 20, seed 44 | seed 45 |\n| --- | --- | --- | --- |")
    for latent in first:
        idea, tokens = IDEAS[latent]
        seeds = [seed for seed in SEEDS if seed not in FORMED.get(latent, ())]
        right = {seed: judge(run, latent, tokens.split(), seed) for seed in seeds}
        wrong += sum(right.values()) < 16 * len(seeds)
        counts = " | ".join(str(right.get(seed, "")) for seed in SEEDS)
        print(f"| {latent} | {idea} | {counts} |")
    return 1 if wrong else 0


def judge(run: str, latent: int, tokens: list[str], seed: int) -> int:
    """How many of 20 firings, drawn with `seed`, are on one of the tokens."""
    firings = saekit(run, "--id", str(latent), "--sample", "20", "--seed", str(seed))
    texts = [firing["texts"][firing["at"]].strip().lower() for firing in firings]
    return sum(any(fnmatch(text, token) for token in tokens) for text in texts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
