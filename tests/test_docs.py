"""README and docs: commands are understood and the quick ones run, code runs, links lead somewhere, numbers hold."""

import gzip
import importlib
import json
import re
import shlex
from dataclasses import replace
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pytest
from huggingface_hub import SpaceCardData
from huggingface_hub.repocard import RepoCard

import plantain
from plantain import cli
from plantain.cli.settings import config_of
from plantain.data.dataset import VARIABLE
from plantain.model.names import EMBEDDED_MODELS
from plantain.paths import ROOT, RUNS
from plantain.posebox import __main__ as posebox_cli
from plantain.questions.counted import Counted

README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
NOTEBOOK = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))

# A command line's parser and its main function, by how the docs call it.
PROGRAMS = {
    "python -m plantain": (cli.parser, cli.main),
    "python -m plantain.posebox": (posebox_cli.parser, posebox_cli.main),
}
# These run; the others take minutes, a GPU, a token or the Hub, and are only read.
QUICK = (
    "python -m plantain run --model posebox --prompts dense_pose --out runs/posebox",
    "python -m plantain report runs/posebox",
    'python -m plantain.posebox read "A tall robot kneeling on a green lawn, smiling"',
    "python -m plantain run --model posebox --prompts my_pairs.csv --out runs/my-pairs",
    "python -m plantain audit --prompts my_pairs.csv --model posebox",
    "python -m plantain dose runs/posebox --measure joints --grouping head --out runs/dose",
    "python -m plantain audit runs/posebox",
)


def blocks(kind):
    return [
        (name, block)
        for name, text in TEXTS.items()
        for block in re.findall(rf"^ *```{kind}\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    ]


LINES = [part for _, block in blocks("bash") for line in block.splitlines() for part in line.strip().split(" && ")]
INLINE = [c for text in TEXTS.values() for c in re.findall(r"`(python [^`]+)`", text) if "COMMAND" not in c]
PYTHON = [*blocks("python"), ("docs/notebook.ipynb", None)]


@pytest.fixture(scope="module")
def results(shipped_study, shipped_comparison):
    """The maker of docs/results.md; the cached runs are compared once for the whole suite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks" / "findings"))
        made = importlib.import_module("results")
        patch.setattr(made, "study", lambda: shipped_study)
        patch.setattr(made, "comparison", lambda: shipped_comparison)
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the quick commands have run, in order; it sees the shipped assets, and is not the project's."""
    path = tmp_path_factory.mktemp("docs")
    (path / "assets").symlink_to(ROOT / "assets")
    rows = "".join(f"a {who} standing,a {who} sitting\n" for who in ("cat", "dog", "fox"))
    (path / "my_pairs.csv").write_text("a,b\n" + rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for command in QUICK:
            words = shlex.split(command)
            _, main = PROGRAMS[" ".join(words[:3])]
            assert main(words[3:]) == 0, command
    return path


@pytest.fixture(scope="module")
def once(posebox):
    """Blocks share pipelines and what they probe alike: each is loaded, or run, once."""
    load, probe = plantain.load_pipeline, plantain.run_probe
    loaded, probed = {"posebox": posebox}, {}

    def load_once(name):
        loaded[name] = loaded.get(name) or load(name)
        return loaded[name]

    def probe_once(pipe, prompts, config):
        key = id(pipe), prompts.name, config
        probed[key] = probed.get(key) or probe(pipe, prompts, config)
        return probed[key]

    return {"load_pipeline": load_once, "run_probe": probe_once}


# -- size, front matter, links ---------------------------------------------------------------------


def test_the_readme_can_be_finished():
    body = TEXTS["README.md"].split("\n---\n", 1)[1]
    assert len(body.splitlines()) <= 200
    assert len(body.split()) <= 1600


def test_the_front_matter_is_a_valid_space():
    data = SpaceCardData(**RepoCard.load(README, ignore_metadata_errors=False).data.to_dict())
    assert (data.sdk, data.app_file, data.license) == ("gradio", "app.py", "apache-2.0")
    assert (ROOT / data.app_file).exists()
    assert len(data.to_dict()["short_description"]) <= 60
    assert "black-forest-labs/FLUX.2-klein-base-4B" in data.models


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in headings], target


# -- commands and code -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", dict.fromkeys([*LINES, *INLINE]))
def test_every_command_is_understood(command):
    words = shlex.split(command)
    if words[:2] == ["pip", "install"]:
        return
    if words[1] != "-m":
        assert (ROOT / words[1]).exists()
    elif words[2] == "benchmarks":
        assert all((ROOT / "benchmarks" / "speed" / f"{measure}.py").exists() for measure in words[3:])
    elif words[2] != "pytest":
        parser, _ = PROGRAMS[" ".join(words[:3])]
        parser().parse_args(words[3:])


def test_the_quick_commands_are_in_the_docs_and_do_what_they_say(folder):
    assert set(QUICK) <= set(LINES)
    for made in ("posebox/report/heads.csv", "posebox/report/model_card.md", "dose/dose.csv"):
        assert (folder / "runs" / made).exists()
    assert plantain.load_result(folder / "runs" / "my-pairs").complete


def test_the_space_is_told_by_the_names_the_code_reads():
    assert VARIABLE in TEXTS["docs/your-space.md"]
    assert {name for name in EMBEDDED_MODELS if f"`{name}`" in TEXTS["docs/posebox.md"]} == set(EMBEDDED_MODELS)


@pytest.mark.parametrize(("name", "code"), PYTHON, ids=lambda part: str(part)[-30:])
def test_the_code_runs_as_it_stands(name, code, folder, once, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for function, kept in once.items():
        monkeypatch.setattr(plantain, function, kept)
    cells = [code] if code else ["".join(c["source"]) for c in NOTEBOOK["cells"] if c["cell_type"] == "code"]
    names = {}
    for cell in cells:
        exec(compile(dedent(cell), name, "exec"), names)  # in a list it is indented
    printed = capsys.readouterr().out
    if "abs().max()" in cells[-1]:  # t from the CSV of differences, without this package
        assert float(printed) < 1e-4


def test_the_notebook_is_valid_and_bare():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        assert set(cell) >= {"cell_type", "id", "metadata", "source"}
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EMBEDDED_MODELS)
def test_the_shipped_runs_are_what_their_commands_make(name, folder):
    """``posebox`` by the command itself, of the others the first pairs."""
    shipped, prompts = plantain.load_result(RUNS / name), plantain.load_prompts("dense_pose")
    assert (shipped.model, shipped.complete, shipped.prompts) == (name, True, prompts)
    if name == "posebox":
        fresh = plantain.load_result(folder / "runs" / "posebox")
    else:
        pipe = plantain.load_pipeline(name, device="cpu")
        fresh = plantain.run_probe(pipe, replace(prompts, pairs=prompts.pairs[:4]))
    assert shipped.provenance["weights_fingerprint"] == fresh.provenance["weights_fingerprint"]
    # Another machine, thread count or torch rounds differently, in float32.
    np.testing.assert_allclose(fresh.mean_square, shipped.first(fresh.n_pairs).mean_square, rtol=1e-3, atol=1e-7)


def test_the_commands_of_the_shipped_runs_have_their_settings():
    made = [line for line in LINES if "--out assets/runs/" in line]
    assert len(made) == 7
    for line in made:
        options = PROGRAMS["python -m plantain"][0]().parse_args(shlex.split(line)[3:])
        folder = ROOT / options.out
        shipped = plantain.load_result(folder / "posebox" / "setting" if line.split()[3] == "controls" else folder)
        assert config_of(options) == shipped.config
        assert options.model == shipped.model


@pytest.mark.parametrize("name", [pytest.param("docs/results.md", marks=pytest.mark.slow), "README.md"])
def test_the_made_tables_are_what_the_runs_give(results, name):
    page = TEXTS[name]
    assert results.differences(page, results.make(page)) == []


def test_a_changed_number_is_seen(results):
    assert results.differences("269 of 510", "269 of 510.\n") == []
    assert results.differences("p = 0.001", "p = 0.030") != []
    assert results.differences("| 269 | 20 |", "| 259 | 20 |") != []
    assert results.differences("| −0.26 |", "| 0.26 |") != []
    assert results.differences("| 1 |", "| 1 | 2 |") != []


def test_the_numbers_of_the_readme_are_those_of_the_runs(results):
    text = " ".join(TEXTS["README.md"].split())
    own, report = "attention heads", results.comparison()
    setting = [report.selectivity(weights, "setting", own) for weights in report.weights]

    def counts(scope):
        return [report.count(weights, "dense_pose", scope).counts[0] for weights in report.weights]

    card, null = results.summary("posebox"), Counted(results.run("posebox")).card_null
    assert null.n_flips == 100_000
    for pattern, expected in {
        r"(\d+) of (\d+) card heads respond": (counts("card heads")[0], card.n_heads),
        r"99 % of 100,000 sign flips give at most (\d+)": (null.p99,),
        r"and (\d+) of its 75 attention heads": counts(own)[:1],
        r"it is (\d+) and (\d+), and": counts("card heads")[1:],
        r"and (\d+) and (\d+), in two draws": counts(own)[1:],
        r"its published card says ([\d.]+) %": (100 * results.load_published().shares[0],),
        r"(\d+) respond more to the place, (\d+) more to the pose": (setting[0].smaller, setting[0].larger),
        r"\(untrained (\d+) and (\d+) against (\d+) and (\d+)\)": (
            *(s.smaller for s in setting[1:]),
            *(s.larger for s in setting[1:]),
        ),
    }.items():
        (said,) = re.findall(pattern, text)
        assert [float(n) for n in ([said] if isinstance(said, str) else said)] == pytest.approx(expected, abs=2), said


def test_the_sentences_of_the_results_hold(results):
    """What docs/results.md says between its tables; it states no number there, so the test states none either."""
    report, own = results.comparison(), "attention heads"

    def counts(name, scope=own):
        trained, *untrained = (report.count(weights, name, scope).counts[0] for weights in report.weights)
        return SimpleNamespace(trained=trained, untrained=untrained)

    card, twin, chance = (results.summary(name) for name in results.MODELS)
    assert all(summary.counts[0] > summary.null_p99[0] for summary in (card, twin, chance))
    assert counts("dense_pose").trained < min(counts("dense_pose").untrained)
    mlp = counts("dense_pose", "single MLP")
    assert mlp.trained > 1.5 * max(mlp.untrained)
    for name in (*report.lexical, "remarks"):
        found = report.selectivity("trained", name, own)
        assert found.smaller == 0
        assert found.larger >= counts("dense_pose").trained - 2
    ps = {w: [report.count(w, "paraphrase", s).set_p[0] for s in (own, "card heads")] for w in report.weights}
    assert sum(p < 0.05 for both in ps.values() for p in both) == 1
    assert min(ps["trained"]) > 0.05
    for weights in report.weights:
        found = report.selectivity(weights, "setting", own)
        assert found.smaller > 2 * found.larger
        assert abs(report.set_correlation(weights, "dense_pose", "canonical")) < 0.3
        assert report.count(weights, "canonical", own).counts[0] > report.count(weights, "dense_pose", own).counts[0]
        assert results.carried().shares[weights, "paraphrase"].p > 0.1
    text = [report.survivors[weights, "joint text"][0] for weights in report.weights]
    assert text[0] > 0 == max(text[1:])
    assert counts("articulation").trained < min(counts("articulation").untrained)


def test_the_effect_of_single_heads_is_that_of_the_study(results):
    """Recomputed from the study's rows, without the question's own code."""
    studies = results.load_studies([RUNS / "patch"]).runs
    trained, grafted = studies["trained"], studies["grafted"]

    def singles(study):
        numbers = study.table.where(role="single", direction="sufficiency")
        y, others = (study.of(numbers, name).T for name in ("y_truth", "y_truth_others"))
        return y, plantain.stats.paired_t(y - others)

    (y, t), (_, t_grafted) = singles(trained), singles(grafted)
    moved = np.abs(y.mean(axis=0))
    ratio = np.median(trained.size_of("write").mean(axis=0) / grafted.size_of("write").mean(axis=0))
    for page in ("README.md", "docs/results.md"):
        text = " ".join(TEXTS[page].split())
        (said,) = re.findall(
            r"Patched one at a time, (\d+) of (\d+) heads .*?; (\d+) do the opposite .*? by ([\d.]+)% of the true "
            r"difference, the largest by ([\d.]+)%\. .*? write (\d+) times less .*?; (\d+) of them .*?, "
            r"(\d+) at t < −3",
            text,
        )
        *counts, median, largest, times, above, below = (float(n) for n in said)
        assert counts == [(t > 3).sum(), len(t), (t < -3).sum()]
        assert [above, below] == [(t_grafted > 3).sum(), (t_grafted < -3).sum()]
        assert [median, largest] == pytest.approx([100 * np.median(moved), 100 * moved.max()], rel=0, abs=0.05)
        assert times == pytest.approx(ratio, rel=0, abs=0.5)


RETIRED = (
    r"beyond every (twin|copy)",
    r"[Ll]earned by heads",
    r"(is|are) the heads?'s? own\b",
    r"the heads' own\.",
    r"stricter",
    r"tell poses they have never seen",
    r"99 % of sign flips give at most",
)
"""Claims that random projections, or more flips, have refuted."""


@pytest.mark.parametrize("phrase", RETIRED)
def test_no_refuted_claim_is_made_again(phrase):
    page = gzip.decompress((RUNS / "page.json.gz").read_bytes()).decode()
    sources = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "plantain").rglob("*.py")}
    for name, text in {**TEXTS, "notebook": json.dumps(NOTEBOOK), "page": page, **sources}.items():
        assert not re.search(phrase, " ".join(text.split())), name


def test_the_sentences_about_the_ladder_hold(results):
    """What docs/results.md and the README say of the rungs, without a number of their own."""
    found = results.ladder(results.family())

    def counts(name, scope="attention heads"):
        rung = {weights: r.count for weights, r in found.of(name, scope).items()}
        twins = [count for weights, count in rung.items() if weights not in ("trained", "grafted")]
        return SimpleNamespace(trained=rung["trained"], grafted=rung["grafted"], twins=max(twins))

    assert counts("respond").twins > counts("respond").trained
    for name in ("place", "place_sided"):
        place = counts(name)
        assert 20 * place.twins < place.trained
        assert place.trained / 2 < place.grafted < place.trained
        assert min(found.projected(name)) > place.trained
    assert counts("code").trained <= max(counts("code").twins, counts("code").grafted)
    deformation = counts("deformation")
    assert deformation.twins == 0
    assert deformation.grafted < deformation.trained < min(found.projected("deformation"))
    for name in ("place", "place_sided", "deformation"):
        assert found.verdict(name).startswith("true of the model, not of its heads")
    specific = results.specificity(results.load_sets([RUNS / "dense"]))
    pose_alone, _, both, _ = specific.of("place")["setting"].counts
    assert both > pose_alone > 0
    clothed = specific.of("deformation_beyond")["body_clothing"]
    assert clothed.counts[2] > clothed.expected_both
    assert specific.of("deformation_beyond", weights="untrained 0")["body_clothing"].counts[:3] == (0, 0, 0)
