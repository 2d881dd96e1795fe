"""Names and groups of strategies, and the way from what a user types to an object.

A strategy is written ``name``, ``name[key=value,…]``, ``module:Class``, ``file.py:Class`` or the name of an
entry point in the group ``acqbench.strategies``; a group (``core``, ``uncertainty``, …, ``all``) stands for its
members.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from strategies.base import Strategy

ENTRY_POINTS = "acqbench.strategies"
_PLUGIN = "acqbench_plugin_"  # how the modules made of plugin files are called

_registered: dict[str, type[Strategy]] = {}
S = TypeVar("S", bound=type[Strategy])


class UnknownStrategy(ValueError):
    """A strategy that cannot be found or built; the message is one line that says what to change."""


def register(name: str, *, group: str | tuple[str, ...], paper: str = "") -> Callable[[S], S]:
    """Enter a strategy class under ``name``; ``group`` is one or more groups, ``paper`` a key of strategies.bib."""

    def enter(cls: S) -> S:
        if name in _registered and _source(_registered[name]) != _source(cls):
            raise ValueError(f"two strategies are named '{name}'")
        cls.name = name
        cls.groups = (group,) if isinstance(group, str) else tuple(group)
        cls.paper = paper
        cls.summary = (inspect.getdoc(cls) or "").split("\n")[0]
        _registered[name] = cls
        return cls

    return enter


@dataclass(frozen=True)
class Spec:
    """A strategy with its parameters. ``canonical`` identifies it in files: keys sorted, defaults left out."""

    cls: type[Strategy] = field(repr=False)
    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    location: str = ""  # where another process finds a plugin's class; empty for the suite's own
    source_sha256: str | None = None  # of a plugin's file

    @property
    def canonical(self) -> str:
        return self.name + self._bracket

    @property
    def reference(self) -> str:
        """What ``resolve`` turns into the same strategy in another process."""
        return (self.location or self.name) + self._bracket

    @property
    def _bracket(self) -> str:
        if not self.parameters:
            return ""
        return f"[{','.join(f'{key}={value}' for key, value in self.parameters)}]"

    def build(self) -> Strategy:
        return self.cls(**dict(self.parameters))


def names() -> tuple[str, ...]:
    """All registered names, in the order of registration."""
    return tuple(_registered)


def groups() -> tuple[str, ...]:
    """All group names, ``all`` first."""
    return ("all", *dict.fromkeys(group for cls in _registered.values() for group in cls.groups))


def members(group: str) -> tuple[str, ...]:
    """The strategies of a group; ``all`` is every strategy that does not cheat."""
    if group == "all":
        return tuple(name for name, cls in _registered.items() if "cheating" not in cls.groups)
    return tuple(name for name, cls in _registered.items() if group in cls.groups)


def expand(texts: Iterable[str]) -> list[tuple[Spec, bool]]:
    """What ``--strategies`` names, without repetition; True where a strategy was named itself, not by a group."""
    found: dict[str, tuple[Spec, bool]] = {}
    for text in texts:
        if text in groups():
            for name in members(text):
                spec = resolve(name)
                found.setdefault(spec.canonical, (spec, False))
        else:
            spec = resolve(text)
            found[spec.canonical] = (spec, True)
    return list(found.values())


def resolve(text: str) -> Spec:
    """The strategy that ``text`` names. Raises UnknownStrategy with one line that says what to change."""
    name, parameters = parse(text)
    if name in _registered:
        return _spec(_registered[name], name, parameters, *_origin(_registered[name]))
    if ":" in name:
        return _plugin(name, parameters)
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name):
        cls = _loaded(entry.load, text)
        return _spec(cls, name, parameters, name, _sha256(Path(inspect.getfile(cls))))
    raise UnknownStrategy(f"unknown strategy '{name}'{nearest(name, [*names(), *groups()])}; --list shows all")


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``name[key=value,…]``; values are Python literals, anything else is a string."""
    name, bracket, rest = text.partition("[")
    if not bracket:
        return name, {}
    if not rest.endswith("]"):
        raise UnknownStrategy(f"'{text}': the bracket is not closed; write name[key=value,…]")
    parameters: dict[str, Any] = {}
    for item in filter(None, rest[:-1].split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise UnknownStrategy(f"'{text}': '{item}' is not key=value")
        try:
            parameters[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            parameters[key.strip()] = {"true": True, "false": False}.get(value.strip(), value.strip())
    return name, parameters


def nearest(name: str, known: Iterable[str]) -> str:
    """``: did you mean …?`` with the nearest known names, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f": did you mean {' or '.join(close)}?" if close else ""


def _spec(
    cls: type[Strategy], name: str, parameters: dict[str, Any], location: str = "", sha256: str | None = None
) -> Spec:
    signature = inspect.signature(cls)
    defaults = {key: p.default for key, p in signature.parameters.items()}
    for key in parameters:
        if key not in defaults:
            accepted = ", ".join(defaults) or "none"
            raise UnknownStrategy(f"'{name}' has no parameter '{key}'{nearest(key, defaults)} (it has: {accepted})")
    typed = {key: _like(value, defaults[key], f"'{name}': {key}") for key, value in parameters.items()}
    given = tuple(sorted((key, value) for key, value in typed.items() if value != defaults[key]))
    spec = Spec(cls, name, given, location, sha256)
    try:
        spec.build()
    except Exception as error:  # whatever a plugin's constructor raises
        raise UnknownStrategy(f"'{spec.canonical}': {str(error) or type(error).__name__}") from error
    return spec


def _like(value: Any, default: Any, what: str) -> Any:
    """A value in its default's type, so that 2 and 2.0 are one strategy; a number or a truth value must be one."""
    numbers = (int, float)
    if isinstance(default, bool) and value in (0, 1):
        return bool(value)
    if isinstance(default, (bool, *numbers)) and (
        isinstance(default, bool) or isinstance(value, bool) or not isinstance(value, numbers)
    ):
        raise UnknownStrategy(f"{what} must be a value like {default}, not {value!r}")
    if isinstance(default, float):
        return float(value)
    return int(value) if isinstance(default, int) and value == int(value) else value


def _plugin(text: str, parameters: dict[str, Any]) -> Spec:
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
    if "name" not in cls.__dict__:
        cls.name = f"{path.stem}:{class_name}"
        cls.summary = (inspect.getdoc(cls) or "").split("\n")[0]
    elif cls.name in _registered and _registered[cls.name] is not cls:
        raise UnknownStrategy(f"strategy '{text}': the name '{cls.name}' is taken; give the class another")
    location = f"{path.resolve()}:{class_name}" if where.endswith(".py") else text
    return _spec(cls, cls.name, parameters, location, _sha256(path))


def _loaded(load: Callable[[], Any], text: str) -> Any:
    """Run a plugin's import; whatever it raises becomes one line."""
    try:
        return load()
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise UnknownStrategy(f"strategy '{text}' does not import: {reason}") from error


def _import_file(path: Path) -> ModuleType:
    name = f"{_PLUGIN}{_sha256(path)[:12]}_{path.stem}"
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


def _origin(cls: type) -> tuple[str, str | None]:
    """Where another process finds a registered class, and its source's SHA-256; nothing for the suite's own."""
    source = _source(cls)
    if source is None or cls.__module__.partition(".")[0] == __package__:
        return "", None
    where = source if cls.__module__.startswith(_PLUGIN) else cls.__module__
    return f"{where}:{cls.__qualname__}", _sha256(Path(source))


def _source(cls: type) -> str | None:
    """The file that defines a class; None in an interactive session."""
    return getattr(sys.modules.get(cls.__module__), "__file__", None)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
