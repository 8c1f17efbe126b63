"""Pages in a browser: what is typed is downloaded, and nothing is loaded.

Needs playwright (the extra ``browser``) and a Chromium: one on the path, one that
NEURALEIG_CHROMIUM names, or the one of ``playwright install chromium``.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from neuraleig.report import write_report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright, of the extra 'browser'"
)
pytestmark = pytest.mark.browser
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium(driver):
    """Path of a Chromium, or None."""
    given = os.environ.get("NEURALEIG_CHROMIUM")
    own = driver.chromium.executable_path
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    return found or (own if Path(own).is_file() else None)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        path = chromium(driver)
        if path is None:
            pytest.skip(
                "no Chromium is on the path; install one, set NEURALEIG_CHROMIUM, or "
                "run: playwright install chromium"
            )
        # Tests may run as root in a container, where its sandbox cannot be made.
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


class Watched:
    """A page, and what happened that should not."""

    def __init__(self, browser, path, failures=None, **context):
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.trouble = []
        self.page.on("console", lambda line: self.trouble.append(line.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("dialog", lambda dialog: self.trouble.append(dialog.message))
        self.page.on("request", self._note)
        if failures is not None:
            self.page.on("requestfailed", lambda r: failures.append((r.url, r.failure)))
        self.page.goto(path.as_uri())

    def _note(self, request):
        is_inside = request.url.startswith(("data:", "blob:"))
        if not is_inside and not request.is_navigation_request():
            self.trouble.append(request.url)

    def downloaded(self, act):
        """JSON that is downloaded when something is done."""
        with self.page.expect_download() as waiting:
            act()
        download = waiting.value
        assert download.suggested_filename == "names.json"
        return Path(download.path()).read_text(encoding="utf-8")


@pytest.fixture
def watch(browser):
    """Opener of a page in which nothing may go wrong."""
    opened = []

    def open_page(path, **context):
        opened.append(Watched(browser, path, **context))
        return opened[-1]

    yield open_page
    for one in opened:
        one.context.close()
    assert [one.trouble for one in opened] == [[] for _ in opened]


@pytest.fixture
def sheet(segmenter, pictures, tmp_path):
    """Page of clusters of which one has a name."""
    segmenter.name_clusters({2: "old"})
    return write_report(segmenter, pictures, tmp_path / "page.html")


def field(page, cluster):
    return page.get_by_label(f"Name of cluster {cluster}", exact=True)


def test_typed_names_are_read_back(watch, sheet, segmenter):
    watched = watch(sheet)
    page = watched.page
    assert field(page, 2).input_value() == "old"
    field(page, 0).fill(' "sky" </script> ')
    field(page, 1).fill("שלום 🙂")
    field(page, 2).fill("")
    button = page.get_by_role("button", name="Download names")
    text = watched.downloaded(button.click)
    names = json.loads(text)
    assert names == {"0": '"sky" </script>', "1": "שלום 🙂", "2": ""}
    segmenter.name_clusters({int(cluster): name for cluster, name in names.items()})
    assert segmenter.cluster_names_ == {0: '"sky" </script>', 1: "שלום 🙂"}


def test_the_download_is_what_segment_name_reads(watch, sheet, segmenter, tmp_path):
    import io

    from neuraleig import load, save
    from neuraleig.cli import main

    watched = watch(sheet)
    field(watched.page, 0).fill("wall")
    field(watched.page, 1).fill("wall")
    assert "wall: 0, 1" in watched.page.get_by_role("status").inner_text()
    button = watched.page.get_by_role("button", name="Download names")
    (tmp_path / "names.json").write_text(
        watched.downloaded(button.click), encoding="utf-8"
    )
    save(segmenter, tmp_path / "m")
    arguments = ["segment", "name", tmp_path / "m", "--names", tmp_path / "names.json"]
    assert main([*map(str, arguments), "--merge-equal"], io.StringIO()) == 0
    assert load(tmp_path / "m").cluster_names_ == {0: "wall", 1: "old"}


def test_names_that_nobody_touched_stay_as_they_are(
    watch, segmenter, pictures, tmp_path, hostile
):
    writable = [name for name in hostile if name.isprintable()]
    names = dict(enumerate(["two\nlines", *writable[:2]]))
    segmenter.name_clusters(names)
    path = write_report(segmenter, pictures, tmp_path / "page.html")
    watched = watch(path)
    button = watched.page.get_by_role("button", name="Download names")
    found = json.loads(watched.downloaded(button.click))
    assert {int(cluster): name for cluster, name in found.items()} == names


def test_the_keyboard_is_enough(watch, sheet):
    watched = watch(sheet)
    keyboard = watched.page.keyboard
    field(watched.page, 0).focus()
    for name in ("sky", "tree", "new"):
        keyboard.press("Control+A")
        keyboard.type(name)
        keyboard.press("Enter")
    focused = watched.page.evaluate("document.activeElement.textContent")
    assert focused == "Download names"
    found = json.loads(watched.downloaded(lambda: keyboard.press("Enter")))
    assert found == {"0": "sky", "1": "tree", "2": "new"}


def test_every_field_and_picture_has_a_name_for_screen_readers(watch, sheet):
    page = watch(sheet).page
    assert page.get_by_role("textbox").count() == 3
    for cluster in range(3):
        assert field(page, cluster).count() == 1
        assert page.get_by_role("article", name=f"Cluster {cluster}").count() == 1
    for image in page.locator("img").all():
        assert image.get_attribute("alt")
    assert page.get_by_role("main").count() == 1


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_their_window_and_follow_the_scheme(
    watch, clustering, hostile_frame, hostile, tmp_path, width, scheme
):
    path = write_report(
        clustering, hostile_frame.to_numpy(), tmp_path / "page.html",
        feature_names=hostile, title=hostile[9],
    )  # fmt: skip
    size = {"width": width, "height": 800}
    page = watch(path, viewport=size, color_scheme=scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('svg text')).fill]"
    )
    dark_paper = paper != "rgb(255, 255, 255)"
    assert dark_paper == (scheme == "dark")
    # The text of figures has the colour of that of the page.
    assert ink == page.evaluate("getComputedStyle(document.body).color")


def test_what_comes_from_data_cannot_run_or_load(watch, segmenter, pictures, tmp_path):
    path = write_report(segmenter, pictures, tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    # As if something had not been escaped: the policy holds it back.
    attack = '<img src="https://example.org/a.png"><script>document.title="x"</script>'
    (tmp_path / "attacked.html").write_text(
        text.replace("<main", f"{attack}<main"), encoding="utf-8"
    )
    failures = []
    watched = watch(tmp_path / "attacked.html", failures=failures)
    assert watched.page.title() == "DenseSegmenter"
    refusals = [line for line in watched.trouble if "Content Security Policy" in line]
    assert len(refusals) == 2
    assert failures == [("https://example.org/a.png", "csp")]
    watched.trouble.clear()


def test_a_printed_page_is_light(watch, sheet):
    page = watch(sheet, color_scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    assert not page.get_by_role("button", name="Download names").is_visible()
