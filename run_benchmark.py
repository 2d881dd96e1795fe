#!/usr/bin/env python3
"""The front door: arguments → benchmark.cli → exit status."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from benchmark.commands.values import numbers, one_of, points, positive, resource, seconds, unrecognised
from benchmark.text.escapes import one_line
from benchmark.text.streams import let_streams_degrade

EXAMPLES = """\
examples:
  python run_benchmark.py                                        embedded digits, about a minute on 2 cores
  python run_benchmark.py --strategies all --dataset cifar10     the full benchmark
  python run_benchmark.py --strategies random mine.py:Mine --dataset mnist --seeds 0 1 2
  python run_benchmark.py --protocol cifar10-ll4al --set warm_start=true --time-limit 50m
  python run_benchmark.py --list
  python run_benchmark.py --report results/mnist
  python run_benchmark.py --report results/mnist --strategies margin badge random --output paper/
  python run_benchmark.py --report results/mnist results/cifar10 --output across/
  python run_benchmark.py --replay results/mnist --budgets 100 300 --model "cnn[width=32]"
  python run_benchmark.py --compare mnist mnist-1a2b3c4d
  python run_benchmark.py --verify results/mnist --sample 3
  python run_benchmark.py --verify results/cifar10 --budgets 5000
  python run_benchmark.py --doctor results/mnist

exit status: 0 done, 1 a run failed and all others are done, 2 bad usage, 3 stopped early with work left, whether or
not a run failed (repeat the command to go on)
Ctrl-C, SIGTERM and SIGHUP interrupt at once, with status 3: finished rounds are kept, the one in hand is
computed again when the command is repeated; a second one ends without cleaning up
"""


INTERRUPTED = 3


class _Parser(argparse.ArgumentParser):
    """Bad usage is one line."""

    def error(self, message: str) -> NoReturn:
        hint = " (--help shows the usage)" if message.endswith("?") else "; --help shows the usage"
        self.exit(2, f"error: {one_line(message)}{hint}\n")

    def options_of(self, words: Sequence[str] | None) -> argparse.Namespace:
        """As ``parse_args``, with a suggestion for an option that there is not."""
        options, unknown = self.parse_known_args(words)
        if unknown:
            self.error(unrecognised(unknown, list(self._option_string_actions)))
        return options


def parser() -> _Parser:
    """The command line."""
    p = _Parser(
        "run_benchmark.py",
        description="Benchmark acquisition strategies in deep active learning.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # what a script abbreviates, a later flag makes ambiguous
    )
    what = p.add_argument_group("what to run")
    what.add_argument("--protocol", metavar="NAME", help="a named experiment, a .toml file, or an experiment.json")
    what.add_argument("--dataset", metavar="NAME|PATH", help="a data set, an .npz or an image folder (default: digits)")
    what.add_argument(
        "--strategies",
        action="extend",
        nargs="+",
        metavar="S",
        help="names, groups, name[key=value], file.py:Class; name@1 shows older runs, of version 1",
    )
    what.add_argument(
        "--replay",
        type=Path,
        metavar="DIR|FILE",
        help="train on the labels that the runs there acquired, or on the index lists of a .csv or .json",
    )
    what.add_argument(
        "--learner", action="extend", nargs="+", metavar="L", help="what trains on the labels (default: supervised)"
    )
    what.add_argument(
        "--budgets",
        action="extend",
        nargs="+",
        type=numbers("--budgets"),
        metavar="N",
        help="label counts, the first drawn at the start; a schedule that goes on in the same steps continues its runs",
    )
    what.add_argument(
        "--seeds", action="extend", nargs="+", type=numbers("--seeds"), metavar="K", help="a run for each"
    )
    what.add_argument(
        "--until-decided",
        type=points,
        metavar="WIDTH",
        help="add seeds until every interval of the difference to random is at most so many points wide; "
        "verdicts are corrected for up to 5 looks",
    )
    what.add_argument("--model", metavar="NAME[key=value]", help="the network, such as resnet18[width=32]")
    what.add_argument(
        "--set", action="extend", nargs="+", default=[], metavar="FIELD=VALUE", help="any other field of the protocol"
    )
    how = p.add_argument_group("how to run it")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:0")
    how.add_argument(
        "--workers", type=positive, metavar="N", help="processes (default: one per core; as many per GPU as pay)"
    )
    how.add_argument(
        "--executor", type=one_of("local", "ray"), metavar="local|ray", default="local", help="where runs happen"
    )
    how.add_argument(
        "--resources",
        action="extend",
        nargs="+",
        type=resource,
        default=[],
        metavar="NAME=AMOUNT",
        help="with --executor ray: what a run takes, such as gpu=0.25, cpu=2 or a resource of the cluster's own",
    )
    how.add_argument("--time-limit", type=seconds, metavar="TIME", help="stop at a round's end, such as 90s, 50m or 2h")
    how.add_argument("--fresh", action="store_true", help="compute anew, beside the runs on disk")
    how.add_argument("--name", help="the experiment's folder (default: the protocol's name)")
    how.add_argument("--data-dir", type=Path, default=Path("data"), metavar="DIR")
    how.add_argument(
        "--results-dir",
        type=Path,
        metavar="DIR",
        help="where runs and reports go (default: results/own in a checkout of the suite, elsewhere results)",
    )
    how.add_argument(
        "--published",
        type=Path,
        metavar="DIR",
        help="results that are read, never written (default: results in the checkout)",
    )
    how.add_argument("--cache-dir", type=Path, default=Path("cache"), metavar="DIR")
    other = p.add_argument_group("instead of running")
    other.add_argument("--list", action="store_true", help="strategies, learners, data sets, models, protocols")
    other.add_argument(
        "--report",
        action="extend",
        nargs="+",
        type=Path,
        metavar="DIR|NAME",
        help="write tables and figures of its runs; of several, how strategies do across them (with --output in files)",
    )
    other.add_argument(
        "--compare",
        action="extend",
        nargs="+",
        type=Path,
        metavar="DIR|NAME",
        help="two experiments, or two --learner of one, paired by seed: differences, tests, rankings, settings; "
        "or an experiment and replays of it",
    )
    other.add_argument(
        "--export-indices",
        type=Path,
        metavar="DIR",
        help="where --report writes what its runs acquired, as .csv",
    )
    other.add_argument(
        "--baseline", metavar="S", help="with --report: the strategy that differences are to (default: random)"
    )
    other.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where --report writes the tables, figures and page of what is selected, and --compare a .csv and a .md",
    )
    other.add_argument(
        "--verify",
        type=Path,
        metavar="DIR|NAME",
        help="compute some of its runs again, compare line by line; status 0 if they agree, else 1 (3: time limit); "
        "with --budgets single rounds, from the labels on disk",
    )
    other.add_argument(
        "--doctor",
        type=Path,
        metavar="DIR",
        help="list all problems of an experiment, or of a folder of experiments; status 1 if there are any",
    )
    other.add_argument(
        "--repair", action="store_true", help="with --doctor: move bad files to damaged/, keep the rounds before"
    )
    other.add_argument(
        "--attest",
        action="store_true",
        help="with --doctor: seal what has no problems, so that a loss shows; or again where sealed files have changed",
    )
    other.add_argument("--sample", type=positive, default=3, metavar="N", help="how many --verify draws (default: 3)")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    let_streams_degrade()
    options = parser().options_of(arguments)
    if mistake := unused_flags(options, given_flags(arguments)):
        parser().error(mistake)
    options.command = list(sys.argv[1:] if arguments is None else arguments)
    from benchmark.campaign import signals  # after parsing: --help need not wait
    from benchmark.text.status import doing
    from benchmark.text.terminal import Terminal

    try:
        with signals.stopping():
            with doing("loading PyTorch", Terminal()):
                from benchmark import cli

            return cli.main(options)
    except KeyboardInterrupt as stopped:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(
                f"interrupted{f' by {stopped}' if str(stopped) else ''}; repeat the command to go on", file=sys.stderr
            )
        return INTERRUPTED
    except OSError:
        if signals.requested():  # what ended the terminal ended its display
            return INTERRUPTED
        raise


LAYERS = ("results_dir", "published")
# What can be done instead of running, and the flags that have an effect on it.
MODES = {
    "list": (),
    "report": ("strategies", "learner", "seeds", "budgets", "baseline", "output", "export_indices", *LAYERS),
    "compare": ("strategies", "learner", "seeds", "budgets", "output", *LAYERS),
    "doctor": ("repair", "attest"),
    "verify": (
        *("strategies", "learner", "model", "seeds", "budgets", "sample"),
        *("device", "workers", "executor", "resources", "time_limit", "data_dir", *LAYERS),
    ),
}
OF_OTHER_MODES = ("baseline", "output", "export_indices", "sample", "repair", "attest")  # that have no effect on a run


def given_flags(arguments: Sequence[str] | None) -> list[str]:
    """The names of the flags that ``arguments`` (default: the command line's) hold, at their defaults or not."""
    bare = parser()
    for action in bare._actions:
        action.default = argparse.SUPPRESS
    return list(vars(bare.parse_args(arguments)))


def unused_flags(options: argparse.Namespace, given: Sequence[str]) -> str:
    """What is wrong with the combination of flags, in one line; empty where each has an effect."""
    modes = [name for name in MODES if name in given]
    if len(modes) > 1:
        return f"{' and '.join(map(_flag, modes))} exclude one another: give one"
    if modes:
        unused = [name for name in given if name not in (*modes, *MODES[modes[0]])]
        where = f"with {_flag(modes[0])}"
    else:
        unused = [name for name in given if name in OF_OTHER_MODES]
        where = "when running"
    if not unused and "until_decided" in given:
        unused = ["until_decided"] if "replay" in given else ["fresh"] if "fresh" in given else []
        where = "with --replay" if "replay" in given else "with --until-decided, which computes what is missing"
    if not unused and {"export_indices", "baseline"} <= {*given} and "output" not in given:
        unused, where = ["baseline"], "with --export-indices and no --output"
    if not unused and options.executor == "ray" and "workers" in given:
        unused, where = ["workers"], "with --executor ray, which has its own"
    if not unused and options.executor != "ray" and "resources" in given:
        unused, where = ["resources"], "without --executor ray"
    if not unused:
        return ""
    return f"{', '.join(map(_flag, unused))} {'has' if len(unused) == 1 else 'have'} no effect {where}: leave out"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


if __name__ == "__main__":
    sys.exit(main())
