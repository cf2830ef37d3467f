"""Counts how often an idea of what a feature means is right: python scripts/hypotheses.py RUN.

RUN is the run of a full `saekit demo` (saekit-demo/run). The features are the first twelve of the
site's order. Each idea says which tokens the feature fires on. It was formed on firings drawn with
seeds 7, 11 and 42, and is judged here on 20 drawn with seed 43. Prints the table of docs/features.md.
"""

import json
import subprocess
import sys

# Latent: the idea, and the tokens (without spaces around them, any case) on which it is right.
IDEAS = {
    1036: (
        "a conjunction that goes on with a clause or a list, above all “and”",
        "and but nor or yea",
    ),
    100: ("the article “a”, or an A that begins a name", "a an"),
    239: ("a preposition between two nouns, above all “of”", "of unto by in for on concerning"),
    53: ("“be” and infinitives like it, in prose on what may or must be done", "be break go to"),
    1401: ("an article, above all “the”", "the a an"),
    565: ("a modal verb", "can cannot may might could shall should must will would"),
    748: ("“and”, “or” and their like between two terms or clauses", "and or but nor than"),
    271: ("a determiner, above all “the”", "the his a an those"),
    497: (
        "a noun of programming, above all “type”",
        "type types value values string strings impl trait traits pattern",
    ),
    1040: ("a connective that opens a clause or phrase", "for but and so not yet"),
    283: ("a conjunction in an explanation", "and then but even or rather thus"),
    846: ("the word that opens a clause", "and for the but that therefore so a then"),
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
    print("| latent | idea | right of 20 |\n| --- | --- | --- |")
    for latent in first:
        idea, tokens = IDEAS[latent]
        firings = saekit(run, "--id", str(latent), "--sample", "20", "--seed", "43")
        texts = [firing["texts"][firing["at"]].strip().lower() for firing in firings]
        right = sum(text in tokens.split() for text in texts)
        wrong += right < 16
        print(f"| {latent} | {idea} | {right} |")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
