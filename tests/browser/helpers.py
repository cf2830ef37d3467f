"""What a page shows, read from the page; and what it should show, computed from the data without its code."""

import re

from playwright.sync_api import Page, expect

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
ROW = ".rows .row"
# Whether nothing lies over the upper left corner of an element.
UNCOVERED = """(node) => {
  const { x, y } = node.getBoundingClientRect();
  const top = document.elementFromPoint(x + 3, y + 3);
  return node === top || node.contains(top);
}"""
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xa0\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def seen(text: str) -> str:
    """A text as the page should show it."""
    signs = {"\n": "↵", "\t": "→"}
    return UNSEEN.sub(lambda found: signs.get(found[0], f"U+{ord(found[0]):04X}"), text)


def latents(page: Page) -> list[int]:
    """The numbers in the rows of the index that are drawn, from the top."""
    return [int(text) for text in page.locator(f"{ROW} .latent a").all_inner_texts()]


def heading(page: Page, latent: int) -> None:
    expect(page.locator("h1")).to_have_text(
        re.compile(rf"^Feature {latent}( dead| dense| duplicate)*$")
    )


def search(page: Page, text: str) -> None:
    page.get_by_role("searchbox").fill(text)


def count(page: Page) -> int:
    """The number of matches the page states."""
    return int(re.match(r"[\d,]+", page.locator(".count").inner_text())[0].replace(",", ""))


def found(site, text: str) -> list[int]:
    """The latents whose tokens or snippet contain a text, in the order of the index."""
    hits = []
    for place in site.places():
        snippet = site.index["snippets"][place]
        texts = [*site.index["tokens"][place], "".join(snippet[0]) if snippet else ""]
        if any(text.lower() in seen(each).lower() for each in texts):
            hits.append(site.index["latents"][place])
    return hits


def a_word(site) -> str:
    """A word of the site's tokens that is not everywhere."""
    words = (token.strip() for tokens in site.index["tokens"] for token in tokens)
    return next(
        word
        for word in words
        if re.fullmatch("[A-Za-z]{3,}", word) and 0 < len(found(site, word)) < len(site.places())
    )


def brightness(page: Page) -> float:
    """Of the page's background, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def switch_keys(page: Page, on: bool) -> None:
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Shortcuts of a single character").set_checked(on)
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
