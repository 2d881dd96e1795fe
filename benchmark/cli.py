"""From parsed arguments to one of: run, report, compare, verify, doctor, list."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmark.campaign import preflight as checks
from benchmark.campaign.campaign import FAILED, USAGE, Options, Places
from benchmark.campaign.request import requested
from benchmark.commands.asked import older_asked
from benchmark.commands.checking import doctor, verify
from benchmark.commands.computing import replay, run, run_until_decided
from benchmark.commands.listing import show_list
from benchmark.commands.reporting import compare, report
from benchmark.data import datasets
from benchmark.experiment import ProtocolError
from benchmark.results import index
from benchmark.results import layers as results
from benchmark.results.errors import StoreError
from benchmark.text.escapes import one_line
from benchmark.text.terminal import Terminal
from strategies import registry


def main(arguments: argparse.Namespace) -> int:
    """Do what is asked for; the exit status."""
    with index.kept_in(arguments.cache_dir):
        return _do(arguments)


def _do(arguments: argparse.Namespace) -> int:
    """Every expected mistake is one line and status 2, a disk that fails one and status 1."""
    console = Terminal()
    try:
        if arguments.list:
            return show_list(console)
        if arguments.doctor is not None:
            return doctor(_folder(arguments.doctor), arguments.repair, arguments.attest, console)
        layers = results.find_layers(arguments.results_dir, arguments.published, Path.cwd())
        if arguments.report is not None:
            return report(arguments, layers, console)
        if arguments.compare is not None:
            return compare(arguments, layers, console)
        places = Places(layers, arguments.data_dir, arguments.cache_dir)
        options = Options(
            places,
            arguments.name,
            arguments.fresh,
            arguments.device,
            arguments.workers,
            arguments.executor,
            dict(arguments.resources),
            arguments.time_limit,
            tuple(arguments.command),
        )
        if arguments.verify is not None:
            return verify(arguments, options, console)
        if arguments.replay is not None:
            return replay(arguments, options, console)
        protocol = requested(arguments, checks.said_on(console))
        if arguments.until_decided is not None:
            return run_until_decided(protocol, arguments.until_decided, options, console, older_asked(arguments))
        return run(protocol, options, console, older_asked(arguments))
    except (ProtocolError, registry.SpecError, datasets.DatasetError, StoreError) as error:
        return _failure(error, USAGE)
    except OSError as error:
        return _failure(error, FAILED)


def _folder(given: Path) -> Path:
    """``given``, or the folder of the experiment of that name, the user's own before the published one."""
    if given.exists() or len(given.parts) > 1:
        return given
    layers = results.find_layers(None, None, Path.cwd())
    return next(root for root in layers.find(given).read if root.exists())


def _failure(error: Exception, status: int) -> int:
    """Say on one line what went wrong."""
    said = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        said = f"{error.filename}: {error.strerror}"
    print("error:", one_line(said), file=sys.stderr)
    return status
