"""Check what is on disk: recompute runs, or list and repair damage."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmark import learners
from benchmark.campaign.campaign import DONE, FAILED, Options
from benchmark.commands.asked import older_asked, specs_asked
from benchmark.experiment import ProtocolError
from benchmark.models import factory
from benchmark.results.errors import StoreError
from benchmark.results.records import Experiment
from benchmark.text.status import doing
from strategies import registry


def verify(arguments: argparse.Namespace, options: Options, console: Console) -> int:
    """Compute some of an experiment's runs again and compare; ``--strategies``, ``--learner``, ``--seeds`` narrow.

    ``--budgets`` computes single rounds of them.
    """
    with doing("reading the runs", console):
        from benchmark.verification import verify as verification

        experiment = options.places.layers.find(arguments.verify).experiment()
    if older := [*older_asked(arguments)[0], *older_asked(arguments)[1]]:
        raise ProtocolError(f"'{older[0]}': the present code cannot compute an older edition again; leave it out")
    _leave_out_changed(arguments, experiment, console)
    if arguments.model is not None:
        _load_model(arguments.model, experiment.protocol)
    selected = *specs_asked(arguments), arguments.seeds, arguments.budgets
    return verification.verify(experiment, arguments.sample, options, console, *selected)


def _leave_out_changed(arguments: argparse.Namespace, experiment: Experiment, console: Console) -> None:
    """Leave out strategies and learners of a user's own that computed none of the runs, before their code is imported.

    Raises StoreError where none is left.
    """
    recorded = {
        "strategies": {run.header.strategy_source_sha256 for run in experiment.runs},
        "learner": {run.header.learner_source_sha256 for run in experiment.runs},
    }
    for flag, code_named in (("strategies", registry.code_named), ("learner", learners.code_named)):
        kept = []
        for text in getattr(arguments, flag) or ():
            code = code_named(text)
            if code is None or code.sha256 in recorded[flag]:
                kept.append(text)
            else:
                what = f"left out: {code.name}: no run was computed by its present source"
                console.print(what, markup=False, soft_wrap=True)
        if getattr(arguments, flag) is not None:
            if not kept:
                raise StoreError(f"{experiment.root}: none of its runs can be computed again here")
            setattr(arguments, flag, kept)


def _load_model(text: str, protocol: Mapping[str, Any]) -> None:
    """Load a network of a user's own, which the runs of ``protocol`` must be of."""
    try:
        (name,) = factory.named([registry.parse(text)[0]])
    except ValueError as error:
        raise ProtocolError(str(error)) from error
    if name != protocol["model"]["name"]:
        raise ProtocolError(f"the runs are of model '{protocol['model']['name']}', not of '{name}'")


def doctor(folder: Path, repairs: bool, attests: bool, console: Console) -> int:
    """List all problems of the experiments at ``folder``; repair and seal them where asked to. 1 if any is left."""
    from benchmark.results import doctor as doctors

    def say(*found: str) -> None:
        for line in found:
            console.print(line.replace("\n", " "), markup=False, soft_wrap=True)

    status = DONE
    for root in doctors.experiments(folder):
        with doing(f"checking {root}", console):
            found = doctors.examine(root)
        if repairs and (done := doctors.repair(root, found)):
            say(*done)
            found = doctors.examine(root)
        say(*(f"{'note: ' if problem.remark else ''}{problem.path}: {problem.what}" for problem in found))
        changes = sum(problem.change for problem in found)
        problems = sum(not problem.remark for problem in found)
        if attests and problems == changes:
            say(doctors.attest(root, changes))
            problems = 0
        elif problems:
            status = FAILED
            if attests:
                say(f"{root}: not sealed: --repair what is damaged; if lines are gone for good, delete seal.json first")
        say(f"{root}: {problems or 'no'} problem{'' if problems == 1 else 's'}")
    return status
