"""Loading the modules of a user's own apart from all others.

Each set of sources has modules of its own: two folders with a ``helper.py`` each do not meet in ``sys.modules``, and a
source that changes is loaded anew. What their ``import`` statements do is as in their own repository.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from strategies.api import process_state
from strategies.registry.sources import PREFIX, Sources, local, local_folder


def load(sources: Sources) -> ModuleType:
    """The module ``sources.main``, executed once for these sources. Raises whatever its import raises.

    And ProcessChanged where the import changes the state of the process.
    """
    key = hashlib.sha256(repr((str(sources.root), sources.main, sources.sha256)).encode()).hexdigest()
    package = f"{PREFIX}{key[:16]}"
    if package not in _SPACES:
        _SPACES[package] = _Space(package, sources)
        root = ModuleType(package, f"The modules of a user's own at {sources.root}.")
        root.__path__ = []
        sys.modules[package] = root
    try:
        with process_state.unchanged("it", "when it was imported"):
            return importlib.import_module(f"{package}.{sources.main}")
    except BaseException:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        del _SPACES[package]
        raise


class _Space:
    """The modules of one set of sources, which see one another first when they import."""

    def __init__(self, package: str, sources: Sources) -> None:
        self.package, self.sources = package, sources
        self.builtins = {**vars(builtins), "__import__": self._importer()}

    def _importer(self) -> Callable[..., Any]:
        """What an ``import`` in one of the modules does, in a function too, however late."""

        def find_and_load(
            name: str,
            globals: dict[str, Any] | None = None,
            locals: dict[str, Any] | None = None,
            fromlist: tuple[str, ...] | None = (),
            level: int = 0,
        ) -> Any:
            top = name.partition(".")[0]
            if level or not self._has(top):
                return builtins.__import__(name, globals, locals, fromlist or (), level)
            full = f"{self.package}.{name}"
            importlib.import_module(full)
            if not fromlist:
                return sys.modules[f"{self.package}.{top}"]
            return builtins.__import__(full, globals, locals, fromlist, 0)

        return find_and_load

    def _has(self, top: str) -> bool:
        mine = self.sources
        return top in mine.modules or local_folder(mine.root, mine.main, top) is not None

    def find(self, name: str) -> importlib.machinery.ModuleSpec | None:
        """How the module ``name`` is loaded; None where there is none. Raises ImportError for one not followed."""
        full, sources = f"{self.package}.{name}", self.sources
        source = sources.modules.get(name)
        if source is None:
            if local(sources.root, sources.main, name) is None:
                return None
            raise ImportError(
                f"'{name}' is imported in a way that its checksum cannot follow: write 'import {name}', and put its "
                "folder on PYTHONPATH rather than on sys.path"
            )
        (file, package), content = source
        places = None if package is None else [str(package)]
        if file is None:
            spec = importlib.machinery.ModuleSpec(full, None, is_package=True)
            spec.submodule_search_locations = places
            return spec
        loader: Any = importlib.machinery.ExtensionFileLoader(full, str(file))
        if file.suffix == ".py":
            loader = _Loader(full, file, content, self.builtins)
        return importlib.util.spec_from_file_location(full, file, loader=loader, submodule_search_locations=places)


class _Loader(importlib.machinery.SourceFileLoader):
    """Executes the content that was hashed; a compiled file of the same second could be another's."""

    def __init__(self, name: str, file: Path, content: bytes, names: dict[str, Any]) -> None:
        super().__init__(name, str(file))
        self._content, self._names = content, names

    def get_code(self, fullname: str) -> Any:
        return compile(self._content, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._names
        super().exec_module(module)


class _Finder:
    """Finds the modules of all spaces, in ``sys.meta_path``."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        package, _, name = fullname.partition(".")
        return _SPACES[package].find(name) if name and package in _SPACES else None


_SPACES: dict[str, _Space] = {}
sys.meta_path.insert(0, _Finder())
