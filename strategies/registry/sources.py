"""The modules of a user's own: found where Python would find them, and identified by their content.

A module named by a user and every local module that it imports, directly or through others, are its sources. Local is
what lies outside of Python's library, of site-packages and of this suite. Imports are read from the source, those in
functions included, so that the checksum is known before anything runs and does not depend on what has run. Not covered
are imports by a computed name, which are refused where they can be seen, and files that the code opens itself.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

PREFIX = "acqbench_plugin_"  # begins the names that the modules have in sys.modules
_OWN = ("benchmark", "run_benchmark", "strategies")
_ELSEWHERE = {*_OWN, "__main__", "torch", "torchvision", "numpy", *sys.builtin_module_names}  # never a user's own
_LIBRARY = ("site-packages", "dist-packages")


class Found(NamedTuple):
    """A module's file, None for a package without ``__init__.py``; and its folder, None for what is no package."""

    file: Path | None
    package: Path | None


class Source(NamedTuple):
    """A module of a user's own and what its file holds."""

    found: Found
    content: bytes


@dataclass(frozen=True)
class Sources:
    """The module ``main`` (its full name), found in the folder ``root``, with all local modules that it imports.

    ``modules`` has them by full name, packages on the way included.
    """

    root: Path
    main: str
    modules: dict[str, Source]

    @cached_property
    def sha256(self) -> str:
        """Of the names and contents of all modules, wherever their folders lie."""
        each = [(name, hashlib.sha256(source.content).hexdigest()) for name, source in sorted(self.modules.items())]
        return hashlib.sha256(repr(each).encode()).hexdigest()

    @property
    def reference(self) -> str:
        """What any process finds ``main`` by: its file, or its full name where packages have no ``__init__.py``."""
        file = self.modules[self.main].found.file
        assert file is not None
        return str(file) if _place(file) == (self.root, self.main) else self.main


def is_own(module: str) -> bool:
    """Whether the module of this name belongs to the suite."""
    return module.partition(".")[0] in _OWN


def of_file(file: Path) -> Sources:
    """The sources of a file. It is imported as in its own repository: from the folder above its outermost package."""
    return _followed(*_place(file), Found(file.resolve(), file.parent.resolve() if _is_init(file) else None))


def of_module(name: str) -> Sources | None:
    """The sources of a module by its full name, found on ``sys.path`` or in the current directory; None if absent.

    Raises ModuleNotFoundError where a module is found that has no source.
    """
    top = name.partition(".")[0]
    root = _folder_on_path(top) or Path.cwd()
    found = _find(root, name)
    if found is None:
        return None
    if found.file is None:
        raise ModuleNotFoundError(f"{name} is a folder")
    return _followed(root, name, found)


# --- which modules there are


def _place(file: Path) -> tuple[Path, str]:
    """The folder that a file is imported from, and its full name there."""
    file = file.resolve()
    parts = [] if _is_init(file) else [file.stem.replace(".", "_")]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _is_init(file: Path) -> bool:
    return file.name == "__init__.py"


def _find(folder: Path, name: str) -> Found | None:
    """The module ``name`` in a folder, or in the packages there."""
    *parents, last = name.split(".")
    folder = folder.joinpath(*parents)
    package = folder / last
    if (package / "__init__.py").is_file():
        return Found(package / "__init__.py", package)
    for suffix in (".py", *importlib.machinery.EXTENSION_SUFFIXES):
        if (file := folder / f"{last}{suffix}").is_file():
            return Found(file, None)
    return Found(None, package) if package.is_dir() else None


def _folder_on_path(top: str) -> Path | None:
    """The folder from which Python imports ``top``; None where it finds no file or package."""
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is not None:
        places = list(spec.submodule_search_locations)
        return Path(places[0]).resolve().parent if places else None
    return Path(spec.origin).resolve().parent if spec.has_location and spec.origin is not None else None


def _is_library(folder: Path) -> bool:
    """Whether a folder belongs to Python or to packages that were installed."""
    if any(part in _LIBRARY for part in folder.parts):
        return True
    return any(folder.is_relative_to(Path(sysconfig.get_path(key)).resolve()) for key in ("stdlib", "platstdlib"))


def local_folder(root: Path, main: str, top: str) -> Path | None:
    """The folder from which sources at ``root`` import the local module ``top``; None where it is not local."""
    if top == main.partition(".")[0]:
        return root
    if top in _ELSEWHERE or top.startswith(PREFIX):
        return None
    beside = None if _is_library(root) else _find(root, top)
    if beside is not None and beside.file is not None:
        return root
    folder = _folder_on_path(top)
    if folder is not None:
        return None if _is_library(folder) else folder
    return None if beside is None or importlib.util.find_spec(top) is not None else root


def local(root: Path, main: str, name: str) -> Found | None:
    """The local module ``name`` that sources at ``root`` import; None where it is not local, or absent."""
    folder = local_folder(root, main, name.partition(".")[0])
    return None if folder is None else _find(folder, name)


def _followed(root: Path, main: str, found: Found) -> Sources:
    """The sources of ``main``, which is ``found`` at ``root``."""
    modules: dict[str, Source] = {}
    seen: set[str] = set()
    waiting = [main]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        where = found if name == main else local(root, main, name)
        if where is None:
            continue
        if parent := name.rpartition(".")[0]:
            waiting.append(parent)
        content = b"" if where.file is None else where.file.read_bytes()
        modules[name] = Source(where, content)
        if where.file is not None and where.file.suffix == ".py":
            waiting += _imported(content, name if where.package is not None else parent)
    return Sources(root, main, modules)


def _imported(content: bytes, package: str) -> Iterator[str]:
    """The full names that a module of ``package`` may import, of modules or of what is in them."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):
        return  # its import will say so
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            kept = parts[: len(parts) + 1 - node.level] if node.level else []
            base = ".".join([*kept, *filter(None, [node.module])])
            if base:
                yield base
            yield from (".".join(filter(None, [base, alias.name])) for alias in node.names if alias.name != "*")
