"""The feature site in a browser, from disk. `SAEKIT_SITE=FOLDER pytest tests/browser` adds a real site.

What a page should show is computed here from the data files, not by the page's own code.
"""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import synthetic
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from synthetic import HARD, HOSTILE

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
ROW = ".rows .row"
# Whether nothing lies over the upper left corner of an element.
UNCOVERED = """(node) => {
  const { x, y } = node.getBoundingClientRect();
  const top = document.elementFromPoint(x + 3, y + 3);
  return node === top || node.contains(top);
}"""
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\xa0\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def seen(text: str) -> str:
    """A text as the page should show it."""
    signs = {"\n": "↵", "\t": "→"}
    return UNSEEN.sub(lambda found: signs.get(found[0], f"U+{ord(found[0]):04X}"), text)


def latents(page: Page) -> list[int]:
    """The numbers in the rows of the index that are drawn, from the top."""
    return [int(text) for text in page.locator(f"{ROW} .latent a").all_inner_texts()]


def heading(page: Page, latent: int) -> None:
    expect(page.locator("h1")).to_have_text(re.compile(rf"^Feature {latent}( dead| dense| duplicate)*$"))


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
    return next(word for word in words if re.fullmatch("[A-Za-z]{3,}", word) and 0 < len(found(site, word)) < len(site.places()))


# ---- Speed ----

# When the first row was there, and how long the first search took, in milliseconds of the page's clock.
CLOCK = """
new MutationObserver((_, observer) => {
  if (!document.querySelector('.rows .row a')) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { document.documentElement.dataset.firstRow = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
window.timed = (act) => {
  const start = performance.now();
  act();
  document.body.offsetHeight;
  return performance.now() - start;
};
window.searchFor = (text) => {
  const field = document.querySelector('[type=search]');
  field.value = text;
  field.dispatchEvent(new Event('input', { bubbles: true }));
};
"""


def time_to_search(open_page, site) -> float:
    """Milliseconds from the start of navigation until a first search has been answered."""
    page = open_page(site.url(), init=CLOCK)
    page.wait_for_selector("html[data-first-row]")
    searched = page.evaluate("timed(() => searchFor('e'))")
    assert count(page) == len(found(site, "e"))
    return float(page.locator("html").get_attribute("data-first-row")) + searched


def test_the_index_is_interactive_within_a_second(open_page, site):
    assert min(time_to_search(open_page, site) for _ in range(3)) < 1000


def test_an_index_of_20000_features_is_interactive_within_a_second(open_page, large):
    assert len(large.places()) == 20_000
    assert min(time_to_search(open_page, large) for _ in range(3)) < 1000


def test_20000_features_are_searched_and_sorted_within_a_tenth_of_a_second(open_page, large):
    page = open_page(large.url(), init=CLOCK)
    search_times = page.evaluate("['sea', 'kin', 'a', ''].map((text) => timed(() => searchFor(text)))")
    click = "timed(() => document.querySelector('[data-sort=density] button').click())"
    sort_times = [page.evaluate(click) for _ in range(3)]
    assert min(search_times[:3]) < 100
    assert min(sort_times) < 100
    assert page.locator(ROW).count() < 100


def test_the_last_of_20000_rows_can_be_reached(open_page, large):
    page = open_page(large.url())
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    last = page.locator(f"{ROW}[aria-rowindex='20001']")
    expect(last.locator(".latent a")).to_have_text(str(large.index["latents"][-1]))
    expect(last).to_be_in_viewport()


# ---- Index ----

def test_the_index_says_what_it_shows(open_page, site):
    page = open_page(site.url())
    expect(page.locator("h1")).to_have_text(site.index["title"])
    expect(page.locator(".rule")).to_have_text(site.index["rule"])
    expect(page.locator(".facts dt")).to_have_text([name for name, _ in site.index["facts"]])
    expect(page.locator(".facts dd")).to_have_text([value for _, value in site.index["facts"]])
    for section, why in site.index["missing"]:
        expect(page.locator(".missing").filter(has_text=section)).to_contain_text(why)
    assert latents(page)[:10] == site.index["latents"][:10]
    assert count(page) == len(site.places())


def test_a_word_is_searched_in_tokens_and_snippets(open_page, site):
    page, word = open_page(site.url()), a_word(site)
    search(page, word.upper())
    expected = found(site, word)
    assert count(page) == len(expected)
    assert latents(page)[:10] == expected[:10]


def test_a_search_reaches_across_tokens(open_page, site):
    texts = next(snippet[0] for snippet in site.index["snippets"] if snippet and snippet[2] > 0)
    phrase = seen("".join(texts[:4]))
    page = open_page(site.url())
    search(page, phrase)
    assert count(page) == len(found(site, phrase)) > 0


def test_a_number_finds_its_latent_first(open_page, site):
    latent = site.index["latents"][-1]
    page = open_page(site.url())
    search(page, str(latent))
    assert latents(page)[0] == latent
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"#/{latent}$"))


def test_a_search_without_matches_says_so(open_page, site):
    page = open_page(site.url())
    search(page, "no token is like this one")
    expect(page.get_by_text("No feature matches.")).to_be_visible()
    assert count(page) == 0


@pytest.mark.parametrize("column", ["telling", "density", "max", "contextual", "latent"])
def test_sorting(open_page, site, column):
    """Both ways, what has no value last, and ties in the order of the index."""
    values = site.index["latents" if column == "latent" else column]
    known = [place for place in site.places() if values[place] is not None]
    unknown = [place for place in site.places() if values[place] is None]
    page = open_page(site.url())
    button = page.locator(f"[data-sort={column}] button")
    for direction in ["descending", "ascending"]:
        while page.locator(f"[data-sort={column}]").get_attribute("aria-sort") != direction:
            button.click()
        sign = -1 if direction == "descending" else 1
        order = sorted(known, key=lambda place: sign * abs(values[place])) + unknown
        expected = [values[place] for place in order]
        for part in [lambda rows: slice(0, rows), lambda rows: slice(-rows, None)]:
            drawn = [site.index["latents"].index(latent) for latent in latents(page)]
            assert len(drawn) > 10
            assert [values[place] for place in drawn] == expected[part(len(drawn))]
            if column != "telling":
                assert drawn == order[part(len(drawn))]
            page.evaluate("scrollTo(0, document.body.scrollHeight)")
            expect(page.locator(f"{ROW}[aria-rowindex='{len(values) + 1}']")).to_be_in_viewport()


def test_another_order_begins_at_its_top(open_page, site):
    page = open_page(site.url())
    page.evaluate("scrollTo(0, 1500)")
    page.locator("[data-sort=density] button").click()
    first = page.locator(f"{ROW}[aria-rowindex='2']")
    expect(first).to_be_in_viewport(ratio=1)
    assert first.evaluate(UNCOVERED)


@pytest.mark.parametrize("flag, bit", [("dead", 1), ("dense", 2), ("duplicate", 4)])
def test_flagged_features_are_hidden(open_page, site, flag, bit):
    page = open_page(site.url())
    page.get_by_label(flag, exact=True).check()
    kept = [site.index["latents"][place] for place in site.places() if not site.index["flags"][place] & bit]
    assert count(page) == len(kept)
    assert latents(page)[:10] == kept[:10]


@pytest.mark.parametrize("kind, keep", [("contextual", lambda score: score >= 0.5), ("token", lambda score: score < 0.5)])
def test_one_kind_of_feature_is_shown(open_page, site, kind, keep):
    page = open_page(site.url())
    page.get_by_label("Kind").select_option(kind)
    scores = site.index["contextual"]
    assert count(page) == sum(score is not None and keep(score) for score in scores)


def test_a_range_of_densities_is_shown(open_page, site):
    page = open_page(site.url())
    page.get_by_label("Density from").fill("0.01")
    page.get_by_label("Density to").fill("1")
    assert count(page) == sum(1e-4 <= density <= 1e-2 for density in site.index["density"])


def test_what_the_index_shows_can_be_linked(open_page, site):
    page, word = open_page(site.url()), a_word(site)
    search(page, word)
    page.locator("[data-sort=density] button").click()
    page.get_by_label("dead", exact=True).check()
    page.get_by_label("Density from").fill("0.001")
    before = latents(page)
    again = open_page(page.url)
    assert latents(again) == before
    expect(again.get_by_role("searchbox")).to_have_value(word)
    expect(again.get_by_label("dead", exact=True)).to_be_checked()
    expect(again.get_by_label("Density from")).to_have_value("0.001")
    expect(again.locator("[data-sort=density]")).to_have_attribute("aria-sort", "descending")


def test_the_back_button_keeps_the_state_of_the_index(open_page, site):
    page = open_page(site.url("#/?hide=dead"))
    page.locator("[data-sort=max] button").click()
    page.evaluate("scrollTo(0, 200)")
    state = page.evaluate("[location.hash, scrollY]")
    page.locator(f"{ROW} .latent a").nth(10).click()
    page.wait_for_selector("article.feature")
    opened = int(page.url.rsplit("/", 1)[1])
    page.go_back()
    expect(page.locator(f"{ROW} a:focus")).to_have_text(str(opened))
    assert page.evaluate("[location.hash, scrollY]") == state
    expect(page.get_by_label("dead", exact=True)).to_be_checked()


# ---- Feature ----

def test_a_feature_is_opened_by_a_click(open_page, site):
    page = open_page(site.url())
    latent = site.shown()
    search(page, f"#{latent}")
    page.locator(f"{ROW} .latent a").first.click()
    heading(page, latent)
    assert page.url == site.url(f"#/{latent}")


def test_a_feature_shows_its_data(open_page, site):
    latent = site.shown()
    feature = site.feature(latent)
    page = open_page(site.url(f"#/{latent}"))
    heading(page, latent)
    tops = page.locator("section.examples ol > li")
    assert tops.count() == len(feature["examples"]["top"])
    for shown, example in list(zip(tops.all(), feature["examples"]["top"]))[:5]:
        texts = shown.locator(".token").evaluate_all("(nodes) => nodes.map((node) => node.textContent)")
        assert texts == [seen(text) or "empty" for text in example["texts"]]
        assert shown.locator(".tint").count() == sum(value != 0 for value in example["values"])
        expect(shown.locator(".where")).to_contain_text(f"{example['sequence']} : {example['position']}")
        if example["collapsed"]:
            expect(shown).to_contain_text(f"+{example['collapsed']:,} similar")
    assert page.locator(".group").count() == len(feature["examples"]["quantiles"])
    assert page.locator(".histogram .column").count() == len(feature["histogram"]["counts"])
    expect(page.locator(".cofiring li a")).to_have_text([str(other["latent"]) for other in feature["cofiring"]])


def test_the_stronger_a_token_the_more_colour_it_has(open_page, site):
    latent = site.shown()
    feature = site.feature(latent)
    examples = feature["examples"]["quantiles"][-1]["examples"] + feature["examples"]["top"]
    values = [abs(value) for example in examples for value in example["values"] if value]
    page = open_page(site.url(f"#/{latent}"))
    tints = page.locator(".group:last-child .tint, section.examples li .tint").evaluate_all(
        "(nodes) => nodes.map((node) => [getComputedStyle(node).backgroundColor, node.closest('.group') !== null])")
    tints.sort(key=lambda tint: not tint[1])
    opacity = [float(re.search(r"/ ([\d.]+)\)", colour)[1]) if "/" in colour else 1.0 for colour, _ in tints]
    shares = [value / abs(feature["density"]["max"]) for value in values]
    assert opacity == pytest.approx([0.12 + 0.88 * share for share in shares], abs=0.01)
    assert max(opacity) - min(opacity) > 0.1


def test_previous_and_next_follow_the_order_of_the_index(open_page, site):
    page = open_page(site.url("#/?sort=density&dir=asc&hide=dead"))
    order = latents(page)
    page.locator(f"{ROW} .latent a").nth(1).click()
    heading(page, order[1])
    page.get_by_role("link", name="Next").click()
    heading(page, order[2])
    page.get_by_role("link", name="Previous").click()
    heading(page, order[1])


def test_related_features_are_links(open_page, site):
    latent = site.shown()
    other = site.feature(latent)["cofiring"][0]["latent"]
    page = open_page(site.url(f"#/{latent}"))
    page.locator(".cofiring a").first.click()
    heading(page, other)


def test_the_value_of_a_token_is_shown_on_hover(open_page, site):
    latent = site.shown()
    example = site.feature(latent)["examples"]["top"][0]
    page = open_page(site.url(f"#/{latent}"))
    tip = page.get_by_role("tooltip")
    expect(tip).to_be_hidden()
    page.locator(".examples .firing").first.hover()
    expect(tip).to_be_visible()
    expect(tip).to_contain_text(f"{example['value']:.2f}")
    expect(tip).to_contain_text(f"position {example['position']}")
    page.locator("h1").hover()
    expect(tip).to_be_hidden()


def test_the_value_of_a_token_is_shown_on_focus(open_page, site):
    """The firing is a stop of the tab key, the arrow keys reach its neighbours, Escape hides the value."""
    latent = site.shown()
    example = site.feature(latent)["examples"]["top"][0]
    page = open_page(site.url(f"#/{latent}"))
    tip = page.get_by_role("tooltip")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator(".firing:focus").count():
            break
    expect(page.locator(".firing").first).to_be_focused()
    expect(tip).to_contain_text(f"{example['value']:.2f}")
    page.keyboard.press("ArrowLeft")
    expect(tip).to_contain_text(f"position {example['position'] - 1}")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    heading(page, latent)


def test_the_value_of_a_token_is_shown_on_a_tap(open_page, site):
    page = open_page(site.url(f"#/{site.shown()}"), **PHONE)
    page.locator(".examples .firing").first.tap()
    expect(page.get_by_role("tooltip")).to_be_visible()


def test_the_link_to_a_feature_can_be_copied(open_page, site):
    url = site.url(f"#/{site.shown()}")
    page = open_page(url, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_saved_for_paper(open_page, made, tmp_path, scheme):
    """An SVG that stands alone, in the colours of the light theme."""
    latent = made.shown()
    page = open_page(made.url(f"#/{latent}"), color_scheme=scheme)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save SVG").click()
    assert download.value.suggested_filename == f"feature-{latent}-activations.svg"
    download.value.save_as(tmp_path / "chart.svg")
    text = Path(tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert "var(" not in text and "light-dark" not in text
    bars = [node for node in ElementTree.fromstring(text).iter() if node.get("class") == "column"]
    assert len(bars) == len(made.feature(latent)["histogram"]["counts"])
    assert {bar.get("fill") for bar in bars} == {"rgb(245, 160, 32)"}
    assert page.evaluate("document.documentElement.dataset.theme") is None


# ---- Keys ----

def test_everything_can_be_done_from_the_keyboard(open_page, site):
    page = open_page(site.url())
    order = latents(page)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(f"{ROW} a:focus")).to_have_text(str(order[1]))
    page.keyboard.press("Enter")
    heading(page, order[1])
    page.keyboard.press("n")
    heading(page, order[2])
    page.keyboard.press("ArrowRight")
    heading(page, order[3])
    page.keyboard.press("p")
    page.keyboard.press("ArrowLeft")
    heading(page, order[1])
    page.keyboard.press("n")
    heading(page, order[2])
    page.keyboard.press("u")
    expect(page.locator(f"{ROW} a:focus")).to_have_text(str(order[2]))
    page.keyboard.press("Enter")
    heading(page, order[2])
    page.keyboard.press("Escape")
    expect(page.locator(f"{ROW} a:focus")).to_have_text(str(order[2]))


def test_walking_down_scrolls(open_page, made):
    page = open_page(made.url())
    for _ in range(60):
        page.keyboard.press("j")
    focused = page.locator(f"{ROW} a:focus")
    expect(focused).to_have_text(str(made.index["latents"][59]))
    expect(focused).to_be_in_viewport()
    for _ in range(59):
        page.keyboard.press("k")
    expect(focused).to_have_text(str(made.index["latents"][0]))
    assert focused.evaluate(UNCOVERED)


def test_letters_in_the_search_field_are_text(open_page, site):
    page = open_page(site.url())
    page.keyboard.press("/")
    page.keyboard.type("jnu?/")
    expect(page.get_by_role("searchbox")).to_have_value("jnu?/")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_search_key_works_on_a_feature(open_page, site):
    page = open_page(site.url(f"#/{site.shown()}"))
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_the_keys_are_listed(open_page, site):
    page = open_page(site.url())
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next and previous feature")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_skip_link_leads_to_the_content(open_page, site):
    page = open_page(site.url(f"#/{site.shown()}"))
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    heading(page, site.shown())


# ---- Looks ----

def brightness(page: Page) -> float:
    """Of the page's background, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def test_the_theme_follows_the_system_until_it_is_chosen(open_page, site):
    page = open_page(site.url())
    assert brightness(page) > 200
    page.emulate_media(color_scheme="dark")
    assert brightness(page) < 60
    page.get_by_role("button", name="Light").click()
    assert brightness(page) > 200
    page.reload()
    page.wait_for_selector(ROW)
    assert brightness(page) > 200
    expect(page.get_by_role("button", name="Dark")).to_be_visible()


def test_storage_may_be_forbidden(open_page, made):
    forbid = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } })"
    page = open_page(made.url(), init=forbid)
    page.get_by_role("button", name="Dark").click()
    assert brightness(page) < 60


@pytest.mark.parametrize("hash", ["", *(f"#/{latent}" for latent in HARD.values()), "#/42"])
def test_a_phone_needs_no_sideways_scrolling(open_page, made, hash):
    page = open_page(made.url(hash), **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_phone_can_sort(open_page, site):
    page = open_page(site.url(), **PHONE)
    page.get_by_label("Sort").select_option("latent")
    assert latents(page)[0] == max(site.index["latents"])
    page.get_by_role("button", name="falling").tap()
    assert latents(page)[0] == min(site.index["latents"])


def test_filters_are_folded_on_a_phone_only(open_page, made):
    page = open_page(made.url(), **PHONE)
    expect(page.get_by_label("Kind")).to_be_hidden()
    page.get_by_text("Filters").tap()
    expect(page.get_by_label("Kind")).to_be_visible()
    page.get_by_text("Filters").tap()
    page.set_viewport_size({"width": 1000, "height": 700})
    expect(page.get_by_label("Kind")).to_be_visible()


def test_paper_has_no_controls_and_keeps_the_colours(open_page, site):
    page = open_page(site.url(f"#/{site.shown()}"), color_scheme="dark")
    page.emulate_media(media="print")
    for control in ["header.top", ".walk", ".save"]:
        expect(page.locator(control)).to_be_hidden()
    assert brightness(page) > 200
    expect(page.locator(".firing .tint").first).to_have_css("print-color-adjust", "exact")


def test_paper_has_the_first_rows_of_the_index(open_page, made):
    page = open_page(made.url())
    page.evaluate("addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('.rows .row').length; })")
    drawn = page.locator(ROW).count()
    page.pdf()
    assert page.evaluate("printed") == 200 > drawn
    expect(page.locator(ROW)).to_have_count(drawn)
    page.emulate_media(media="print")
    expect(page.locator(".bar form")).to_be_hidden()
    expect(page.get_by_text("The first 200 are printed.")).to_be_visible()


def serious(page: Page) -> list[tuple]:
    """What axe-core finds that keeps somebody out. It may not read the style sheet again: files are not fetched."""
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in violations
            if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page, site, scheme):
    page = open_page(site.url(), color_scheme=scheme)
    assert serious(page) == []
    page.goto(site.url(f"#/{site.shown()}"))
    page.wait_for_selector("article.feature")
    page.locator(".firing").first.focus()
    assert serious(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("case", ["hostile", "dead", "bare", "signed"])
def test_axe_finds_nothing_serious_in_hard_cases(open_page, made, case, scheme):
    assert serious(open_page(made.url(f"#/{HARD[case]}"), color_scheme=scheme)) == []


def test_axe_finds_what_is_wrong(open_page, made):
    page = open_page(made.url())
    page.evaluate("document.querySelector('.rule').style.color = '#bbb'")
    assert [rule for rule, _ in serious(page)] == ["color-contrast"]


# ---- Bad input ----

def test_hostile_tokens_are_text(open_page, made):
    """Nothing in them runs, makes an element, or turns the text around them."""
    page = open_page(made.url(f"#/{HARD['hostile']}"))
    chips = page.locator("section.tokens .chip")
    shown = chips.evaluate_all("(nodes) => nodes.map((node) => node.textContent)")
    expected = [row["text"] for row in made.feature(HARD["hostile"])["tokens"]["top"]]
    assert expected == HOSTILE
    assert shown == [seen(text) or "empty" for text in expected]
    assert page.locator("main script, main img, main [onerror], main [onmouseover]").count() == 0
    assert not UNSEEN.search(page.locator("main").evaluate("(node) => node.textContent"))
    for token in page.locator(".examples .firing").all():
        token.hover()
    assert page.evaluate("window.ran") is None


def test_hostile_tokens_are_text_in_the_index(open_page, made):
    page = open_page(made.url())
    search(page, "<script>")
    assert HARD["hostile"] in latents(page)
    expect(page.locator(ROW).first).to_contain_text(f"<script>{synthetic.PAYLOAD}</script>")
    assert page.locator("main script, main img").count() == 0
    assert page.evaluate("window.ran") is None


def test_scripts_in_the_page_are_refused(open_page, made, watch):
    """Should markup ever reach the page, the browser refuses to run it."""
    page = open_page(made.url())
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<button onclick=\"window.ran = true\">run</button>')")
    page.get_by_role("button", name="run").click()
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in error for error in watch.errors)
    watch.errors.clear()


def test_a_dead_feature_says_so(open_page, made):
    page = open_page(made.url(f"#/{HARD['dead']}"))
    expect(page.locator("h1 .flag")).to_have_text("dead")
    expect(page.locator("section.examples")).to_contain_text("never fired")
    expect(page.locator("section.histogram")).to_contain_text("never fired")
    assert page.locator("svg").count() == 0


def test_missing_sections_say_why(open_page, made):
    page = open_page(made.url(f"#/{HARD['bare']}"))
    expect(page.locator("section.logits")).to_contain_text(dict(made.index["missing"])["logits"])
    assert page.locator("section.logits li, section.tokens li, section.neighbours li").count() == 0


def test_an_empty_group_says_so(open_page, made):
    page = open_page(made.url(f"#/{HARD['sparse_groups']}"))
    expect(page.locator(".group").nth(2)).to_contain_text("None was drawn.")


def test_values_below_zero_have_another_hue(open_page, made):
    page = open_page(made.url(f"#/{HARD['signed']}"))
    colours = [page.locator(f".examples .token .{sign}").first.evaluate("(node) => getComputedStyle(node).getPropertyValue('--hue')")
               for sign in ("positive", "negative")]
    assert colours[0] != colours[1]
    page.locator(".examples .token:has(.negative)").first.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("−")


def test_a_store_without_tokens_shows_rows(open_page, made):
    page = open_page(made.url(f"#/{HARD['textless']}"))
    first = made.feature(HARD["textless"])["examples"]["top"][0]
    expect(page.locator("section.examples li").first).to_contain_text(f"row {first['sequence']}")


@pytest.mark.parametrize("latent, remedy", [(15, "Copy the whole folder"), (123456, "has no such latent")])
def test_a_missing_feature_file_is_named(open_page, watch, tmp_path, latent, remedy):
    synthetic.write_site(tmp_path / "site", features=20, pages=15)
    page = open_page((tmp_path / "site/index.html").as_uri() + f"#/{latent}")
    expect(page.get_by_role("alert")).to_contain_text(f"data/features/{latent}.js is missing")
    expect(page.get_by_role("alert")).to_contain_text(remedy)
    page.get_by_role("link", name="Index").click()
    expect(page.locator(ROW).first).to_be_visible()
    assert all("ERR_FILE_NOT_FOUND" in error for error in watch.errors)
    watch.errors.clear()


@pytest.mark.parametrize("text, message", [
    (None, "data/index.js is missing"),
    ("", "data/index.js is damaged"),
    ("saekit.index({'format': 'saekit-analysis', 'version': 2})", "of another version"),
])
def test_a_bad_index_is_named(open_page, watch, tmp_path, text, message):
    folder = tmp_path / "site"
    synthetic.write_site(folder, features=20, pages=20)
    (folder / "data/index.js").unlink()
    if text is not None:
        (folder / "data/index.js").write_text(text)
    page = open_page((folder / "index.html").as_uri())
    expect(page.get_by_role("alert")).to_contain_text(message)
    assert all("ERR_FILE_NOT_FOUND" in error for error in watch.errors)
    watch.errors.clear()


def test_only_files_are_read(open_page, site, watch):
    """What `open_page` asserts of every test sees requests at all."""
    page = open_page(site.url())
    page.locator(f"{ROW} .latent a").first.click()
    page.wait_for_selector("article.feature")
    read = {Path(url).name for url in watch.requests}
    assert {"index.html", "app.js", "style.css", "index.js", f"{site.index['latents'][0]}.js"} <= read
