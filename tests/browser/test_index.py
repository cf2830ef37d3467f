"""The index: how soon it is there, what it lists, and what its address keeps."""

import re

import pytest
from helpers import ROW, UNCOVERED, a_word, count, found, latents, search, seen
from playwright.sync_api import expect

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
    search_times = page.evaluate(
        "['sea', 'kin', 'a', ''].map((text) => timed(() => searchFor(text)))"
    )
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


@pytest.mark.parametrize("column", ["legibility", "density", "max", "contextual", "latent"])
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
            if column != "legibility":
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
    kept = [
        site.index["latents"][place]
        for place in site.places()
        if not site.index["flags"][place] & bit
    ]
    assert count(page) == len(kept)
    assert latents(page)[:10] == kept[:10]


@pytest.mark.parametrize(
    "kind, keep", [("contextual", lambda score: score >= 0.5), ("token", lambda score: score < 0.5)]
)
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
