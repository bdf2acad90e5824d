"""The house rules: imports run one way, heavy libraries stay where they belong, importing is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import plantain
from plantain.paths import ROOT

PACKAGE = ROOT / "plantain"
# A module may import only from those before it; a folder counts as one module.
ORDER = [
    "errors",
    "paths",
    "prompts",
    "heads",
    "stats",
    "pipeline",
    "noise",
    "posebox",
    "capture",
    "result",
    "results_repo",
    "probe",
    "estimate",
    "summary",
    "inference",
    "families",
    "factors",
    "controls",
    "comparison",
    "transfer",
    "stability",
    "audit",
    "dose",
    "curve",
    "picture",
    "drawing",
    "figures",
    "control_figures",
    "stability_figures",
    "dose_figures",
    "notes",
    "modelcard",
    "reproduce",
    "typed_pair",
    "report",
    "control_tables",
    "control_report",
    "cli_controls",
    "cli_checks",
    "cli",
    "__main__",
    "ui",
]
# Which modules may import a library at all, also inside functions.
ALLOWED = {
    "torch": {"pipeline", "posebox", "capture", "probe", "estimate"},
    "diffusers": {"pipeline", "noise", "posebox"},
    "transformers": {"posebox"},
    "gradio": {"ui"},
    "huggingface_hub": {"pipeline", "results_repo"},
    "spaces": set(),
    "matplotlib": {"picture", "drawing", "figures", "control_figures", "stability_figures", "dose_figures"},
}


def module_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_every_module_has_its_place_in_the_order():
    assert {module_of(path) for path in FILES} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    module = module_of(path)
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "plantain":
            continue
        target = parts[1]
        if target in ORDER and target != module:
            assert ORDER.index(target) < ORDER.index(module), f"{module} imports {target}, which comes after it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_stay_where_they_belong(path):
    for name in imports_of(path):
        library = name.split(".")[0]
        if library in ALLOWED:
            assert module_of(path) in ALLOWED[library], f"{path.name} imports {library}"


def test_importing_and_reading_a_run_loads_no_torch_and_prints_nothing():
    code = (
        "import sys, plantain; plantain.summarise(plantain.load_result(sys.argv[1]), n_flips=10);"
        "assert not {'torch', 'diffusers', 'transformers', 'gradio', 'matplotlib'} & set(sys.modules)"
    )
    run = ROOT / "assets" / "runs" / "posebox-random"
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", plantain.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(plantain, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'encode_pose'"):
        plantain.encode_pose  # noqa: B018


def test_no_file_is_too_large_for_a_space():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    files = [ROOT / name for name in tracked.split("\0") if name] or [
        p for p in ROOT.rglob("assets/**/*") if p.is_file()
    ]
    assert files
    assert max(path.stat().st_size for path in files if path.exists()) <= 10 * 1024**2


def test_modules_named_in_examples_are_there_without_an_import_of_their_own():
    code = "import plantain; print(plantain.summary.load_published().n_heads, plantain.pipeline.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "16320 plantain.pipeline\n"
