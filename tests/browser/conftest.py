"""Chromium and the sites: a made-up one, a large one, and the one `SAEKIT_SITE` names, if it does.

Every page a test opens is watched: a console error, an exception or a request that leaves the disk
fails the test.
"""

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
import synthetic
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESKTOP = {"width": 1280, "height": 800}


@dataclass
class Site:
    """A site on disk, and what its data say, read without its code."""

    folder: Path

    def url(self, hash: str = "") -> str:
        return (self.folder / "index.html").as_uri() + hash

    @cached_property
    def index(self) -> dict:
        return self.data("data/index.js", "index")

    def feature(self, latent: int) -> dict:
        return self.data(f"data/features/{latent}.js", "feature")

    def data(self, path: str, name: str) -> dict:
        text = (self.folder / path).read_text(encoding="utf-8").strip().rstrip(";")
        return json.loads(text.removeprefix(f"saekit.{name}(").removesuffix(")"))

    def places(self) -> range:
        return range(len(self.index["latents"]))

    def shown(self) -> int:
        """The first latent of the index with an example to show."""
        return next(
            self.index["latents"][place] for place in self.places() if self.index["snippets"][place]
        )


@dataclass
class Watch:
    """What the pages of a test did that a test should know."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> Page:
        page.on("request", lambda request: self.requests.append(request.url))
        page.on(
            "console", lambda message: message.type == "error" and self.errors.append(message.text)
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Site:
    """The made-up site: 400 latents, the hard cases first."""
    folder = tmp_path_factory.mktemp("sites") / "made"
    synthetic.write_site(folder, features=400, pages=400)
    return Site(folder)


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> Site:
    """20,000 latents."""
    folder = tmp_path_factory.mktemp("sites") / "large"
    synthetic.write_site(folder, features=20_000, pages=20)
    return Site(folder)


REAL = os.environ.get("SAEKIT_SITE")


@pytest.fixture(scope="session", params=["made", "real"] if REAL else ["made"])
def site(request, made) -> Site:
    return made if request.param == "made" else Site(Path(REAL).resolve())


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def open_page(browser: Browser, watch: Watch):
    """Opens an address in a browser of its own; options are those of Playwright's contexts."""
    contexts = []

    def open_page(url: str, init: str | None = None, **options) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "color_scheme": "light", **options})
        contexts.append(context)
        page = watch.follow(context.new_page())
        page.set_default_timeout(10_000)
        if init:
            page.add_init_script(init)
        page.goto(url)
        page.wait_for_selector("h1#title")
        return page

    yield open_page
    for context in contexts:
        context.close()
    outside = [url for url in watch.requests if not url.startswith(("file:", "blob:", "data:"))]
    assert outside == []
    assert watch.errors == []
