#!/usr/bin/env python3
"""Convert results of format 1, which version 0.1.0 wrote, to format 2.

    python tools/convert_format_1.py results/mnist results/cifar10      # folders of experiments, or one above them

Converts the lines of runs, their traces and experiment.json, each file atomically; a file of format 2 is left as it is,
so the command can be repeated after an interruption. Every converted file is converted back before it replaces the
old one, and must give the old JSON values line by line: nothing is lost. Stop all runs in these folders beforehand.

What format 1 did not record is "unknown" (CPU capability, threads, the features' seed); what it did not have is null
(calibration seconds). All its strategies and learners are of version 1: that of 0.2 gave the same lines where they
still have it. The manifest follows from the data's recorded checksum where that is one of MANIFESTS, and is unknown
otherwise. This file alone knows format 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
UNKNOWN = "unknown"
MANIFESTS = {  # SHA-256 of the data behind the results published with version 0.1.0: that of their manifest
    "81b5b7068b487449d7b931d1a017285f103d3a0a4db56f3de6ac0bd9b268bdb3": (  # MNIST
        "b66a41eec2b0a57491f4f711ab7da1a64964fc53c855a0e910da5ac3d652e931"
    ),
    "109241bc7d4cf339f943103fa7fb712896dad0cbeb8cac39e2998741714ea15c": (  # CIFAR-10
        "5edaa75c49335f2f36b8d15c528eb2f268670220c2d8c7c5e8119de0a1a783f1"
    ),
}
INITIAL = {"indices": "acquired_indices", "answers": "acquired_labels", "held_out": "held_out_indices"}
ROUND = {  # old name: new name, in the new order
    "round": "round",
    "labels": "num_labelled",
    "accuracy": "accuracy",
    "nll": "nll",
    "ece": "ece",
    "bins": "bins",
    "class_accuracy": "class_accuracy",
    "late": "checkpoint_accuracies",
    "seconds": "seconds",
    "shared": "shared_training",
    "bought": "acquired_indices",
    "answers": "acquired_labels",
    "held_out": "held_out_indices",
    "diagnostics": "diagnostics",
}
HEADER = {"experiment", "fingerprint", "commit"}  # fields of the same name
MOVED = {"kind", "format", "strategy", "learner", "seed", "engine", "versions", "device", "dataset", "plugin_sha256"}
OPTIONAL = {"cheating"}


class ConversionError(Exception):
    """A file that cannot be converted without loss; the message is one line."""


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folders", nargs="+", type=Path, help="folders that hold experiment.json, or folders of such")
    counts: Counter[str] = Counter()
    try:
        for folder in p.parse_args().folders:
            counts += convert_folder(folder)
    except (ConversionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for what, count in sorted(counts.items()):
        print(f"{count:8} {what}")
    print("every converted file gives the old values when it is converted back" if counts else "nothing to convert")
    return 0


def convert_folder(folder: Path) -> Counter[str]:
    """Convert all experiments in ``folder`` or below it; what was done, by kind."""
    counts: Counter[str] = Counter()
    descriptions = sorted(folder.rglob("experiment.json"))
    if not descriptions:
        raise ConversionError(f"{folder} holds no experiment: there is no experiment.json in it")
    for description in descriptions:
        for path in sorted(description.parent.glob("runs/*/*.jsonl")):
            if path.name.endswith(".epochs.jsonl"):
                counts += convert_traces(path)
            else:
                counts += convert_run(path)
        counts += convert_description(description)
    return counts


# --- a run


def convert_run(path: Path) -> Counter[str]:
    """Convert a run's lines; the numbers of files, rounds and values."""
    old = _lines(path)
    if not old:
        return Counter({"files of runs without a whole line, left as they are": 1})
    form = old[0].get("format") if old[0].get("kind") == "header" else None
    if form == 2:
        return Counter({"files of format 2, left as they are": 1})
    if form != 1:
        raise ConversionError(f"{path}: the first line is not a header of format 1")
    written = [_bytes(_guarded(path, 1, new_header, old[0]))]
    for number, line in enumerate(old[1:], 2):
        previous = {"previous_sha256": _sha256(written[-1])}
        written.append(_bytes({**_guarded(path, number, new_round, line), **previous}))
    back = [json.loads(line) for line in written]
    _replace(path, written, old, [old_header(back[0]), *map(old_round, back[1:])])
    values = sum(map(_count, old))
    return Counter({"runs": 1, "rounds": len(old) - 1, "values in lines of runs": values})


def new_header(old: Json) -> Json:
    """The header of format 2."""
    _check_names(old, {*HEADER, *MOVED, "initial"}, OPTIONAL)
    _check_names(old["dataset"], {"name", "sha256", "note"}, set())
    return {
        "kind": "header",
        "format": 2,
        "key": {name: old[name] for name in ("strategy", "learner", "seed")},
        "experiment": old["experiment"],
        "fingerprint": old["fingerprint"],
        "engine_version": old["engine"],
        "strategy_version": 1,
        "learner_version": 1,
        "strategy_source_sha256": old["plugin_sha256"],
        "learner_source_sha256": None,
        "model_source_sha256": None,
        "strategy_check": None,
        "diagnostic": old.get("cheating", False),
        "dataset": _new_dataset(old["dataset"]),
        "environment": {
            "device": old["device"],
            "libraries": old["versions"],
            "cpu_capability": UNKNOWN,
            "num_threads": UNKNOWN,
            "switches": {},
        },
        "commit": old["commit"],
        "feature_seed": UNKNOWN,
        "initial": _renamed(old["initial"], INITIAL),
    }


def _new_dataset(old: Json) -> Json:
    published = old["sha256"] in MANIFESTS
    train_size = 60_000 if old["name"] == "mnist" else 50_000
    none = {"train_images": 0, "train_size": train_size, "test_images": 0, "test_size": 10_000}
    manifest = MANIFESTS.get(old["sha256"], UNKNOWN)
    return {**old, "manifest_sha256": manifest, "differing": none if published else None}


def old_header(new: Json) -> Json:
    """The header of format 1 that ``new`` was."""
    dataset = {name: new["dataset"][name] for name in ("name", "sha256", "note")}
    return {
        "kind": "header",
        "format": 1,
        **new["key"],
        "experiment": new["experiment"],
        "fingerprint": new["fingerprint"],
        "engine": new["engine_version"],
        "versions": new["environment"]["libraries"],
        "device": new["environment"]["device"],
        "commit": new["commit"],
        "dataset": dataset,
        "plugin_sha256": new["strategy_source_sha256"],
        **({"cheating": True} if new["diagnostic"] else {}),
        "initial": _renamed(new["initial"], _inverse(INITIAL)),
    }


def new_round(old: Json) -> Json:
    """The round of format 2, without the hash of the line before."""
    if old.get("kind") != "round":
        raise ValueError("it is not a round")
    known = _without(old, "kind")
    _check_names(known, ROUND.keys() - {"late"}, {"late"})
    new = _renamed({"late": [], **known}, ROUND)
    at = list(new).index("shared_training")
    items = list(new.items())
    return {"kind": "round", **dict([*items[:at], ("calibration_seconds", None), *items[at:]])}


def old_round(new: Json) -> Json:
    """The round of format 1 that ``new`` was."""
    old = _renamed(_without(new, "kind", "calibration_seconds", "previous_sha256", "sha256"), _inverse(ROUND))
    return {"kind": "round", **(old if old["late"] else _without(old, "late"))}


# --- traces and descriptions


def convert_traces(path: Path) -> Counter[str]:
    """Convert the traces of a run; the numbers of files and lines."""
    old = _lines(path)
    if old and all("values" in line for line in old):
        return Counter({"files of format 2, left as they are": 1})
    new = [_guarded(path, number, new_trace, line) for number, line in enumerate(old, 1)]
    written = [_bytes(line) for line in new]
    _replace(path, written, old, [old_trace(json.loads(line)) for line in written])
    return Counter({"files of traces": 1, "lines of traces": len(old)})


def new_trace(old: Json) -> Json:
    """The trace of format 2."""
    if not {"round", "step"} <= old.keys() or "values" in old:
        raise ValueError("it is not a trace")
    return {"round": old["round"], "step": old["step"], "values": _without(old, "round", "step")}


def old_trace(new: Json) -> Json:
    """The trace of format 1 that ``new`` was."""
    return {"round": new["round"], "step": new["step"], **new["values"]}


def convert_description(path: Path) -> Counter[str]:
    """Give experiment.json its format and room for a results version; nothing else in it changes."""
    old = json.loads(path.read_bytes())
    if not isinstance(old, dict) or not {"name", "fingerprint", "protocol"} <= old.keys():
        raise ConversionError(f"{path} describes no experiment")
    if "format" in old:
        return Counter({"files of format 2, left as they are": 1})
    first = {"format": 2, "name": old["name"], "results_version": None}
    content = json.dumps({**first, **_without(old, "name")}, indent=2).removesuffix("\n}")
    text = f'{content},\n  "sha256": "{_sha256(content.encode())}"\n}}\n'
    if _without(json.loads(text), "format", "results_version", "sha256") != old:
        raise ConversionError(f"{path}: converting back gives other values")
    _write(path, text.encode())
    return Counter({"descriptions of experiments": 1})


# --- common to all


def _lines(path: Path) -> list[Json]:
    """A file's whole lines; a torn last one, which is no line to any version, is left out."""
    *parts, _ = path.read_bytes().split(b"\n")
    found = []
    for number, part in enumerate(parts, 1):
        try:
            line = json.loads(part)
        except ValueError as error:
            if number == len(parts):
                break
            raise ConversionError(f"{path}, line {number}: it is not JSON") from error
        if not isinstance(line, dict):
            raise ConversionError(f"{path}, line {number}: it is not an object")
        found.append(line)
    return found


def _guarded(path: Path, number: int, convert: Callable[[Json], Json], line: Json) -> Json:
    try:
        return convert(line)
    except (ValueError, KeyError) as error:
        raise ConversionError(f"{path}, line {number}: {error}") from error


def _replace(path: Path, written: list[bytes], old: list[Json], back: list[Json]) -> None:
    """Write the new lines once it is sure that they give the old ones back, value by value and type by type."""
    for number, (before, after) in enumerate(zip(old, back, strict=True), 1):
        if _sorted(before) != _sorted(after):
            raise ConversionError(f"{path}, line {number}: converting back gives other values")
    _write(path, b"".join(line + b"\n" for line in written))


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{secrets.token_hex(8)}.tmp")
    partial.write_bytes(data)
    os.replace(partial, path)


def _bytes(value: Json) -> bytes:
    """A line with the checksum of everything in front of it as its last field."""
    content = json.dumps(value, separators=(",", ":"), allow_nan=False).removesuffix("}").encode()
    return content + f',"sha256":"{_sha256(content)}"}}'.encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sorted(value: Json) -> str:
    return json.dumps(value, sort_keys=True)  # unlike ==, this tells 1 from 1.0 and from true


def _renamed(value: Json, names: dict[str, str]) -> Json:
    """``value`` with other names, in the order of ``names``. Raises ValueError for fields that are not among them."""
    _check_names(value, names.keys(), set())
    return {new: value[old] for old, new in names.items()}


def _inverse(names: dict[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}


def _without(value: Json, *names: str) -> Json:
    return {name: part for name, part in value.items() if name not in names}


def _check_names(value: Json, names: Any, optional: set[str]) -> None:
    if missing := set(names) - value.keys():
        raise ValueError(f"the field '{min(missing)}' is missing")
    if unknown := value.keys() - set(names) - optional:
        raise ValueError(f"the field '{min(unknown)}' is unknown")


def _count(value: Any) -> int:
    """The numbers, texts, truth values and nulls in a JSON value."""
    if isinstance(value, dict):
        return sum(map(_count, value.values()))
    return sum(map(_count, value)) if isinstance(value, list) else 1


if __name__ == "__main__":
    sys.exit(main())
