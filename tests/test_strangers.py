"""A run that a stranger made, every text of it hostile: shown as text wherever it stands, and nothing runs."""

import re
import shutil
import zipfile

import numpy as np
import pytest
from browser import LOADED, open_drawer, open_page
from made_runs import PLANTED, dense_run, run_of

from plantain.data.prompts import PromptPair, PromptSet

EVIL = (
    "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'> ![x](http://evil.invalid/t.png) "
    "[in](javascript:window.ran=1) </svg><svg onload='window.ran=1'> \u202eright to left\u202c 👩‍🚒𝔘 </title> &amp; "
)


@pytest.fixture(scope="module")
def evil(server):
    """The key of such a run, saved where the page looks; dense runs of the same prompts lie in it."""
    folder = server[1] / "runs" / "stranger"
    pairs = tuple(
        PromptPair(f"p{i}", f"{EVIL}{i} standing", f"{EVIL}{i} leaping", {EVIL: EVIL, "subject": f"{EVIL}{i}"})
        for i in range(6)
    )
    said = dict.fromkeys(("title", "question", "label", "caveat"), EVIL)
    prompts = PromptSet(f"{EVIL}set", pairs, conditions=(f"{EVIL}A", f"{EVIL}B"), **said)
    rng = np.random.default_rng(0)
    values = 1 + 0.1 * rng.standard_normal((6, 2, 1, 1, PLANTED.n_runs))
    told = dict.fromkeys(("model", "revision", "device", "dtype", "started", "weights_fingerprint"), EVIL)
    told |= {"versions": {EVIL: EVIL}, "height": 96, "width": 64, "realised_sigmas": [1.0]}
    run_of(values**2, PLANTED, prompts, provenance=told).save(folder)
    dense = dense_run(prompts)
    dense.save(folder / "dense")
    yield "saved-here/stranger"
    shutil.rmtree(folder)


def test_every_text_of_a_strangers_run_is_shown_as_text(server, browser, evil, tmp_path):
    """``open_page`` fails where a script breaks or a request leaves for another host."""
    with open_page(browser, server[0], f"?run={evil}&other={evil}") as page:
        page.get_by_text("window.ran = 1").filter(visible=True).first.wait_for(timeout=LOADED)
        for drawer in ("Numbers", "Every block", "Every head", "Nulls", "How sure", "Reproduce this"):
            open_drawer(page, drawer)
            page.wait_for_timeout(300)
        page.wait_for_timeout(1000)
        assert page.evaluate("window.ran") is None
        assert page.locator("img[src*='evil'], img[src='x'], [onerror], [onload], a[href^='javascript']").count() == 0
        open_drawer(page, "Download")
        with page.expect_download(timeout=LOADED) as download:
            page.get_by_role("button", name="Download all").click()
        download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as files:
        names = files.namelist()
        assert all("/" not in name.strip("/") or ".." not in name for name in names)
        for name in names:
            if name.endswith(".svg"):
                text = files.read(name).decode()
                assert "<script" not in text
                assert "onerror=" not in text.replace("&quot;", "").replace("&lt;img src=x onerror=", "")
        for name in ("model_card.md", "report.md"):
            text = re.sub("`[^`\n]*`", "", files.read(name).decode())  # code is no markup
            assert "<script" not in text
            assert "<img" not in text
            assert not re.search(r"(?<!\\)\]\((http://evil|javascript)", text)


def test_the_compact_view_of_a_strangers_run_runs_nothing(server, browser, evil):
    with open_page(browser, server[0], f"?compact=1&run={evil}") as page:
        page.wait_for_timeout(1000)
        assert page.evaluate("window.ran") is None
        assert page.locator("img[src*='evil'], img[src='x'], [onerror], [onload]").count() == 0
