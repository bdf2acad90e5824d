"""The page in a real browser, through the real server: every tab's main path, and wrong input beside its field."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from plantain.paths import ROOT, RUNS
from plantain.result import load_result
from plantain.summary import summarise

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SHIPPED = load_result(RUNS / "posebox")
CARD, HEAD = summarise(SHIPPED), summarise(SHIPPED, "head")
FIRST_VALUE = CARD.rows[1][1]  # "79 (15.5%)"
# A first click loads torch and diffusers; generous, since a machine that runs tests is busy.
LOADED = 120_000

if CHROMIUM is None and os.environ.get("PLANTAIN_REQUIRE_BROWSER"):
    raise RuntimeError("PLANTAIN_REQUIRE_BROWSER is set, but there is no chromium; install Debian's package chromium.")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; install it to click through the page")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """``python app.py`` in an empty folder, as a visitor of a fresh machine meets it."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PLANTAIN_MODEL": "posebox"}
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url, folder
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(server, browser):
    """The opened page; at the end, no script error and no request to another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    errors, hosts = [], set()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "//" in request.url else None)
    opened.goto(server[0], wait_until="domcontentloaded")
    opened.get_by_text("Blocks by max |t|").first.wait_for()
    yield opened
    context.close()
    assert errors == []
    assert hosts == {server[0].split("/")[2]}


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()


def shows(page, text, timeout=15_000):
    page.get_by_text(text).filter(visible=True).first.wait_for(timeout=timeout)


def upload(page, path):
    """Hand a file to the upload field; a second time if the page was still busy laying the field out."""
    from playwright.sync_api import TimeoutError

    field = page.locator("input[accept='.json, .csv']")
    field.set_input_files(path)
    try:
        shows(page, path.name)
    except TimeoutError:
        field.set_input_files(path)
        shows(page, path.name)


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option).click()


def test_results_are_there_at_first_paint_with_alternative_text(page):
    shows(page, FIRST_VALUE)
    alt = page.locator(f"img[alt*='{CARD.counts[0]} of 510 heads']")
    alt.wait_for()
    assert CARD.blocks[0].name in alt.get_attribute("alt")


def test_the_published_card_can_be_chosen(page):
    choose(page, "Run", "Model card")
    shows(page, "8,263 (50.6%)")
    shows(page, "per-head data were not released")


def test_counting_attention_heads_changes_the_table(page):
    page.get_by_text("Attention heads: the model's own").first.click()
    shows(page, HEAD.rows[1][1])


def test_downloads_parse_and_are_a_run_that_loads_again(page, tmp_path):
    for link in page.get_by_test_id("download-link").filter(visible=True).all():
        with page.expect_download() as started:
            link.click()
        started.value.save_as(tmp_path / started.value.suggested_filename)
    assert json.loads((tmp_path / "summary.json").read_text())["card"]["n_heads"] == 510
    assert len((tmp_path / "heads.csv").read_text().splitlines()) == 511
    assert (tmp_path / "overview.svg").read_bytes().startswith(b"<?xml")
    assert (load_result(tmp_path).mean_square == SHIPPED.mean_square).all()


def test_the_probe_runs_live_is_saved_and_appears_in_the_list(page, server):
    open_tab(page, "Run the probe")
    page.get_by_role("button", name="Run the probe").click()
    shows(page, "Done: 25 pairs", LOADED)
    shows(page, FIRST_VALUE)
    page.get_by_role("button", name="Save this run").click()
    shows(page, "Saved to")
    saved = list((Path(server[1]) / "runs").glob("*/run.json"))
    assert load_result(saved[0].parent).complete
    open_tab(page, "Results")
    page.get_by_label("Run", exact=True).click()
    page.get_by_role("option", name="saved here").wait_for()


def test_a_stopped_run_keeps_the_pairs_done(page):
    open_tab(page, "Run the probe")
    page.get_by_label("number input for Noise seeds").first.fill("16")
    page.get_by_role("button", name="Run the probe").click()
    shows(page, re.compile(r"Pair [1-9]\d* of 25"), LOADED)
    page.get_by_role("button", name="Stop, and keep").click()
    shows(page, "they are kept below", LOADED)
    page.get_by_text("Stop, and keep").and_(page.locator(":disabled")).wait_for()
    assert page.get_by_role("button", name="Run the probe").is_enabled()
    assert page.get_by_role("button", name="Save this run").is_enabled()


def test_a_run_stopped_at_once_can_be_run_again(page):
    open_tab(page, "Run the probe")
    page.get_by_label("number input for Noise seeds").first.fill("16")
    page.get_by_role("button", name="Run the probe").click()
    page.get_by_role("button", name="Stop, and keep").click(timeout=LOADED)  # waits until it can be pressed
    shows(page, re.compile("Stopped after [0-9]+"), LOADED)
    page.wait_for_timeout(1000)  # no late report may replace it
    shows(page, re.compile("Stopped after [0-9]+"))
    assert page.get_by_role("button", name="Run the probe").is_enabled()


def test_a_refused_run_leaves_the_last_one_standing_and_savable(page, tmp_path):
    (tmp_path / "long.csv").write_text("a,b\n" + "zyx " * 120 + ",a\nb,c\nd,e\n")
    open_tab(page, "Run the probe")
    page.get_by_role("button", name="Run the probe").click()
    shows(page, "Done: 25 pairs", LOADED)
    upload(page, tmp_path / "long.csv")
    page.get_by_role("button", name="Run the probe").click()
    shows(page, "Not run.", LOADED)
    shows(page, FIRST_VALUE)
    assert page.get_by_role("button", name="Save this run").is_enabled()


def test_a_run_deleted_meanwhile_is_a_sentence_and_no_old_numbers(page, server):
    folder = SHIPPED.save(Path(server[1]) / "runs" / "short-lived")
    page.reload(wait_until="domcontentloaded")
    page.get_by_label("Run", exact=True).click()
    option = page.get_by_role("option", name="short-lived")
    option.wait_for()
    shutil.rmtree(folder)
    option.click()
    shows(page, "There is no run 'saved here/short-lived' here any more")
    assert page.get_by_text(FIRST_VALUE).filter(visible=True).count() == 0


def test_comparing_with_the_card_counts_alike(page):
    page.get_by_text("Attention heads: the model's own").first.click()
    page.get_by_text("Compare with another run").click()
    choose(page, "Other run", "Model card")
    shows(page, "Counted: Card heads: 16 channels, MLP among them.")
    shows(page, "8,263 (50.6%)")
    shows(page, FIRST_VALUE)


def test_your_pair_shows_t_over_seeds_and_the_two_pictures(page):
    open_tab(page, "Your pair")
    page.get_by_role("button", name="Probe this pair").click()
    shows(page, "This is n = 1 in prompts", LOADED)
    shows(page, "Along the T-pose-to-expressive axis")
    picture = page.locator("img[alt*='draws: A tall thin robot in a red vest and blue jeans, leaping']")
    picture.wait_for(state="attached", timeout=LOADED)
    picture.evaluate("image => image.scrollIntoView()")  # it loads, and has a size, when it comes into view
    page.wait_for_function(
        "alt => [...document.images].find(i => i.alt.includes(alt)).naturalWidth == 128", arg="leaping"
    )


def test_your_pair_over_subjects(page):
    open_tab(page, "Your pair")
    page.get_by_label("Prompt A").fill("{subject} kneeling in a gym")
    page.get_by_label("Prompt B").fill("{subject} swimming in a gym")
    page.get_by_role("button", name="Probe this pair").click()
    shows(page, "t over 25 subjects", LOADED)
    shows(page, "swimming: such words change numbers")


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        ("", "a dog", "is empty"),
        ("a cat", "a cat", "Both prompts are the same"),
        ("word " * 10_000, "a dog", "has 10,000 words"),
        ("a cat", "\x07", "Prompt B holds a control character"),
        ("{Subject} sitting", "{Subject} standing", "the only placeholder is {subject}"),
        ("{subject} sitting", "a dog", "in both prompts or in neither"),
        ("zyx " * 120, "a dog", "reads at most 96"),
    ],
    ids=["empty", "identical", "10,000 words", "control", "placeholder", "half a placeholder", "too many tokens"],
)
def test_a_wrong_prompt_is_named_on_the_page(page, a, b, sentence):
    open_tab(page, "Your pair")
    page.get_by_label("Prompt A").fill(a)
    page.get_by_label("Prompt B").fill(b)
    page.get_by_role("button", name="Probe this pair").click()
    shows(page, sentence, LOADED)


@pytest.mark.parametrize(
    ("value", "sentence"), [("-1", "seed must be a whole number"), ("1.5", "Expected a whole number; got 1.5")]
)
@pytest.mark.parametrize("tab", ["Run the probe", "Your pair"])
def test_a_wrong_seed_is_named_beside_its_field(page, tab, value, sentence):
    open_tab(page, tab)
    page.get_by_label("First noise seed").filter(visible=True).fill(value)
    page.get_by_role("button", name="Run the probe" if tab == "Run the probe" else "Probe this pair").click()
    shows(page, sentence)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("pairs.csv", "x,y\n1,2\n", "needs the columns 'a' and 'b'"),
        ("pairs.csv", "a,b\na cat,a dog\n", "at least 3 pairs"),
        ("pairs.json", "{", "is not valid JSON"),
    ],
    ids=["columns", "one pair", "JSON"],
)
def test_a_wrong_file_is_named_beside_its_field(page, tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content)
    open_tab(page, "Run the probe")
    upload(page, tmp_path / name)
    page.get_by_role("button", name="Run the probe").click()
    shows(page, sentence, LOADED)


@pytest.mark.parametrize("tab", ["Results", "Run the probe", "Your pair"])
def test_nothing_scrolls_sideways_on_a_phone(page, tab):
    page.set_viewport_size({"width": 375, "height": 800})
    open_tab(page, tab)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
