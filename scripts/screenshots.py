"""Takes the pictures the documentation shows: python scripts/screenshots.py SITE [--out docs].

SITE is a folder that `saekit analyze` wrote. Chromium is Debian's, or what CHROMIUM names.
"""

import argparse
import os
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
VIEW = {"width": 1280, "height": 800}
LARGEST = 300_000


def shot(browser: Browser, url: str, ready: str, path: Path) -> None:
    """Saves what the window shows once the selector `ready` is there, at twice the density."""
    context = browser.new_context(viewport=VIEW, device_scale_factor=2, color_scheme="light")
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(ready)
    page.mouse.move(0, 0)
    page.screenshot(path=path)
    context.close()
    shrink(path)


def shrink(path: Path) -> None:
    """Keeps a picture below `LARGEST` bytes: fewer colours, then fewer pixels."""
    picture = Image.open(path).convert("RGB")
    for colours, scale in [(256, 1.0), (64, 1.0), (64, 0.75), (64, 0.5)]:
        size = (round(picture.width * scale), round(picture.height * scale))
        small = picture.resize(size, Image.Resampling.LANCZOS).quantize(colours, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        if path.stat().st_size < LARGEST:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes the pictures the documentation shows.")
    parser.add_argument("site", type=Path, help="folder that `saekit analyze` wrote")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--feature", type=int, help="latent to show; the first of the index by default")
    given = parser.parse_args()
    index = (given.site / "index.html").resolve()
    report = (given.site / "report.html").resolve()
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        latent = given.feature if given.feature is not None else first_latent(browser, index.as_uri())
        shot(browser, index.as_uri(), ".rows .row", given.out / "site-index.png")
        shot(browser, f"{index.as_uri()}#/{latent}", "article.feature", given.out / "site-feature.png")
        if report.exists():
            shot(browser, report.as_uri(), "body", given.out / "report.png")
        browser.close()


def first_latent(browser: Browser, url: str) -> int:
    """The number in the first row of the index."""
    page = browser.new_page()
    page.goto(url)
    latent = int(page.locator(".rows .row .latent a").first.inner_text())
    page.close()
    return latent


if __name__ == "__main__":
    main()
