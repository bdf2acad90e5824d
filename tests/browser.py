"""The real server and a real browser, for every test that clicks through the page."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from contextlib import contextmanager
from functools import cache

from plantain.paths import ROOT

# The shell without a window first: it opens a page in half the processor time.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _BROWSERS)), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# A first click loads torch and diffusers; generous, since a machine that runs tests is busy.
LOADED = 120_000
# Pairs of no shipped set, for whatever rests neither on how many there are nor on what they say.
FEW_PAIRS = "a,b\n" + "".join(f"a {who} standing,a {who} leaping\n" for who in ("cat", "dog", "fox", "hen", "nurse"))
# Batches enough that a quick machine is not done before a slow browser stops it or opens the page anew.
N_MANY = 30
MANY_PAIRS = "a,b\n" + "".join(f"cat {i} standing,cat {i} leaping\n" for i in range(N_MANY))
BEYOND_A_BATCH = re.compile(f"Pair ([7-9]|[12][0-9]) of {N_MANY}")  # six pairs are a batch, and kept when it is done

if CHROMIUM is None and os.environ.get("PLANTAIN_REQUIRE_BROWSER"):
    raise RuntimeError("PLANTAIN_REQUIRE_BROWSER is set, but there is no chromium; install Debian's package chromium.")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, lives=lambda: True):
    """Until the page is served, at most a minute. ``lives()`` is True, or what the server said before it ended."""
    for _ in range(600):
        assert lives() is True, lives()
        try:
            return urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} was never served.")


@contextmanager
def serve(folder, host=None, **variables):
    """``python app.py`` with the embedded model, started in ``folder``, which it saves runs in; yields its address.

    No traceback is allowed.

    ``variables`` of its environment, beside this one's; None takes one away.
    """
    port = free_port()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PLANTAIN_MODEL": "posebox", **variables}
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port), "--runs", str(folder / "runs")]
    command += ["--host", host] if host else []
    log_path = folder / "server.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://{f'[{host}]' if host else '127.0.0.1'}:{port}/"
    try:
        wait_for(url, lambda: process.poll() is None or log_path.read_text())
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    assert "Traceback" not in log_path.read_text(), log_path.read_text()


@cache
def _profile(browser):
    """One for all pages, so that gradio's scripts are fetched and compiled once; what a visit is, each page knows."""
    context = browser.new_context(accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    return context


@contextmanager
def open_page(browser, url, query="", width=1280, height=900, dark=False, allowed=(), held=None):
    """The opened page; at the end: no script error, nothing red on the console, no request to another host.

    ``allowed``: parts of what may be red all the same. ``held``: a list for gradio's own scripts, which wait in
    it to be let through; else gradio is waited for.
    """
    page = _profile(browser).new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
    page.set_default_timeout(15_000)
    errors, hosts = [], set()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "//" in request.url else None)
    if held is not None:
        page.route("**/assets/index-*.js", lambda route: held.append(route))
    page.goto(url + query, wait_until="commit" if held is not None else "domcontentloaded")
    if held is None:
        arrived(page)
    try:
        yield page
    finally:
        page.close()
    # A field that refuses its value answers with 422, which the browser itself prints in red.
    assert [error for error in errors if not any(part in error for part in ("422", *allowed))] == []
    assert hosts == {url.split("/")[2]}


def arrived(page):
    """Wait until gradio has laid the page out, and what was shown before is gone."""
    page.locator(".plantain-claim, .plantain-compact h2").first.wait_for(state="attached")
    page.locator("#plantain-first").wait_for(state="detached")


def shows(page, text, timeout=15_000):
    page.get_by_text(text).filter(visible=True).first.wait_for(timeout=timeout)


def open_tab(page, name):
    """Click a tab; on a phone the last ones are behind gradio's "More tabs"."""
    tab = page.get_by_role("tab", name=name, exact=True)
    if not tab.count():
        page.get_by_role("button", name="More tabs").click()
        tab = page.locator(".overflow-dropdown").get_by_role("button", name=name, exact=True)
    tab.click()


def open_drawer(page, name):
    """Open a closed drawer by the beginning of its title."""
    page.get_by_role("button", name=re.compile(f"^{re.escape(name)}")).filter(visible=True).first.click()


def choose(page, label, option):
    page.get_by_label(label, exact=True).filter(visible=True).click()
    page.get_by_role("option", name=option).first.click()


def upload(page, path):
    """Hand a file to the upload field; again if the page was still busy laying the field out."""
    from playwright.sync_api import TimeoutError

    field = page.locator("input[accept*='.json']")
    for _ in range(3):
        if field.count():  # it goes once the page has a file
            field.set_input_files(path)
        try:
            # The row of a file that has arrived; its name as text is on its way there alone, for a moment.
            return page.get_by_label(path.name, exact=True).filter(visible=True).first.wait_for()
        except TimeoutError:
            continue
    raise AssertionError(f"The page never took {path.name}.")


def saved(page, name, folder):
    """Press a view's export, unpack what comes; the names of its files."""
    with page.expect_download(timeout=LOADED) as started:
        page.locator(f"#plantain-export-{name}").filter(visible=True).click()
    assert started.value.suggested_filename == f"{name}.zip"
    with zipfile.ZipFile(started.value.path()) as archive:
        archive.extractall(folder)
        return set(archive.namelist())
