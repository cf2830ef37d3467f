"""What the keyboard does."""

from helpers import ROW, UNCOVERED, heading, latents, switch_keys
from playwright.sync_api import expect


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


def test_shortcuts_of_a_single_character_can_be_turned_off(open_page, made):
    """WCAG 2.1.4. The other keys stay, the choice is kept, and it can be taken back."""
    order = made.index["latents"]
    page = open_page(made.url(f"#/{order[1]}"))
    switch_keys(page, on=False)
    assert page.locator("[aria-keyshortcuts]").count() == 0
    for again in [False, True]:
        for key in "npu/?":
            page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_hidden()
        heading(page, order[1])
        page.keyboard.press("ArrowRight")
        heading(page, order[2])
        page.keyboard.press("ArrowLeft")
        heading(page, order[1])
        if not again:
            page.reload()
            page.wait_for_selector("article.feature")
    page.keyboard.press("Escape")
    focused = page.locator(f"{ROW} a:focus")
    expect(focused).to_have_text(str(order[1]))
    for key in "jk/":
        page.keyboard.press(key)
    expect(focused).to_have_text(str(order[1]))
    page.keyboard.press("ArrowDown")
    expect(focused).to_have_text(str(order[2]))
    switch_keys(page, on=True)
    page.keyboard.press("j")
    expect(focused).to_have_text(str(order[3]))


def test_the_skip_link_leads_to_the_content(open_page, site):
    page = open_page(site.url(f"#/{site.shown()}"))
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    heading(page, site.shown())
