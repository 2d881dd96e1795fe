"""Lines and descriptions that the suite would not write, with the checksums that make them look as if it had."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from benchmark.results.lines import digest

DESCRIPTION = {"format": 2, "name": "e", "results_version": None, "fingerprint": "f" * 64, "protocol": {}}


def sealed(value: dict[str, Any]) -> bytes:
    """The line of a JSON object with its checksum, without the newline."""
    content = json.dumps({name: part for name, part in value.items() if name != "sha256"}).encode().removesuffix(b"}")
    comma = b"," if len(value) > ("sha256" in value) else b""
    return content + comma + b'"sha256":"' + digest(content).encode() + b'"}'


def sealed_run(values: Iterable[dict[str, Any]]) -> bytes:
    """A run's file from the JSON objects of its lines, chained anew."""
    written: list[bytes] = []
    for value in values:
        chain = {"previous_sha256": digest(written[-1])} if written else {}
        written.append(sealed({**value, **chain}))
    return b"".join(line + b"\n" for line in written)


def described(**changes: Any) -> str:
    """experiment.json with other fields and the right checksum."""
    value = {name: part for name, part in {**DESCRIPTION, **changes}.items() if name != "sha256"}
    content = json.dumps(value, indent=2).removesuffix("\n}")
    return f'{content},\n  "sha256": "{digest(content.encode())}"\n}}\n'
