"""The contract of acquisition strategies: declarations and the choice. See ``hooks`` for the hooks."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torch import Tensor

from strategies.api import Pool, ScoreStrategy, Strategy, declaration_error, process_state, selection_error, top
from strategies.registry import resolve
from strategies.testing.hooks import (
    check_attachment,
    check_hold_out,
    check_state,
    check_tuning,
    fresh,
    untouched,
)
from strategies.testing.synthetic import CLASSES, SyntheticPool

_OUTPUTS = ("embeddings", "logits", "probs", "attachment_output")
_GIVEN = (
    "labelled_embeddings",
    "indices",
    "labelled_indices",
    "labels",
    "features",
    "labelled_features",
    "previous_probs",
)


def check_strategy(strategy: Strategy | type[Strategy] | str) -> None:
    """Raise AssertionError, saying what is wrong, where a strategy breaks the contract of ``strategies.api``.

    ``strategy`` is an instance, a class whose parameters all have defaults, or what the command line takes.
    Checked are: hooks and methods agree; distinct valid positions for one image, some and all, on ordinary and on
    degenerate pools; randomness from the generator only; nothing kept from one call, or instance, to the next; the
    settings of the process and the pool left as they were; refusal of NaN; scores of the right shape that do not
    depend on the order of the pool, and a choice that is theirs; and, where there are any, the attachment, its tuning,
    the hold-out and the carried state. An attachment that has ``detach_after`` must reach the
    stage features before that progress and not from then on.
    """
    if isinstance(strategy, str):
        strategy = resolve(strategy).build()
    elif isinstance(strategy, type):
        strategy = strategy()
    choosing = (_check_pool_kept, _check_chance, _check_pools, _check_nan, _check_unfitted, _check_scores)
    with process_state.restored():
        for check in (_check_declarations, *choosing, check_state, check_attachment, check_tuning, check_hold_out):
            try:
                check(strategy)
            except AssertionError as error:
                raise AssertionError(f"{strategy.name or type(strategy).__name__}: {error}") from error.__cause__


def _check_declarations(strategy: Strategy) -> None:
    if error := declaration_error(strategy):
        raise AssertionError(error)


# --- the choice


def _check_pools(strategy: Strategy) -> None:
    pool = SyntheticPool.draw()
    size = len(pool.indices)
    alike = pool.points[:1].expand(size + len(pool.labels), -1)
    same, labelled_same = alike[:size], alike[size:]
    cases = {
        "an ordinary pool": pool,
        "one labelled image": SyntheticPool.draw(labelled=1),
        "a class without labelled images": replace(pool, labels=pool.labels.clamp(max=CLASSES - 2)),
        "images that are all the same": replace(
            pool,
            points=same.clone(),
            labelled_points=labelled_same.clone(),
            features=same.clone(),
            labelled_features=labelled_same.clone(),
        ),
        "two classes": SyntheticPool.draw(class_count=2),
        "the first round (previous_probs is None)": replace(pool, previous_probs=None),
        "float16 outputs": SyntheticPool.draw(dtype=torch.float16),
        "a single image left": SyntheticPool.draw(1),
    }
    for case, each in cases.items():
        for n in sorted({1, max(1, len(each.indices) // 4), len(each.indices)}):
            _choice(strategy, each, n, case)


def _check_chance(strategy: Strategy) -> None:
    choices = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (the global state is what is watched)
        random.seed(seed)
        choices.append(_choice(strategy, SyntheticPool.draw(), 10))
        _choice(copy.deepcopy(strategy), SyntheticPool.draw(seed=1), 10)
    if not choices[0].equal(choices[1]):
        raise AssertionError(
            "select gave two choices for the same pool and the same seed of its generator: draw from the generator "
            "only, and keep nothing from call to call, in the instance, its class or its module, but by state_dict"
        )


def _check_pool_kept(strategy: Strategy) -> None:
    pool, reference = SyntheticPool.draw(), SyntheticPool.draw()
    _choice(strategy, pool, 10)
    parts: dict[str, tuple[Tensor, Tensor]] = {
        f"head.{name}": (p, getattr(reference.head, name)) for name, p in pool.head.named_parameters()
    }
    parts |= {name: (getattr(pool, name), getattr(reference, name)) for name in (*_GIVEN, *_OUTPUTS)}
    parts |= {f"mc_probs({k})": (probs, reference.mc_probs(k)) for k, probs in pool._mc.items()}
    parts |= {f"noisy_logits{asked}": (now, reference.noisy_logits(*asked)) for asked, now in pool._noisy.items()}
    for part, (now, before) in parts.items():
        if not now.equal(before):
            raise AssertionError(f"select modifies pool.{part} in place: work on a clone")


def _check_nan(strategy: Strategy) -> None:
    pool = SyntheticPool.draw()
    broken = pool.points.clone()
    broken[13] = torch.nan
    watched: Any = _Watched(replace(pool, points=broken))
    result = _choice_or_refusal(strategy, watched, 20, "a model whose outputs are NaN for one image")
    read = ", ".join(f"pool.{name}" for name in sorted(watched.read & {*_OUTPUTS, "mc_probs", "noisy_logits"}))
    if read and isinstance(result, Tensor):
        raise AssertionError(f"select reads {read} and accepts NaN there: raise ValueError (strategies.top does)")


def _check_unfitted(strategy: Strategy) -> None:
    nothing = SyntheticPool.draw(labelled=0)
    unfitted = replace(nothing, previous_probs=None, has_model=False)
    _choice_or_refusal(strategy, unfitted, 10, "a pool without a model and without labels")


def _check_scores(strategy: Strategy) -> None:
    if not isinstance(strategy, ScoreStrategy) or not strategy.takes_top_scores:
        return
    pool = SyntheticPool.draw()
    with torch.no_grad():
        scores = fresh(strategy).checked_scores(pool)
    if not scores[_choice(strategy, pool, 10)].equal(scores[top(scores, 10)]):
        raise AssertionError("select does not return the highest scores: say takes_top_scores = False")
    permuted = pool.permuted(torch.randperm(len(scores), generator=torch.Generator().manual_seed(0)))
    images = [each.indices[_choice(strategy, each, 10)] for each in (pool, permuted)]
    if len(scores.unique()) == len(scores) and not images[0].equal(images[1]):
        raise AssertionError("the scores depend on the order of the pool: permuting it selects other images")


def _choice(strategy: Strategy, pool: Pool, n: int, case: str = "an ordinary pool") -> Tensor:
    """What the strategy selects, checked."""
    result = _choice_or_refusal(strategy, pool, n, case)
    if isinstance(result, ValueError):
        raise AssertionError(f"select fails on {case}, n = {n}: ValueError: {result}") from result
    return result


def _choice_or_refusal(strategy: Strategy, pool: Pool, n: int, case: str) -> Tensor | ValueError:
    with untouched("select"):
        try:
            with torch.no_grad():
                positions = fresh(strategy).select(pool, n, torch.Generator().manual_seed(0))
        except ValueError as error:
            return error
        except Exception as error:
            raise AssertionError(f"select fails on {case}, n = {n}: {_told(error, pool)}") from error
    if wrong := selection_error(positions, n, len(pool.indices)):
        raise AssertionError(f"{wrong} (on {case})")
    return positions


def _told(error: Exception, pool: Pool) -> str:
    """The error in one line; what a pool lacks is told by what it has."""
    if not isinstance(error, AttributeError) or error.obj is not pool:
        return f"{type(error).__name__}: {error}"
    parts = [name for name in dir(Pool) if not name.startswith("_")]
    near = get_close_matches(error.name or "", parts, n=1)
    advice = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(parts)}"
    return f"a pool has no '{error.name}': {advice}"


class _Watched:
    """A pool that remembers which of its parts were read."""

    def __init__(self, pool: SyntheticPool) -> None:
        self.pool = pool
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.pool, name)
