"""What lies at a path that was given where something else belongs, and which option takes it."""

from __future__ import annotations

from pathlib import Path

_DESCRIPTION = "experiment.json"
_LISTS = (".csv", ".json")


def mistaken(text: str | Path, expected: str) -> str:
    """``mine.py is a Python file, not a data set: …`` of what is at ``text``, in one line; empty for nothing there."""
    path = Path(text)
    what, instead = (_folder if path.is_dir() else _file)(path)
    return f"{text} is {what}, not {expected}{f': {instead}' if instead else ''}" if what else ""


def _file(path: Path) -> tuple[str, str]:
    """What a file is and what to do with it; empty for none."""
    if not path.is_file():
        return "", ""
    if root := _above(path):
        return f"a file of the experiment {root.name}", _of_experiment(root)
    if path.suffix == ".py":
        return "a Python file", f"name a class in it with --strategies, --learner or --model, as in {path}:Mine"
    if path.suffix == ".npz":
        return "a file of data", f"write --dataset {path}"
    if path.suffix == ".toml":
        return "the file of a protocol", f"write --protocol {path}"
    if path.suffix in _LISTS:
        return f"a {path.suffix} file", "--replay takes one with lists of indices"
    return "a file", ""


def _folder(path: Path) -> tuple[str, str]:
    """What a folder is and what to do with it; empty for one without folders of its own."""
    if (path / _DESCRIPTION).is_file():
        return "the folder of an experiment", _of_experiment(path)
    if root := _above(path):
        return f"a folder of the experiment {root.name}", _of_experiment(root)
    if inside := sorted(found.parent for found in path.glob(f"*/{_DESCRIPTION}")):
        return "a folder of experiments", f"name one of them, such as {inside[0]}"
    return ("a folder", "--dataset takes one of images") if any(one.is_dir() for one in path.iterdir()) else ("", "")


def _above(path: Path) -> Path | None:
    """The folder of the experiment that a path lies in."""
    return next((folder for folder in path.parents if (folder / _DESCRIPTION).is_file()), None)


def _of_experiment(root: Path) -> str:
    return f"--report takes {root}, and --protocol {root / _DESCRIPTION}"
