"""All sections, in the order of a report."""

from __future__ import annotations

from benchmark.reports.sections import (
    accuracy,
    areas,
    balance,
    calibration,
    checkpoints,
    citing,
    cost,
    diagnostics,
    examples,
    interactions,
    labels_saved,
    learners,
    losses,
    pairwise,
    premises,
    pseudo_labels,
    ranks,
    scope,
    seconds,
    summary,
    tests_by_seed,
    what_ran,
)
from benchmark.reports.sections.section import Section

SECTIONS: tuple[Section, ...] = (
    summary.SECTION,
    premises.SECTION,
    accuracy.SECTION,
    areas.SECTION,
    learners.SECTION,
    interactions.SECTION,
    tests_by_seed.SECTION,
    labels_saved.SECTION,
    pairwise.SECTION,
    ranks.SECTION,
    cost.SECTION,
    checkpoints.SECTION,
    diagnostics.SECTION,
    calibration.SECTION,
    balance.SECTION,
    seconds.SECTION,
    losses.SECTION,
    pseudo_labels.SECTION,
    examples.SECTION,
    scope.SECTION,
    what_ran.SECTION,
    citing.SECTION,
)
