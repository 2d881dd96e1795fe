"""No module beside benchmark.text escapes text, writes CSV, or makes a console of its own."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {"html", "shlex", "csv", "to_csv()", "to_html()", "to_latex()", "to_markdown()", "Console()"}


def names(source: str) -> set[str]:
    """The modules that a source imports, and with brackets the names of what it calls."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Call):
            called = node.func
            found.add(f"{called.attr if isinstance(called, ast.Attribute) else getattr(called, 'id', '')}()")
    return found


def test_text_leaves_the_suite_through_one_package() -> None:
    sources = [ROOT / "run_benchmark.py", *(ROOT / "benchmark").rglob("*.py"), *(ROOT / "strategies").rglob("*.py")]
    elsewhere = [path for path in sources if "text" not in path.relative_to(ROOT).parts]
    assert 200 < len(elsewhere) < len(sources)
    found = {str(path.relative_to(ROOT)): names(path.read_text(encoding="utf-8")) for path in elsewhere}
    assert {name: own & FORBIDDEN for name, own in found.items() if own & FORBIDDEN} == {}
