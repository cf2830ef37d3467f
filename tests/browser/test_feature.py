"""The page of a feature: its data, values of tokens, and its chart as a file."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from helpers import PHONE, ROW, heading, latents, search, seen
from playwright.sync_api import expect
from synthetic import HARD


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
        texts = shown.locator(".token").evaluate_all(
            "(nodes) => nodes.map((node) => node.textContent)"
        )
        parts = zip(example["texts"], example["values"], strict=True)
        assert texts == [seen(text) or ("◦" if value else "") for text, value in parts]
        assert shown.locator(".tint").count() == sum(value != 0 for value in example["values"])
        expect(shown.locator(".where")).to_contain_text(
            f"{example['sequence']} : {example['position']}"
        )
        if example["collapsed"]:
            expect(shown).to_contain_text(f"+{example['collapsed']:,} similar")
    assert page.locator(".group").count() == len(feature["examples"]["quantiles"])
    beyond = sum(feature["histogram"][side] > 0 for side in ("below", "above"))
    bins = len(feature["histogram"]["counts"])
    assert page.locator(".histogram .column").count() == bins + beyond
    expect(page.locator(".cofiring li a")).to_have_text(
        [str(other["latent"]) for other in feature["cofiring"]]
    )


def test_the_stronger_a_token_the_more_colour_it_has(open_page, site):
    latent = site.shown()
    feature = site.feature(latent)
    examples = feature["examples"]["quantiles"][-1]["examples"] + feature["examples"]["top"]
    values = [abs(value) for example in examples for value in example["values"] if value]
    page = open_page(site.url(f"#/{latent}"))
    tints = page.locator(".group:last-child .tint, section.examples li .tint").evaluate_all(
        "(nodes) => nodes.map((node) => [getComputedStyle(node).backgroundColor, node.closest('.group') !== null])"
    )
    tints.sort(key=lambda tint: not tint[1])
    opacity = [
        float(re.search(r"/ ([\d.]+)\)", colour)[1]) if "/" in colour else 1.0
        for colour, _ in tints
    ]
    shares = [min(1, value / feature["density"]["scale_end"]) for value in values]
    assert opacity == pytest.approx([0.12 + 0.88 * share for share in shares], abs=0.01)
    assert max(opacity) - min(opacity) > 0.1


def test_one_massive_value_flattens_neither_the_histogram_nor_the_colours(open_page, made):
    latent = HARD["massive"]
    feature = made.feature(latent)
    page = open_page(made.url(f"#/{latent}"))
    beyond = page.locator(".histogram .column.beyond")
    assert beyond.count() == 1
    expect(page.locator(".histogram svg")).to_have_attribute("aria-label", re.compile("1 firing beyond"))
    heights = page.locator(".histogram .column:not(.beyond)").evaluate_all(
        "(bars) => bars.map((bar) => Number(bar.getAttribute('height')))"
    )
    assert sum(height > 5 for height in heights) >= 5, "the bins are spread over the other values"
    assert page.locator("section.examples li .tint.beyond").count() == 1
    expect(page.locator(".legend")).to_contain_text("beyond, to 3000")
    second = page.locator("section.examples li").nth(1).locator(".firing .tint")
    strength = second.evaluate("(node) => Number(node.style.getPropertyValue('--strength'))")
    assert strength > 0.9, feature["examples"]["top"][1]["value"]


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
