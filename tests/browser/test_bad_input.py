"""Tokens that try to be code, missing features and files, and what a page may reach."""

import pytest
import synthetic
from helpers import ROW, UNSEEN, latents, search, seen
from playwright.sync_api import expect
from synthetic import HARD, HOSTILE


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
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<button onclick=\"window.ran = true\">run</button>')"
    )
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
    colours = [
        page.locator(f".examples .token .{sign}").first.evaluate(
            "(node) => getComputedStyle(node).getPropertyValue('--hue')"
        )
        for sign in ("positive", "negative")
    ]
    assert colours[0] != colours[1]
    page.locator(".examples .token:has(.negative)").first.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("−")


def test_a_store_without_tokens_shows_rows(open_page, made):
    page = open_page(made.url(f"#/{HARD['textless']}"))
    first = made.feature(HARD["textless"])["examples"]["top"][0]
    expect(page.locator("section.examples li").first).to_contain_text(f"row {first['sequence']}")


@pytest.mark.parametrize(
    "latent, remedy", [(15, "Copy the whole folder"), (123456, "has no such latent")]
)
def test_a_missing_feature_file_is_named(open_page, watch, tmp_path, latent, remedy):
    synthetic.write_site(tmp_path / "site", features=20, pages=15)
    page = open_page((tmp_path / "site/index.html").as_uri() + f"#/{latent}")
    expect(page.get_by_role("alert")).to_contain_text(f"data/features/{latent}.js is missing")
    expect(page.get_by_role("alert")).to_contain_text(remedy)
    page.get_by_role("link", name="Index").click()
    expect(page.locator(ROW).first).to_be_visible()
    assert all("ERR_FILE_NOT_FOUND" in error for error in watch.errors)
    watch.errors.clear()


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "data/index.js is missing"),
        ("", "data/index.js is damaged"),
        ("saekit.index({'format': 'saekit-analysis', 'version': 2})", "of another version"),
    ],
)
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
    read = {url.removeprefix(site.folder.as_uri()) for url in watch.requests}
    written = {file.name for file in synthetic.ASSETS.iterdir()} - {"index.html"}
    assets = {f"/assets/{name}" for name in written}
    assert {
        "/index.html",
        "/data/index.js",
        f"/data/features/{site.index['latents'][0]}.js",
    } | assets <= read


def test_the_scripts_share_one_name(open_page, made):
    """Besides the browser's names the page has `saekit`, which shows what the scripts of data call."""
    page = open_page(made.url(), init="window.before = Object.getOwnPropertyNames(window)")
    added = "Object.getOwnPropertyNames(window).filter((name) => !before.includes(name))"
    assert sorted(page.evaluate(added)) == ["before", "saekit"]
    assert page.evaluate("Object.keys(saekit)") == ["index", "feature"]
