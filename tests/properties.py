"""What strangers send, and what must hold of it: ``PROPERTIES`` by name, each a strategy and a check of one case.

A check raises where something else than an InputError comes out, or more than ten times of what went in.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath

import gradio as gr
from hypothesis import strategies as st
from made_runs import dense_run, made_run, patch_study, prompts_of

from plantain.data import disk
from plantain.data.csv_file import SMALL_SET
from plantain.data.dense import load_dense
from plantain.data.patching import load_study
from plantain.data.prompts import load_prompts, parse_csv
from plantain.data.result import load_result, peek
from plantain.data.settings import ProbeConfig
from plantain.data.texts import visible
from plantain.errors import InputError
from plantain.paths import safe_name
from plantain.questions.counted import Counted, RunWithTwin
from plantain.questions.typed_pair import job
from plantain.report import notes
from plantain.report.command import shell_command
from plantain.ui import catalog, headline, limits, links, where
from plantain.ui.api import Endpoints
from plantain.ui.compare import compare
from plantain.ui.dense import dense_beside
from plantain.ui.engine import Engine
from plantain.ui.tabs.pair import _words_typed

# A set of a few bytes has names of its own: so much may come of however little.
ADDED = SMALL_SET

NASTY = [
    "",
    " ",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\\\x",
    "a\x00b",
    "\u202eabc",
    "\ud800",
    "👩‍🚒" * 20,
    "<script>alert(1)</script>",
    "![x](http://example.invalid/x.png)",
    "{subject}",
    "{x}",
    "x" * 5000,
    "no, " * 2000,
    "=1+1",
    "nan",
    "1e999",
    "shipped/posebox",
    "published",
    "dense_pose",
    "card",
    "head",
    "trained",
]
NUMBERS = [0, -1, 1, 2**31, 2**53, 2**63, 10**400, -(10**400), 0.5, 1e-320, 1e308, float("inf"), float("nan")]

texts = st.sampled_from(NASTY) | st.text(max_size=60)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NUMBERS) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)


def paths_of(tree, at=()):
    """The place of every value in parsed JSON."""
    yield at
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        yield from paths_of(child, (*at, key))


@st.composite
def mutated(draw, make_tree):
    """Parsed JSON with one or two places replaced, or gone."""
    tree = json.loads(json.dumps(make_tree()))
    for _ in range(draw(st.integers(1, 2))):
        places = [at for at in paths_of(tree) if at]
        *to, last = draw(st.sampled_from(places))
        holder = tree
        for key in to:
            holder = holder[key]
        if draw(st.integers(0, 4)):
            holder[last] = draw(values)
        else:
            del holder[last]
    return tree


# -- prompt sets -----------------------------------------------------------------------------------

rows = st.lists(st.lists(texts, max_size=6), max_size=8)


@st.composite
def csv_texts(draw):
    """Columns a and b as a rule, cells of anything; or any text at all."""
    kind = draw(st.integers(0, 11))
    if kind < 2:
        return draw(st.text(max_size=300))
    if kind == 2:  # many columns over many rows that have but one
        names = [draw(st.sampled_from(["", "{}", "t{}"])).format(i) for i in range(draw(st.integers(0, 3000)))]
        return ",".join(["a", "b", *names]) + "\n" + "x\n" * draw(st.integers(0, 10_000))
    header = ["a", "b", *draw(st.lists(texts, max_size=4))]
    quote = draw(st.booleans())

    def cell(text):
        return '"' + text.replace('"', '""') + '"' if quote else text

    return "\n".join(",".join(map(cell, row)) for row in [header, *draw(rows)]) * draw(st.integers(1, 3))


@st.composite
def csv_files(draw):
    """Bytes of a table that looks like one of a spreadsheet's, or that a reader may need long for."""
    heavy = [
        '"x,',
        '"',
        ",;\t|",
        "a,b\n",
        "\r",
        "\n",
        "x\0",
        "sep=;",
        "\u0301\u0323",
        "\u0f73",
        "\u200b",
        '"\n",',
        '""',
    ]
    separator = draw(st.sampled_from(",;\t|"))
    header = separator.join(draw(st.permutations(["A", " b ", *draw(st.lists(st.sampled_from(["", "id", "x"])))])))
    table = "\n".join(separator.join(row) for row in draw(rows))
    filler = draw(st.sampled_from(heavy)) * draw(st.sampled_from([0, 0, 1, 1000, 30_000]))
    parts = [draw(st.sampled_from(["", "\n\n", f"sep={separator}\n"])), header, "\n", table, filler]
    text = "".join(draw(st.permutations(parts)) if draw(st.booleans()) else parts)
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n", "\r"])))
    content = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])), "replace")
    return content[: draw(st.sampled_from([len(content), len(content) - 1, len(content) // 2]))]


def csv_file(content):
    with tempfile.TemporaryDirectory() as folder, suppress(InputError):
        path = Path(folder) / "given.csv"
        path.write_bytes(content)
        prompts = load_prompts(path)
        check_growth(prompts, len(content))
        assert len({(visible(pair.a), visible(pair.b)) for pair in prompts.pairs}) == len(prompts)
        assert all(visible(pair.a) != visible(pair.b) for pair in prompts.pairs)
        assert len(prompts.note) < 500


def check_growth(prompts, n_given):
    n_made = len(json.dumps(prompts.to_dict(), ensure_ascii=False, indent=1))  # as a run's description has it
    assert n_made <= 10 * n_given + ADDED, f"{n_made:,} characters of {n_given:,}"


def csv(text):
    with suppress(InputError):
        check_growth(parse_csv(text, "given"), len(text))


@cache
def shipped():
    return load_prompts("dense_pose").to_dict()


@st.composite
def large_sets(draw):
    """Little that stands for much: rules named again and again, lists within lists, pairs without end."""
    item = draw(st.sampled_from([1, "", [], {}, "\U0001f34c"]))
    tag = [item] * draw(st.integers(0, 20_000))
    for _ in range(draw(st.integers(0, 300))):
        tag = [tag]
    pairs = [{"a": "x", "b": "y"}] * draw(st.integers(1, 2000))
    rules = ["equal_words"] * draw(st.integers(0, 2000))
    return {"rules": rules, "pairs": [{"a": "x", "b": "y", "tag": tag}, *pairs]}


def prompt_json(tree):
    text = json.dumps(tree)
    with tempfile.TemporaryDirectory() as folder, suppress(InputError):
        path = Path(folder) / "given.json"
        path.write_text(text, encoding="utf-8")
        check_growth(load_prompts(path), len(text))


def set_name(name):
    with suppress(InputError):
        folder = safe_name(name)
        assert PurePosixPath(folder).parts == (folder,)
        assert folder not in (".", "..")
        assert not set(folder) & set('/\\:*?"<>|\x00\n')
        assert len(folder.encode()) <= 255


# -- saved runs ------------------------------------------------------------------------------------


@cache
def saved(kind):
    """A folder of a small saved run of a kind, and its description."""
    folder = Path(tempfile.mkdtemp(prefix="plantain-hostile-"))
    import numpy as np

    made = {
        "run": lambda: made_run(np.random.default_rng(0).normal(size=(4, 56))),
        "dense": lambda: dense_run(prompts_of(4)),
        "patch": lambda: patch_study(prompts_of(8)),
    }[kind]()
    made.save(folder)
    return folder


KINDS = {"run": (disk.PROBE, load_result), "dense": (disk.DENSE, load_dense), "patch": (disk.PATCH, load_study)}


def description(kind):
    return json.loads((saved(kind) / KINDS[kind][0].description).read_text(encoding="utf-8"))


def described(kind, tree):
    """A folder with a description that somebody wrote."""
    of, load = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(saved(kind), Path(folder) / "run"))
        (copy / of.description).write_text(json.dumps(tree), encoding="utf-8")
        with suppress(InputError):
            result = load(copy)
            if kind == "run":
                shown(result, copy)


def shown(result, folder):
    """What the page and the shell make of a run that has been read."""
    assert peek(folder).model == result.model
    notes.describe_run(result)
    notes.shared_subjects(result)
    shell_command(result)
    with suppress(InputError):
        both = RunWithTwin(Counted(result, "card", n_flips=10))
        assert "<script" not in headline.headline(both) + headline.card_table(both.run.chosen, result.prompts)


@st.composite
def tensor_bytes(draw):
    """The tensor file of a run, cut or with bytes replaced, most of them in its header; its digest is right."""
    (file,) = saved("run").glob("*.safetensors")
    content = bytearray(file.read_bytes())
    for _ in range(draw(st.integers(1, 6))):
        content[draw(st.integers(0, min(len(content), 300) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.sampled_from([len(content), 0, 7, 8, 100, len(content) - 1]))])


def tensors(content):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(saved("run"), Path(folder) / "run"))
        digest = hashlib.sha256(content).hexdigest()
        name = f"mean_square-{digest[:12]}.safetensors"
        (copy / name).write_bytes(content)
        told = description("run") | {"tensor_file": name, "tensor_sha256": digest}
        (copy / "run.json").write_text(json.dumps(told), encoding="utf-8")
        with suppress(InputError):
            shown(load_result(copy), copy)


# -- settings, links, endpoints, events ------------------------------------------------------------

SETTINGS = [*ProbeConfig().to_dict(), "noise_levels", "colour"]
LINKS = ["tab", "run", "other", "counting", "a", "b", "pair", "head", "weights", "seed", "seeds", "steps", "cause", "x"]


def settings(given):
    with suppress(InputError):
        assert ProbeConfig.from_dict(ProbeConfig.from_dict(given).to_dict())


def link(asked):
    found, problems = links.read(asked)
    assert set(found) <= set(LINKS)
    assert all("<script" not in problem and "<img" not in problem for problem in problems)


long_texts = st.builds(
    str.__mul__, st.sampled_from(["no, ", "a ", "x", "{subject} ", "not\u202e"]), st.integers(0, 50_000)
)


def typed(given):
    with suppress(InputError):
        prompts, _ = job(*given)
        assert len(prompts) in (1, 25)
    assert isinstance(_words_typed(*given[:2]), str)


def no_model(*given):
    raise InputError("There is no model here.")


def endpoint(given):
    name, arguments = given
    endpoints = Endpoints(Engine("posebox", no_model, None, no_model))
    with suppress(gr.Error):  # what the caller is told
        getattr(endpoints, name)(*arguments)


def event(given):
    """Private events, as anybody may send them: each answers with HTML, and none raises."""
    key, other, pair, head, weights, step = given
    assert isinstance(compare(key, other, weights, step), str)
    where.opened(key, pair, head)
    where._show(key, pair, head, weights, step)
    where._recolour(key, weights)
    for of in (limits.SEED, limits.STEPS, limits.RUN_SEEDS):
        with suppress(InputError):
            assert isinstance(of.check(pair, "pair"), int)
    for ask in (catalog.entry, dense_beside, catalog.is_untrained):
        with suppress(InputError):
            ask(key)


keys = st.sampled_from(["shipped/posebox", "shipped/posebox-untrained", "published"]) | values
_EVERY = {
    "a CSV text": (csv_texts(), csv),
    "a CSV file": (csv_files(), csv_file),
    "a prompt set": (values | mutated(shipped) | large_sets(), prompt_json),
    "the name of a set": (texts, set_name),
    "run.json": (mutated(lambda: description("run")), lambda tree: described("run", tree)),
    "dense.json": (mutated(lambda: description("dense")), lambda tree: described("dense", tree)),
    "patch.json": (mutated(lambda: description("patch")), lambda tree: described("patch", tree)),
    "a tensor file": (tensor_bytes(), tensors),
    "settings": (values | st.dictionaries(st.sampled_from(SETTINGS), values, max_size=4), settings),
    "a link": (st.dictionaries(st.sampled_from(LINKS), texts, max_size=6), link),
    "two typed prompts": (st.tuples(values | long_texts, values | long_texts, values, values), typed),
    "an endpoint": (
        st.one_of(
            st.tuples(st.just("run_probe"), st.tuples(values, values, values, values, values, values)),
            st.tuples(st.just("run_probe"), st.tuples(st.just("dense_pose"), csv_texts(), values)),
            st.tuples(st.just("probe_pair"), st.tuples(values, values, values, values)),
            st.tuples(st.just("results"), st.tuples(keys, values)),
        ),
        endpoint,
    ),
    "a private event": (st.tuples(keys, keys, values, values, values, values), event),
}


# -- no file is touched but in a folder of the case --------------------------------------------------

_written: list[str] = []
_watching = [False]


def _watch(event, arguments):
    """An audit hook: files that are opened to be written, outside temporary folders, and folders made there."""
    if not _watching[0] or event not in ("open", "os.mkdir", "os.rename"):
        return
    path = os.fspath(arguments[0]) if isinstance(arguments[0], (str, bytes, os.PathLike)) else ""
    path = path.decode(errors="replace") if isinstance(path, bytes) else path
    writes = event != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if path and writes and not path.startswith((tempfile.gettempdir() + os.sep, "/proc/", os.devnull)):
        _written.append(f"{event} {path}")


sys.addaudithook(_watch)


def watched(check):
    """The same check, which also fails where a file outside is written."""

    def run(case):
        _written.clear()
        _watching[0] = True
        try:
            check(case)
        finally:
            _watching[0] = False
        assert not _written, _written

    return run


PROPERTIES = {what: (strategy, watched(check)) for what, (strategy, check) in _EVERY.items()}
