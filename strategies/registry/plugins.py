"""Strategies from elsewhere: ``module:Class``, ``file.py:Class``, and the entry points of installed packages."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from strategies.api import Strategy
from strategies.api.registration import source_file
from strategies.registry.specs import SpecError, nearest

ENTRY_POINTS = "acqbench.strategies"
_FILE_MODULE = "acqbench_plugin_"  # begins the names of the modules made from plugin files


class UnknownStrategy(SpecError):
    """A strategy that cannot be found or built; the message is one line that says what to change."""


class Plugin(NamedTuple):
    """A strategy class from elsewhere.

    ``name`` is for a class that is not registered under one; ``location`` is what another process finds it by.
    """

    cls: type[Strategy]
    name: str
    location: str
    source_sha256: str


def load(text: str) -> Plugin:
    """The class that ``module:Class`` or ``file.py:Class`` names. Raises UnknownStrategy."""
    where, _, class_name = text.rpartition(":")
    path = Path(where)
    if path.suffix == ".py":
        if not path.is_file():
            raise UnknownStrategy(f"strategy '{text}': there is no file {path}")
        module = _loaded(lambda: _import_file(path), text)
    else:
        module = _loaded(lambda: _import_module(where), text)
        if getattr(module, "__file__", None) is None:
            raise UnknownStrategy(f"strategy '{text}': {where} is not a module with a source file")
        path = Path(inspect.getfile(module))
    cls = getattr(module, class_name, None)
    if not (isinstance(cls, type) and issubclass(cls, Strategy)):
        offered = [k for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, Strategy)]
        close = nearest(class_name, offered)
        raise UnknownStrategy(f"strategy '{text}': {where} has no Strategy class '{class_name}'{close}")
    location = f"{path.resolve()}:{class_name}" if where.endswith(".py") else text
    return Plugin(cls, f"{path.stem}:{class_name}", location, _sha256(path))


def entry_points() -> dict[str, str]:
    """The entry points' names, and their classes as ``module:Class``; nothing is imported."""
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def load_entry_point(name: str) -> Plugin | None:
    """The class of the entry point ``name``; None where there is none. Raises UnknownStrategy."""
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name):
        cls = _loaded(entry.load, name)
        if not (isinstance(cls, type) and issubclass(cls, Strategy)):
            raise UnknownStrategy(f"strategy '{name}': its entry point {entry.value} is no Strategy class")
        return Plugin(cls, name, name, _sha256(Path(inspect.getfile(cls))))
    return None


def origin(cls: type) -> tuple[str, str | None]:
    """Where another process finds a registered class, and its source's SHA-256; ``("", None)`` for the suite's own."""
    file = source_file(cls)
    if file is None or cls.__module__.partition(".")[0] == "strategies":
        return "", None
    where = file if cls.__module__.startswith(_FILE_MODULE) else cls.__module__
    return f"{where}:{cls.__qualname__}", _sha256(Path(file))


def _loaded(load: Callable[[], Any], text: str) -> Any:
    """Run a plugin's import; whatever it raises becomes one line."""
    try:
        return load()
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise UnknownStrategy(f"strategy '{text}' does not import: {reason}") from error


def _import_file(path: Path) -> ModuleType:
    name = f"{_FILE_MODULE}{_sha256(path)[:12]}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    return importlib.import_module(name)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
