"""The house rules: folders in one order, heavy libraries in place, importing cheap, nothing too long."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import plantain
from plantain.paths import ROOT

PACKAGE = ROOT / "plantain"
LEAVES = {"__init__", "__main__", "errors", "paths", "wording"}
# A folder imports only from those before it, and from the leaves; ``pose`` and ``stats`` know nothing of each other.
ORDER = ["stats", "pose", "data", "model", "probe", "posebox", "questions", "report", "cli", "ui"]
DOORS = {"cli", "ui"}  # beside app.py and the package's face: who may measure
ALLOWED = {
    "torch": {"model", "probe", "posebox"},
    "diffusers": {"model", "posebox"},
    "transformers": {"model", "posebox"},
    "accelerate": {"model", "probe"},
    "gradio": {"ui"},
    "huggingface_hub": {"model", "data"},
    "spaces": set(),
    "matplotlib": {"report"},
}
MAX_MODULE_LINES, MAX_FUNCTION_LINES = 350, 50
FILES = sorted(PACKAGE.rglob("*.py"))
TABLES_OF_DATA = {"posebox/world/places.py", "posebox/words/wordings.py"}


def module_of(path: Path) -> str:
    """plantain/ui/tabs/run.py -> ui.tabs.run; a package's ``__init__`` is the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__"


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    return module.split(".")[0]


def imports_of(path: Path) -> set[str]:
    """Full dotted names, also of imports inside functions; ``from a import b`` gives a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def arrows_of(module: str) -> set[str]:
    """The modules of plantain that a module imports."""
    found = set()
    for name in imports_of(MODULES[module]):
        parts = name.split(".")[1:]
        if name.split(".")[0] == "plantain":
            while parts and ".".join(parts) not in MODULES:
                parts.pop()
            found.add(".".join(parts) or "__init__")
    return found - {module}


def test_the_ground_floor_holds_the_leaves_and_at_most_ten_folders():
    assert {path.stem for path in PACKAGE.glob("*.py")} == LEAVES
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == set(ORDER)
    assert len(rooms) <= 10


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    for target in arrows_of(module):
        room, other = room_of(module), room_of(target)
        if other in ("errors", "paths", "wording") or room == other or room in ("__init__", "__main__"):
            continue
        if other == "__init__":  # the version, and nothing else, is read off the package's face
            names = {
                name for name in imports_of(MODULES[module]) if name.count(".") == 1 and name.startswith("plantain.")
            }
            assert names <= {"plantain.__version__", *(f"plantain.{name}" for name in ORDER)}, f"{module}: {names}"
            continue
        assert other in ORDER, f"{module} imports {target}"
        assert room in ORDER, f"{module} is a leaf and imports {target}"
        assert ORDER.index(other) < ORDER.index(room), f"{module} imports {target}, whose folder comes later"
        assert (room, other) not in {("pose", "stats"), ("ui", "cli")}, f"{module} imports {target}"


@pytest.mark.parametrize("room", ORDER)
def test_no_circle_inside_a_folder(room):
    left = {
        module: {t for t in arrows_of(module) if room_of(t) == room} for module in MODULES if room_of(module) == room
    }
    if room in left:  # a package's face may gather what lies in it
        face = left.pop(room)
        left = {module: targets - {room} for module, targets in left.items()}
        assert face <= set(left)
    while left:
        free = [module for module, targets in left.items() if not targets & set(left)]
        assert free, f"these import one another: {', '.join(left)}"
        for module in free:
            del left[module]


@pytest.mark.parametrize("module", MODULES)
def test_only_the_doors_measure(module):
    room = room_of(module)
    if room not in DOORS | {"probe", "__init__"}:
        assert not [target for target in arrows_of(module) if room_of(target) == "probe"], f"{module} measures"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_stay_where_they_belong(module):
    for name in imports_of(MODULES[module]):
        library = name.split(".")[0]
        if library in ALLOWED:
            typing_only = f"if TYPE_CHECKING:\n    import {library}\n" in MODULES[module].read_text(encoding="utf-8")
            assert room_of(module) in ALLOWED[library] or typing_only, f"{module} imports {library}"


@pytest.mark.parametrize("module", MODULES)
def test_no_module_and_no_function_is_too_long(module):
    path = MODULES[module]
    if path.relative_to(PACKAGE).as_posix() in TABLES_OF_DATA:
        return
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_MODULE_LINES, module
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            said = node.body[0] if ast.get_docstring(node) else None
            lines = node.end_lineno - node.lineno + 1 - (said.end_lineno - said.lineno + 1 if said else 0)
            assert lines <= MAX_FUNCTION_LINES, f"{module}.{node.name} has {lines} lines without its docstring"


def test_reading_and_reporting_a_run_loads_no_torch_and_prints_nothing(tmp_path):
    code = (
        "import sys, plantain; from plantain.report.files import write_report\n"
        "write_report(plantain.load_result(sys.argv[1]), sys.argv[2], n_flips=10)\n"
        "assert not {'torch', 'diffusers', 'transformers', 'gradio'} & set(sys.modules)"
    )
    run = ROOT / "assets" / "runs" / "posebox-random"
    command = [sys.executable, "-c", code, str(run), str(tmp_path / "report")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_page_opens_before_torch_and_whatever_draws_or_tests_is_imported(tmp_path):
    code = (
        "import sys, app; app.build(); "
        "assert not {'torch', 'diffusers', 'transformers', 'matplotlib', 'scipy.stats'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PLANTAIN_MODEL": ""}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_a_summary_loads_no_matplotlib():
    code = (
        "import sys, plantain; plantain.summarise(plantain.load_result(sys.argv[1]), n_flips=10);"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    run = ROOT / "assets" / "runs" / "posebox-random"
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", plantain.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(plantain, name).__doc__


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_its_job_in_its_first_line(module):
    said = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    assert said, module
    assert said.splitlines()[0].endswith((".", "?", "``")), f"{module}: {said.splitlines()[0]}"


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
