"""Write the manifest of a data set: the digests and labels that identify the data behind published runs.

    python tools/manifest.py mnist cifar10 [--data-dir data]

writes ``benchmark/data/manifests/<name>.npz``. See ``benchmark.data.manifest``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmark.data import datasets  # noqa: E402
from benchmark.data.manifest import manifest_of  # noqa: E402


def main() -> None:
    """Write the manifests that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmark" / "data" / "manifests")
    options = parser.parse_args()
    for name in options.names:
        manifest = manifest_of(datasets.load(name, options.data_dir))
        path = options.output / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(manifest.to_bytes())
        print(f"{path}: {len(manifest.train):,} + {len(manifest.test):,} images, SHA-256 {manifest.sha256}")


if __name__ == "__main__":
    main()
