"""The spec language ``name[key=value,…]``, in which strategies, learners, models and features are written.

A value is

- a number (``5``, ``0.5``, ``1e-3``, ``-inf``), ``True``, ``False`` or ``None``;
- text in quotes with Python's escapes (``'a,b'``), or without where it holds no comma, bracket, parenthesis or leading
  quote and does not read as one of the above;
- a list ``[a,b]`` or a tuple ``(a,b)`` of values.

``preset=authors`` stands for the values that the class's ``presets`` give to some of its parameters; a parameter
written beside it wins. A name with a bracket, a leading quote or space at its ends is written in quotes as well.
``parse`` reads a spec and ``format_spec`` writes its canonical form; each canonical form reads back to the same name
and parameters.
"""

from __future__ import annotations

import ast
import copy
import difflib
import inspect
import math
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None}
_PLAIN = re.compile(r"[\w./:@%+*^~-]+")  # text that is printed without quotes
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_FILE = re.compile(r".*\.py:[^\W\d]\w*(?=\[|\Z)", re.DOTALL)  # file.py:Class
_WHOLE = re.compile(r"[+-]?[0-9][0-9_]*")
_LARGEST = 2**63 - 1  # of whole numbers
PRESET = "preset"  # the key in a bracket that names one
_DEEPEST = 20  # lists within lists
_NESTS: dict[type[list | tuple], tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")")}


class SpecError(ValueError):
    """A spec that cannot be read, or names what there is not; the message is one line that says what to change."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


def _short(text: str) -> str:
    """Text for a message: without its middle where it is long."""
    return text if len(text) <= 120 else f"{text[:80]}…{text[-30:]}"


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the parameters of ``name[key=value,…]``. Raises SpecError."""
    reader = _Reader(text)
    name = reader.name()
    parameters = reader.parameters()
    if reader.rest:
        way_out = ": write a space between names" if reader.next == "," else ""
        raise reader.error(f"nothing may follow the bracket, but '{_short(reader.rest)}' does{way_out}")
    return name, parameters


def parse_wrapper(text: str, wrapper: str) -> tuple[dict[str, Any], str]:
    """The wrapper's own parameters and the spec inside of ``wrapper:X`` or ``wrapper[key=value,…]:X``.

    The spec inside is empty where there is none. Raises SpecError.
    """
    reader = _Reader(text, len(wrapper))
    parameters = reader.parameters()
    if reader.rest and not reader.rest.startswith(":"):
        raise reader.error(f"after the bracket comes :X, the strategy that {wrapper} goes around")
    return parameters, reader.rest[1:]


def format_spec(name: str, parameters: Iterable[tuple[str, Any]] = ()) -> str:
    """The canonical form ``name[key=value,…]``, without a bracket where there are no parameters.

    Raises SpecError for a value that is no number, text, list or tuple.
    """
    bare = "[" not in name and name[:1] not in ("'", '"') and name == name.strip() and name.isprintable()
    inside = ",".join(f"{key}={_format(value, key)}" for key, value in parameters)
    return (name if bare else repr(name)) + (f"[{inside}]" if inside else "")


def changed_parameters(cls: type, name: str, parameters: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The parameters of a class that differ from their defaults, converted to the defaults' types, sorted by key.

    Beside a preset they are those that differ from the preset's values; a preset that changes nothing is left out.
    Raises SpecError, naming ``name``, for a preset or a parameter that the class does not have, or for one of another
    type.
    """
    defaults, presets = parameter_defaults(cls), presets_of(cls)
    known = [*defaults, *([PRESET] if presets else [])]
    for key in parameters:
        if key not in known:
            accepted = ", ".join(known) or "none"
            raise SpecError(f"'{name}' has no parameter '{key}'{nearest(key, known)} (it has: {accepted})")
    own = {key: value for key, value in parameters.items() if key in defaults}
    typed: dict[str, Any] = {key: _like(value, defaults[key], f"'{name}': {key}") for key, value in own.items()}
    settled = dict(defaults)
    if PRESET in parameters and PRESET not in defaults:
        preset = parameters[PRESET]
        if preset not in list(presets):
            near = nearest(str(preset), presets)
            raise SpecError(f"'{name}' has no preset '{preset}'{near} (it has: {', '.join(presets)})")
        settled |= presets[preset]
    changed = {key: value for key, value in typed.items() if value != settled[key]}
    if settled != defaults:
        changed[PRESET] = preset
    return tuple(sorted(changed.items()))


def presets_of(cls: type) -> Mapping[str, Mapping[str, Any]]:
    """The presets of a class, by name; empty for a class that takes part in the specs without any."""
    return getattr(cls, "presets", {})


def parameter_defaults(cls: type) -> dict[str, Any]:
    """A class's parameters with their defaults; of a wrapper its own, without those of the strategy inside."""
    accepted = inspect.signature(cls).parameters.items()
    return {key: p.default for key, p in accepted if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def arguments(cls: type, parameters: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """What ``changed_parameters`` returned for a class as keyword arguments, its preset written out.

    Lists are copied, so that no object can change those of the next.
    """
    own = dict(parameters)
    preset = presets_of(cls)[own.pop(PRESET)] if presets_of(cls) and PRESET in own else {}
    return copy.deepcopy({**preset, **own})


def nearest(name: str, known: Iterable[str]) -> str:
    """``: did you mean …?`` with the nearest known names, or nothing; or how several names are written apart."""
    if len(apart := [part for part in name.split(",") if part]) > 1:
        return f": write names apart, as in {' '.join(apart)}"
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    nearness = [difflib.SequenceMatcher(None, other, name).ratio() for other in close]
    close = [other for other, near in zip(close, nearness, strict=True) if near > nearness[0] - 0.05]
    return f": did you mean {' or '.join(close)}?" if close else ""


class _Reader:
    """Reads a spec from left to right; ``rest`` is what has not been read yet."""

    def __init__(self, text: str, position: int = 0) -> None:
        self.text, self.position = text, position

    @property
    def rest(self) -> str:
        return self.text[self.position :]

    @property
    def next(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.position : self.position + 1]

    def error(self, what: str) -> SpecError:
        return SpecError(f"'{_short(self.text)}': {what}")

    def name(self) -> str:
        if self.next in ("'", '"'):
            name = self._quoted()
            if self.rest and self.next != "[":
                raise self.error(f"only a bracket may follow the quoted name, not '{_short(self.rest)}'")
            return name
        of_file = _FILE.match(self.text, self.position)  # whose folders may have brackets in their names
        end = of_file.end() if of_file else self.text.find("[", self.position)
        begin, self.position = self.position, len(self.text) if end < 0 else end
        return self.text[begin : self.position]

    def parameters(self) -> dict[str, Any]:
        """What is in the bracket; nothing where there is none."""
        found: dict[str, Any] = {}
        if self.next != "[":
            return found
        self.position += 1
        while self._more("]"):
            begin = self.position
            key, equals, _ = re.split(r"([=,\]]|\Z)", self.rest, maxsplit=1)
            if equals != "=":
                item = re.split(r"[,\]]", self.text[begin:], maxsplit=1)[0].strip()
                if "]" not in self.rest:
                    raise self._not_closed()
                raise self.error(f"'{_short(item)}' is not key=value")
            self.position += len(key) + 1
            key = key.strip()
            if key in found:
                raise self.error(f"'{key}' is given twice")
            found[key] = self._value()
        return found

    def _more(self, closing: str) -> bool:
        """Go to the next item, past spaces and commas; False once past the ``closing`` bracket."""
        while self.next and (self.next.isspace() or self.next == ","):
            self.position += 1
        if not self.next:
            raise self._not_closed()
        if self.next != closing:
            if self.next in "])":
                raise self.error(f"'{self.next}' closes no bracket")
            return True
        self.position += 1
        return False

    def _value(self, depth: int = 0) -> Any:
        if depth > _DEEPEST:
            raise self.error(f"lists within lists go {_DEEPEST} deep at most")
        self._skip_spaces()
        value: Any
        for kind, (opening, closing) in _NESTS.items():
            if self.next == opening:
                self.position += 1
                items = []
                while self._more(closing):
                    items.append(self._value(depth + 1))
                value = kind(items)
                break
        else:
            value = self._quoted() if self.next in ("'", '"') else self._unquoted()
        self._skip_spaces()
        if self.next and self.next not in ",])":
            raise self.error(
                f"'{_short(self.rest)}' follows a value: write a comma between values, and quotes around text"
            )
        return value

    def _skip_spaces(self) -> None:
        while self.next.isspace():
            self.position += 1

    def _quoted(self) -> str:
        match = _QUOTED.match(self.text, self.position)
        if match is None:
            raise self.error(f"the quote {self.next} is not closed")
        self.position = match.end()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a backslash before another letter stands for itself
                return str(ast.literal_eval(match[0].replace("\n", "\\n")))
        except (ValueError, SyntaxError) as error:
            raise self.error(f"{_short(match[0])} is no text in quotes") from error

    def _unquoted(self) -> Any:
        text = re.split(r"[,\[\]()]", self.rest, maxsplit=1)[0]
        self.position += len(text)
        if self.next in ("[", "("):
            raise self.error(f"write text with a '{self.next}' in quotes")
        return self._plain(text.strip())

    def _plain(self, text: str) -> Any:
        value = _word(text)
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise self.error(f"whole numbers go up to {_LARGEST:,}; write a larger one as 1e20")
        if isinstance(value, float) and math.isnan(value):
            raise self.error("'nan' is no value; write it in quotes for the text")
        return value + 0.0 if isinstance(value, float) else value  # no negative zero, which is the same number

    def _not_closed(self) -> SpecError:
        return self.error("the bracket is not closed; write name[key=value,…]")


def _word(text: str) -> Any:
    """What text without quotes stands for: a number, a truth value, None, or itself."""
    if text in _WORDS:
        return _WORDS[text]
    if not text.isascii():
        return text
    if _WHOLE.fullmatch(text) and len(text) > 40:
        return _LARGEST + 1  # Python reads no more than 4,300 digits
    for read in (lambda text: int(text, 0), float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _format(value: Any, key: str) -> str:
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return str(int(value))
    if isinstance(value, float) and not math.isnan(value):
        return repr(float(value) + 0.0)
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and _word(value) == value
        return value if plain else repr(str(value))
    if isinstance(value, (list, tuple)):
        opening, closing = _NESTS[list if isinstance(value, list) else tuple]
        return opening + ",".join(_format(item, key) for item in value) + closing
    raise SpecError(f"{key}={value!r} cannot be written: a value is a number, text, or a list or tuple of values")


def _like(value: Any, default: Any, what: str) -> Any:
    """A value in its default's type, so that 2 and 2.0 are one spec. Raises SpecError where it cannot be."""
    if isinstance(default, bool) and value in (0, 1):
        return bool(value)
    if isinstance(default, (bool, int, float)) and (
        isinstance(default, bool) or isinstance(value, bool) or not isinstance(value, (int, float))
    ):
        raise SpecError(f"{what} must be a value like {default}, not {value!r}")
    if isinstance(default, float):
        return float(value)
    if isinstance(default, int) and isinstance(value, float):
        if not value.is_integer() or abs(value) > _LARGEST:
            raise SpecError(f"{what} must be a whole number like {default}, not {value!r}")
        return int(value)
    if isinstance(default, (list, tuple)) and isinstance(value, (list, tuple)):
        return list(value) if isinstance(default, list) else tuple(value)
    return value
