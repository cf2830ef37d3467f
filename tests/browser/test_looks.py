"""Themes, phones, paper, and what keeps nobody out."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers import PHONE, ROW, brightness, latents, switch_keys
from playwright.sync_api import Page, expect
from synthetic import HARD


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
    switch_keys(page, on=False)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).not_to_be_focused()


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
    page.evaluate(
        "addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('.rows .row').length; })"
    )
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
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in violations
        if each["impact"] in ("serious", "critical")
    ]


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
