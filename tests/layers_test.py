"""ARCHITECTURE.md: a module includes only what its row names, and the files it names exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_-]+)/', re.MULTILINE)
ROW = re.compile(r"^\| `([a-z-]+)` \| [^|]+ \|([^|]*)\|$", re.MULTILINE)


def allowed() -> dict[str, set[str]]:
    table = (ROOT / "ARCHITECTURE.md").read_text()
    return {name: set(re.findall(r"`([a-z-]+)`", names)) for name, names in ROW.findall(table)}


def modules() -> list[Path]:
    return sorted(path for path in (ROOT / "src").iterdir() if path.is_dir())


@pytest.mark.parametrize("module", modules(), ids=lambda path: path.name)
def test_includes_only_its_layers(module: Path) -> None:
    layers = allowed()
    assert module.name in layers, f"ARCHITECTURE.md has no row for src/{module.name}"
    permitted = layers[module.name] | {module.name}
    wrong = [
        f"{source.relative_to(ROOT)} includes {name}/"
        for source in sorted([*module.rglob("*.h"), *module.rglob("*.cc")])
        for name in INCLUDE.findall(source.read_text())
        if name not in permitted
    ]
    assert not wrong


def test_every_row_is_a_module() -> None:
    names = {path.name for path in modules()}
    assert set(allowed()) <= names | {"proto"}


def test_no_cycles() -> None:
    layers = allowed()
    done: list[str] = ["proto"]
    while len(done) < len(layers) + 1:
        ready = [name for name, uses in layers.items() if name not in done and uses <= set(done)]
        assert ready, f"a cycle among {sorted(set(layers) - set(done))}"
        done += ready


def test_the_walk_through_the_code_names_what_is_there() -> None:
    named = re.findall(r"`([a-z0-9_/-]+\.(?:cc|h))`", (ROOT / "ARCHITECTURE.md").read_text())
    assert len(named) > 20
    known = [path for folder in ("src", "guest") for path in (ROOT / folder).rglob("*.*")]
    assert not [name for name in named if not any(str(path).endswith("/" + name) for path in known)]
