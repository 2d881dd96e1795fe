#!/usr/bin/env python3
"""Does a fast protocol rank strategies as a slow one does? Runs what is missing of both, and compares.

    python tools/rank_agreement.py mnist mnist-slow --budgets 20 40 60 80 100 --seeds 0 1 2 3 4 5 \
        --strategies random least-confidence margin entropy coreset badge
    python tools/rank_agreement.py cifar10 cifar10-resnet18 --budgets 1000 2000 3000 4000 \
        --strategies random margin entropy coreset badge --seeds 0 1 2 3          # for a GPU

Prints, and writes to ``docs/recipes/agreement-<fast>.md``, the strategies' mean areas under both, and the agreement of
the rankings beside the slow protocol's agreement with itself (split halves over the seeds).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark.campaign.campaign import Options, Places, compute_missing
from benchmark.experiment import load
from benchmark.reports.statistics.agreement import Agreement, Comparison, compare
from benchmark.reports.statistics.curves import curves
from benchmark.results.layers import find_layers

DOCS = Path(__file__).resolve().parents[1] / "docs" / "recipes"


def main() -> int:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    p.add_argument("fast")
    p.add_argument("slow")
    p.add_argument("--strategies", nargs="+", required=True)
    p.add_argument("--seeds", nargs="+", type=int, required=True)
    p.add_argument("--budgets", nargs="+", type=int, required=True)
    p.add_argument("--data-dir", type=Path, default=Path("data"))
    p.add_argument("--results-dir", type=Path)
    p.add_argument("--device", default="auto")
    options = p.parse_args()
    found = []
    for name in (options.fast, options.slow):
        asked = {field: getattr(options, field) for field in ("strategies", "seeds", "budgets")}
        protocol = load(name).override(**asked)
        places = Places(find_layers(options.results_dir, None, Path.cwd()), options.data_dir)
        finished = compute_missing(protocol, Options(places, device=options.device), Console(highlight=False))
        if finished.status:
            return finished.status
        found.append(curves(finished.folders.experiment(), **asked))
    text = report(options.fast, options.slow, compare(*found), options.budgets)
    print(text)
    (DOCS / f"agreement-{options.fast}.md").write_text(text, encoding="utf-8")
    return 0


def report(fast: str, slow: str, result: Comparison, budgets: list[int]) -> str:
    """The comparison in Markdown."""
    half = len(result.seeds) // 2
    lines = [
        f"# `{fast}` against `{slow}`",
        "",
        f"Label counts {', '.join(map(str, budgets))}; seeds {', '.join(map(str, result.seeds))}; mean area under the "
        "budget curve in points of accuracy.",
        "",
        f"| strategy | {fast} | {slow} |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {row['first']:.2f} | {row['second']:.2f} |" for name, row in result.areas.iterrows()),
        "",
        f"Agreement of {half} seeds with {half} others, mean over {result.splits} splits. The last row is the ceiling: "
        "no recipe can be expected to agree with the slow one better than that does with itself.",
        "",
        "| | Spearman ρ | Kendall τ | gains over random: Pearson r | mean difference of gains, points |",
        "| --- | ---: | ---: | ---: | ---: |",
        _row(f"{fast} with {slow}", result.between),
        _row(f"{fast} with itself", result.first),
        _row(f"{slow} with itself", result.second),
        "",
    ]
    return "\n".join(lines)


def _row(name: str, a: Agreement) -> str:
    return f"| {name} | {a.spearman:.2f} | {a.kendall:.2f} | {a.gains_pearson:.2f} | {a.gains_difference:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
