"""What an inference shows, in words: of a strategy, of an experiment, and how much so many seeds can show.

The console, the page, tables, figures and README all take their words from here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from benchmark.reports.statistics.family import GAIN, REPLAYED
from benchmark.reports.statistics.inference import FEWEST_SEEDS_MAX_T, LEVEL, Inference, Verdict
from benchmark.reports.statistics.power import powers
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, REFERENCE, SUPERVISED, Key
from benchmark.reports.words import count, names

PLACES = {"area": "overall", "early": "early", "late": "late", "last": "at the last label count"}
BEGINNINGS = {
    SUPERVISED: "Compared with supervised learning",
    GAIN: f"The gain over {REFERENCE}, compared with that of supervised learning",
    REPLAYED: "A strategy's own training, compared with this training on the same labels",
}
NAMED = 12  # strategies; of more that are undecided or equivalent only the number is given


def in_words(verdicts: Mapping[str, Verdict]) -> str:
    """One verdict from those on the endpoints, naming the region where it does not hold everywhere.

    "better" alone holds both early and late, or is all that a single label count can say; "overall" is the area.
    """
    decided = {place: word for place, word in verdicts.items() if word in ("better", "worse")}
    if not decided:
        if verdicts and all(word == "equivalent" for word in verdicts.values()):
            return "equivalent"
        return "equivalent overall" if verdicts.get("area") == "equivalent" else "undecided"
    if len(decided) == len(verdicts) and len(set(decided.values())) == 1:
        return decided["area"]
    if "last" in decided and decided["last"] == decided.get("late"):
        del decided["last"]
    if {"early", "late"} <= set(decided) and len(set(decided.values())) == 1:
        return decided["early"]
    words: dict[str, list[str]] = {}
    for place in ("early", "late", "area", "last"):
        if place in decided:
            words.setdefault(decided[place], []).append(PLACES[place])
    return ", ".join(f"{word} {' and '.join(places)}" for word, places in words.items())


def sentence(inference: Inference, against: str = REFERENCE, left_out: Collection[Key] = ()) -> str:
    """The one sentence on all strategies that are compared with a reference; empty where none is.

    Those ``left_out`` are not named, nor those ``apart`` from the family.
    """
    rows = inference.family
    rows = rows[(rows["against"] == against) & (rows["endpoint"] == inference.endpoints[0])]
    keys = [key for key in zip(rows["strategy"], rows["learner"], strict=True) if key not in left_out]
    if not keys:
        return ""
    seeds = sorted({int(n) for n in rows["n"]})
    numbers = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else f"{seeds[0]} {count(seeds[0], 'seed')}"
    beginning = f"{BEGINNINGS.get(against, f'Compared with {against}')} ({numbers})"
    if seeds[-1] < FEWEST_SEEDS:
        return f"{beginning}: too few seeds for a test, which takes {FEWEST_SEEDS}; any difference may be chance."
    groups: dict[str, list[str]] = {}
    for key, called in zip(keys, names(keys, always=against in (SUPERVISED, GAIN)), strict=True):
        groups.setdefault(in_words(inference.verdicts(key, against)), []).append(called)
    parts = []
    for words in sorted(groups, key=_place):
        who = groups[words]
        if words == "undecided" and len(who) > NAMED:
            listed = f"the other {len(who)}" if len(groups) > 1 else f"all {len(who)}"
        else:
            listed = ", ".join(who)
        parts.append(f"{words} – {listed}")
    return f"{beginning}: {'; '.join(parts)}."


def _place(words: str) -> tuple[int, str]:
    """The order of verdicts in a sentence: the good ones first, mixed ones between, those that say nothing last."""
    better, worse = "better" in words, "worse" in words
    order = 1 if better and worse else 0 if better else 2 if worse else 3 if "equivalent" in words else 4
    return order, words


def method(inference: Inference) -> str:
    """How verdicts come about, for notes and captions; empty without a test."""
    if not inference.tests:
        return ""
    flips, others = inference.permuted, inference.tests - inference.permuted
    ways = ["the max-T correction over sign flips of seeds"] if flips else []
    ways += ["Holm's correction"] if others else []
    how = ways[0]
    if len(ways) > 1:
        how = f"{ways[0]} for the {flips} with the most seeds and {ways[1]} for the others, at half the level each"
    number = round(LEVEL / inference.level)
    looks = f" over up to {number} looks, {100 * inference.level:g} % at each" if number > 1 else ""
    d0, n = inference.priors["d0"], inference.family["n"]
    prior = ""
    if len(d0) and d0.max() > 0 and n[n >= FEWEST_SEEDS].min() < FEWEST_SEEDS_MAX_T:
        low, high = (f"{value:.1f}" for value in (d0.min(), d0.max()))
        shown = low if low == high else f"{low} to {high}"
        prior = f" (below ten seeds, variances are shrunk with {shown} prior degrees of freedom)"
    return (
        f"Verdicts hold together at {100 * LEVEL:g} %{looks}: one family of {inference.tests} "
        f"{'moderated ' if prior else ''}{count(inference.tests, 't-test')}{prior}, by {how}; equivalent is shown to "
        f"lie within ±{100 * inference.margin:g} points."
        + (f" Diagnostics ({', '.join(inference.apart)}) are a family of their own." if inference.apart else "")
    )


def confidence(inference: Inference) -> str:
    """Of the inference's intervals and bands: 95 %, or more where verdicts are corrected for several looks."""
    return f"{100 * (1 - inference.level):.4g} %"


def stricter(inference: Inference) -> str:
    """``confidence`` in parentheses where it is not 95 %; else empty."""
    return "" if inference.level == LEVEL else f" ({confidence(inference)})"


def reach(inference: Inference, against: str = REFERENCE) -> str:
    """What so many seeds can show, in a sentence; empty without a test."""
    found = powers(inference, against)
    if not found:
        return ""
    what = "area" if len(inference.endpoints) > 1 else "accuracy"
    first, *others = found
    shown = [f"{first.n} seeds show a difference in {what} of {100 * first.smallest:.1f} points"]
    shown += [f"{each.n} seeds one of {100 * each.smallest:.1f}" for each in others]
    return f"With a power of 80 %, {', '.join(shown)}; {first.seeds:,} seeds would show one of 1 point."


def explained(inference: Inference, references: Sequence[str]) -> str:
    """The sentences of a caption whose table has verdicts against these references."""
    present = [reference for reference in references if reference in inference.references]
    return f"{method(inference)} {reach(inference, present[0])}".strip() if present and inference.tests else ""
