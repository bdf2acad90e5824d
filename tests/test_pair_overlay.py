"""*Where* of a typed pair: the shifts are the model's, the numbers are theirs, and another pair takes them away."""

import re
import threading
from html import escape
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from browser import LOADED, open_page, open_tab, shows
from PIL import Image
from pipelines import n_hooks

import plantain
from plantain.data.heads import HeadMap
from plantain.data.prompts import PromptPair, PromptSet
from plantain.model.text import call_arguments
from plantain.probe.shift import pair_shift
from plantain.ui import dense, pair_where
from plantain.ui.engine import Engine
from plantain.ui.tabs import pair as tab

PAIR = PromptPair("pair", "A nurse standing in a gym", "A nurse kneeling in a gym")
FLOAT32_ROUNDING = 1e-5  # of sums in another order, and of prompts that run alone
GROUP = "input[name=plantain-typed-head]"


# -- the probe -------------------------------------------------------------------------------------


def by_hand(pipe, pair, seed):
    """The same from forwards of one prompt each, whole activations kept, and NumPy."""
    sides = []
    for text in (pair.a, pair.b):
        kept, handles = [], []
        blocks = [*pipe.transformer.transformer_blocks, *pipe.transformer.single_transformer_blocks]
        for block in blocks:
            module = block.attn.to_out
            module = module[0] if isinstance(module, torch.nn.ModuleList) else module
            handles.append(module.register_forward_pre_hook(lambda _, x, kept=kept: kept.append(x[0][0].double())))
        try:
            generator = torch.Generator("cpu").manual_seed(seed)
            options = call_arguments(pipe) | {"num_inference_steps": 1, "guidance_scale": 1.0}
            pipe(prompt=text, generator=generator, output_type="latent", **options)
        finally:
            for handle in handles:
                handle.remove()
        sides.append(kept)
    head_map, options = HeadMap.from_transformer(pipe.transformer), call_arguments(pipe)
    step = 2 * pipe.vae_scale_factor
    rows, columns = options["height"] // step, options["width"] // step
    maps = []
    for a, b in zip(*sides, strict=True):
        apart = (b - a).numpy()[-rows * columns :]
        for head in range(head_map.n_attention_heads):
            own = apart[:, head * head_map.head_width : (head + 1) * head_map.head_width]
            maps.append(np.sqrt((own**2).sum(axis=1)).reshape(rows, columns))
    return np.stack(maps)


@pytest.mark.parametrize(("model", "seed"), [("posebox", 0), ("posebox", 3), ("odd_pipeline", 0)])
def test_a_pairs_shift_is_the_length_of_the_difference_of_two_lone_forwards(request, model, seed):
    pipe = request.getfixturevalue(model)
    found = pair_shift(pipe, PAIR, plantain.ProbeConfig(seed=seed, n_seeds=4))
    expected = by_hand(pipe, PAIR, seed)
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=10 * FLOAT32_ROUNDING * expected.max())
    assert n_hooks(pipe.transformer) == 0


def test_a_pairs_shift_is_what_the_cached_dense_run_kept(posebox):
    run = dense.dense_beside("shipped/posebox").family.trained
    found = pair_shift(posebox, run.prompts.pairs[7], plantain.ProbeConfig(seed=run.run.config.seed))
    kept = run.shift[:, 7].astype(np.float64) * run.shift_scale[:, 7, None, None]
    np.testing.assert_allclose(found, kept, rtol=0, atol=2e-3 * kept.max())  # kept as float16


def test_hooks_go_when_a_forward_fails(odd_pipeline):
    broken = odd_pipeline.transformer.single_transformer_blocks[-1].register_forward_hook(lambda *_: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            pair_shift(odd_pipeline, PAIR, plantain.ProbeConfig())
        assert n_hooks(odd_pipeline.transformer) == 1
    finally:
        broken.remove()


# -- what is said ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def maps(posebox):
    """Planted shifts: head 0 lies where the pictures differ, head 1 where they do not, head 2 nowhere."""
    *_, last = plantain.iter_probe(posebox, PromptSet("your pair", (PAIR,)), plantain.ProbeConfig())
    white = np.zeros((128, 128, 3), np.uint8)
    white[:16, 16:32] = 255  # the token of row 1, column 2
    shift = np.ones((75, 8, 8), np.float32)
    shift[0, 0, 1], shift[1, 5, 5], shift[2] = 64, 9, 0
    images = [Image.fromarray(pixels) for pixels in (np.zeros_like(white), white)]
    return pair_where.maps_of(last.result, PAIR, shift, images)


def test_a_sentence_says_where_and_how_it_matches_and_that_one_pair_has_no_null(maps):
    assert maps.difference[0, 1] == 1
    assert maps.difference.sum() == 1
    said = pair_where.sentence(maps, 0)
    assert "largest in row 1, column 2, and matches where the two drawn pictures differ with Pearson r = +1.00" in said
    assert pair_where.NO_NULL in said
    r = np.corrcoef(maps.shift[1].ravel(), maps.difference.ravel())[0, 1]
    assert maps.r[1] == pytest.approx(r)
    assert "the same under both prompts" in pair_where.sentence(maps, 2)
    assert maps.strongest == 0


def test_beside_it_stands_the_same_heads_place_in_the_cached_run(maps):
    t = dense.dense_beside("shipped/posebox").t["trained"]
    said = pair_where.sentence(maps, 1).replace("−", "-")
    assert f"Over the 25 pairs of dense_pose, cached, the same head has place t = {t[1]:+.1f}" in said


def test_cells_are_coloured_by_the_size_of_the_shift_and_none_is_dotted(maps):
    html = pair_where.heads_html(maps)
    depths = [int(depth) for depth in re.findall(r"--depth:(\d+)%", html)]
    np.testing.assert_allclose(depths, 100 * maps.sizes / maps.sizes.max(), atol=0.51)
    assert "passes" not in html
    assert "place t" not in html


def test_the_numbers_are_the_maps_and_prompts_are_escaped(maps):
    from dataclasses import replace

    drawn, tables = pair_where.shown(replace(maps, pair=replace(PAIR, a="a <b> cat")), 0)
    assert "a &lt;b&gt; cat" in drawn
    cells = [float(cell) for cell in re.findall(r'<td class="plantain-number">([\d.]+)</td>', tables)]
    cells = np.array(cells).reshape(2, 8, 9)[..., 1:]
    np.testing.assert_allclose(cells[0], maps.shift[0], atol=0.0051)
    np.testing.assert_allclose(cells[1], maps.difference, atol=0.0051)


def test_where_nothing_is_drawn_one_line_says_so():
    engine = Engine("acme/klein", lambda *_: iter(()), None, lambda texts: np.ones(len(texts)))
    with gr.Blocks() as page:
        tab.build(engine)
    shown = [str(getattr(block, "value", "")) for block in page.blocks.values()]
    assert any(escape(pair_where.NOT_OFFERED) in text for text in shown)


# -- in the browser --------------------------------------------------------------------------------


@pytest.fixture
def page(server, browser):
    with open_page(browser, server[0]) as opened:
        yield opened


def probed(page, a="A nurse standing in a gym", b="A nurse kneeling in a gym"):
    open_tab(page, "Your pair")
    page.get_by_label("Prompt A").fill(a)
    page.get_by_label("Prompt B").fill(b)
    page.get_by_role("button", name="Probe this pair").click()
    page.locator(GROUP).first.wait_for(state="attached", timeout=LOADED)


def said(page, text):
    page.locator(".plantain-where [role=status]").filter(has_text=text, visible=True).wait_for()


def test_a_typed_pair_is_laid_over_its_pictures_and_an_edit_greys_it(page):
    probed(page)
    said(page, "One pair gives no null")
    said(page, "place t =")
    alts = page.locator(".plantain-where:visible .plantain-map")
    assert alts.count() == 3
    assert "A nurse kneeling in a gym" in alts.nth(1).get_attribute("aria-label")
    assert alts.nth(0).locator("image").count() == 1
    page.locator(GROUP).nth(31).click()
    name = page.locator(GROUP).nth(31).get_attribute("aria-label").split(",")[0]
    said(page, name)
    page.get_by_role("button", name="The numbers of these maps").click()
    shows(page, f"Shift of {name}")
    assert page.locator(".plantain-stale").count() == 0
    page.get_by_label("Prompt B").fill("A nurse kneeling in a garden")
    page.locator(".plantain-stale .plantain-answer").wait_for(state="attached")
    said(page, "One pair gives no null")  # all of the answer stays, as what it is: another pair's


def test_a_refused_run_takes_it_away_and_the_next_one_brings_it_back(page):
    probed(page)
    page.get_by_label("Prompt A").fill("zyx " * 120)
    page.get_by_role("button", name="Probe this pair").click()
    shows(page, "reads at most 96", LOADED)
    page.locator(".plantain-stale .plantain-answer").wait_for(state="attached")
    page.locator(GROUP).first.wait_for(state="detached")
    probed(page)
    said(page, "One pair gives no null")


def test_a_prompt_edited_while_the_run_is_under_way_greys_what_comes_of_it(page):
    open_tab(page, "Your pair")
    page.get_by_label("Prompt A").fill("{subject} standing in a gym")
    page.get_by_label("Prompt B").fill("{subject} kneeling in a gym")
    page.get_by_role("button", name="Probe this pair").click()
    shows(page, re.compile("Pair [0-9]+ of 25"), LOADED)
    page.get_by_label("Prompt B").fill("{subject} kneeling in a garden")
    shows(page, "Done in", LOADED)
    page.locator("img[alt*='draws:']").first.wait_for(state="attached", timeout=LOADED)
    assert page.locator(".plantain-stale .plantain-answer img[alt*='draws:']").count() == 2


def test_the_keyboard_moves_from_head_to_head(page):
    probed(page)
    page.locator(f"{GROUP}:checked").focus()
    before = int(page.locator(f"{GROUP}:checked").get_attribute("value"))
    page.keyboard.press("ArrowLeft")
    name = page.locator(f"{GROUP}:checked").get_attribute("aria-label").split(",")[0]
    said(page, name)
    assert int(page.evaluate("document.activeElement.value")) == before - 3


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_scrolls_sideways(server, browser, width):
    with open_page(browser, server[0], width=width, dark=width == 375) as page:
        probed(page)
        said(page, "One pair gives no null")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_stopped_pair_gives_the_gpu_back_and_shows_nothing_of_itself():
    closed = []

    def probe(*_):
        try:
            yield SimpleNamespace(done=0, total=8, seconds_left=5.0, result=None)
            yield SimpleNamespace(done=1, total=8, seconds_left=5.0, result=None)
        finally:
            closed.append(True)

    engine = Engine("acme/klein", probe, None, lambda texts: np.ones(len(texts)))
    stopping = threading.Event()
    with gr.Blocks():
        answer = tab._Answer(engine, gr.Button())
    said = []
    for update in tab._run(engine, answer, stopping, "a cat", "a dog", 8, 0):
        said.append(update.get(answer.status, ""))
        if "about 5 s left" in said[-1]:
            stopping.set()
    assert "Stopped; nothing is kept" in said[-1]
    assert closed == [True]
    assert sum("left" in each for each in said) == 1


def test_an_edited_prompt_greys_what_was_found_and_a_new_run_brings_it_back(server, browser):
    with open_page(browser, server[0], "?tab=pair") as page:
        page.get_by_label("Prompt A").fill("A nurse kneeling, in a plain studio.")
        page.locator(".plantain-stale .plantain-answer").wait_for(state="attached")
        page.get_by_role("button", name="Probe this pair").click()
        page.locator("html:not(.plantain-stale) .plantain-answer").wait_for(state="attached")
        shows(page, re.compile("Its shift is [0-9.]+ times the median pose pair's"), LOADED)
