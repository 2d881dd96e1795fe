"""Classes from elsewhere: ``module:Class``, ``file.py:Class``, and the entry points of installed packages.

They are strategies here; learners and networks are found by the same functions.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from strategies.api import Strategy
from strategies.api.registration import source_file
from strategies.registry import loading, sources
from strategies.registry.sources import Sources
from strategies.registry.specs import SpecError, nearest

ENTRY_POINTS = "acqbench.strategies"
T = TypeVar("T")


class UnknownStrategy(SpecError):
    """A strategy that cannot be found or built; the message is one line that says what to change."""


class Plugin(NamedTuple, Generic[T]):
    """A class from elsewhere.

    ``name`` is its module's full name with its own, for a class that is not registered under another; ``location`` is
    what another process finds it by, ``folder`` the one that it is imported from. ``source_sha256`` covers all local
    modules that it imports; None for a class of the suite.
    """

    cls: type[T]
    name: str
    location: str
    folder: str
    source_sha256: str | None

    def source(self, name: str) -> CodeSource:
        """As plain data, under the ``name`` that this process gives it."""
        return CodeSource(name, self.location, self.source_sha256)


def load(text: str, base: type[T], kind: str, error: type[SpecError] = SpecError) -> Plugin[T]:
    """The subclass of ``base`` that ``module:Class`` or ``file.py:Class`` names.

    Raises ``error``, in one line that begins with ``kind``, what such a class is called.
    """
    where, _, class_name = text.rpartition(":")
    what = f"{kind} '{text}'"
    if sources.is_own(where):
        module = _loaded(lambda: importlib.import_module(where), what, error)
        return Plugin(_class(vars(module), class_name, base, f"{what}: {where}", error), text, text, "", None)
    found = _loaded(lambda: _sources(where), what, error)
    if found is None:
        no_file = where.endswith(".py")
        raise error(
            f"{what}: {f'there is no file {where}' if no_file else f'{where} is not a module with a source file'}"
        )
    module = _loaded(lambda: loading.load(found), what, error)
    cls = _class(vars(module), class_name, base, f"{what}: {where}", error)
    return Plugin(cls, f"{found.main}:{class_name}", f"{found.reference}:{class_name}", str(found.root), found.sha256)


class CodeSource(NamedTuple):
    """A class from elsewhere as plain data: its name, where any process finds it, and its source's checksum."""

    name: str
    location: str
    sha256: str | None


def code_named(text: str, kind: str, error: type[SpecError] = SpecError) -> CodeSource | None:
    """What ``module:Class`` or ``file.py:Class`` names, by its source alone: nothing is imported.

    None for a module of the suite. Raises ``error``, in one line that begins with ``kind``, where there is no source.
    """
    where, _, class_name = text.rpartition(":")
    if sources.is_own(where):
        return None
    found = _loaded(lambda: _sources(where), f"{kind} '{text}'", error)
    if found is None:
        raise error(f"{kind} '{text}': there is no source at {where}")
    return CodeSource(f"{found.main}:{class_name}", f"{found.reference}:{class_name}", found.sha256)


class Loaded(Generic[T]):
    """The classes of one kind, such as learners, that this process has loaded from elsewhere, by name.

    Names are looked up here and imported nowhere else, so that a name read from a file runs no code.
    """

    def __init__(self, base: type[T], kind: str) -> None:
        self.base, self.kind = base, kind
        self._plugins: dict[str, Plugin[T]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._plugins

    def __getitem__(self, name: str) -> Plugin[T]:
        return self._plugins[name]

    def load(self, texts: Iterable[str]) -> list[str]:
        """Load the classes that a user names as ``module:Class`` or ``file.py:Class``; their names, all distinct.

        Raises SpecError with one line that says what to change.
        """
        plugins = [load(text, self.base, self.kind) for text in texts]
        names = distinct_names((plugin.name, plugin.folder, plugin.source_sha256) for plugin in plugins)
        for plugin in plugins:
            self._plugins[names[plugin.name, plugin.folder]] = plugin
        return [names[plugin.name, plugin.folder] for plugin in plugins]

    def code_named(self, text: str) -> CodeSource | None:
        """See ``code_named``."""
        return code_named(text, self.kind)

    def enter(self, source: CodeSource) -> None:
        """Load a class under the name that another process has given it.

        Raises SpecError where it cannot be had, or is not the one that was planned with.
        """
        plugin = load(source.location, self.base, self.kind)
        if plugin.source_sha256 != source.sha256:
            raise SpecError(f"the source of '{source.name}' has changed since the run was planned; run it again")
        self._plugins[source.name] = plugin


def entry_points() -> dict[str, str]:
    """The entry points' names, and their classes as ``module:Class``; nothing is imported."""
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def load_entry_point(name: str) -> Plugin[Strategy] | None:
    """The class of the entry point ``name``; None where there is none. Raises UnknownStrategy."""
    value = entry_points().get(name)
    if value is None:
        return None
    where, _, class_name = value.partition(":")
    what = f"strategy '{name}'"
    found = _loaded(lambda: sources.of_module(where) or _absent(where), what, UnknownStrategy)
    module = _loaded(lambda: loading.load(found), what, UnknownStrategy)
    cls = vars(module).get(class_name)
    if not (isinstance(cls, type) and issubclass(cls, Strategy)):
        raise UnknownStrategy(f"{what}: its entry point {value} is no Strategy class")
    return Plugin(cls, name, name, str(found.root), found.sha256)


def place(cls: type) -> str:
    """Where any process finds a registered class, as ``file.py:Class``; empty for the suite's own."""
    file = source_file(cls)
    return "" if file is None or sources.is_own(cls.__module__) else f"{file}:{cls.__qualname__}"


def distinct_names(plugins: Iterable[tuple[str, str, str | None]]) -> dict[tuple[str, str], str]:
    """For each ``(name, folder)`` a name that no other source has, from names, folders and sources' checksums.

    It is the name itself where one source claims it; else as much of the folder's path stands before it as tells the
    folders apart: ``a/mine:Mine`` and ``b/mine:Mine``. Raises SpecError where two in one folder claim it.
    """
    claims: dict[str, dict[str, str | None]] = {}
    for name, folder, sha256 in plugins:
        if claims.setdefault(name, {}).setdefault(folder, sha256) != sha256:
            raise SpecError(f"two classes in {folder} are named '{name}': give one of them another name")
    found = {}
    for name, by_folder in claims.items():
        folders = {folder: Path(folder).parts for folder in by_folder}
        depth = 0
        if len(set(by_folder.values())) > 1:
            depth = next(n for n in range(1, 99) if len({parts[-n:] for parts in folders.values()}) == len(folders))
        for folder, parts in folders.items():
            found[name, folder] = "/".join([*(parts[-depth:] if depth else ()), name])
    return found


def _sources(where: str) -> Sources | None:
    if not where.endswith(".py"):
        return sources.of_module(where) or (None if _imports(where) else _absent(where))
    return sources.of_file(Path(where)) if Path(where).is_file() else None


def _imports(name: str) -> bool:
    """Whether Python has a module of this name that is no source file, such as ``sys``."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _absent(name: str) -> Sources:
    raise ModuleNotFoundError(f"No module named '{name}'")


def _class(names: dict[str, object], name: str, base: type[T], what: str, error: type[SpecError]) -> type[T]:
    cls = names.get(name)
    if isinstance(cls, type) and issubclass(cls, base):
        return cls
    if isinstance(cls, type) and cls.__mro__[1] is not object:
        raise error(f"{what} has no {base.__name__} class '{name}', which is a {cls.__mro__[1].__name__} there")
    offered = [k for k, v in names.items() if isinstance(v, type) and issubclass(v, base) and v is not base]
    raise error(f"{what} has no {base.__name__} class '{name}'{nearest(name, offered)}")


def _loaded(load: Callable[[], T], what: str, error: type[SpecError]) -> T:
    """Run a plugin's import; whatever it raises becomes one line."""
    try:
        return load()
    except (Exception, SystemExit) as reason:
        text = f"{type(reason).__name__}: {reason}".replace("\n", " ")
        raise error(f"{what} does not import: {_public(text)}") from reason


def _public(text: str) -> str:
    """A message with the names that modules have in their own repository."""
    return re.sub(rf"{sources.PREFIX}[0-9a-f]{{16}}\.", "", text)
