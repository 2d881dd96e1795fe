"""The contract of a strategy's hooks: attachment, tuning, hold-out, carried state."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from strategies.api import Attachment, Labelled, Strategy, process_state
from strategies.testing.synthetic import CLASSES, SyntheticPool, SyntheticTuning, synthetic_output, synthetic_step

S = TypeVar("S", bound=Strategy)
_STAGES = ((8,), (8, 16), (8, 16, 16), (4, 8, 16, 32))


def check_attachment(strategy: Strategy) -> None:
    """``attach`` for one to four stages: initial weights, outputs, losses and gradients."""
    if "attach" not in strategy.hooks:
        return
    for channels in _STAGES:
        attachment, again = _attached(strategy, channels), _attached(strategy, channels)
        if attachment is None or again is None:
            return
        for name, value in attachment.state_dict().items():
            if not value.equal(again.state_dict()[name]):
                raise AssertionError(f"attach: {name} differs for the same seed of torch's global generator")
        for count in (1, 2, 5, 8):
            for dtype in (torch.float32, torch.bfloat16):
                _check_outputs(attachment, channels, count, dtype)
        _check_gradients(attachment, channels)


def _check_outputs(attachment: Attachment, channels: tuple[int, ...], count: int, dtype: torch.dtype) -> None:
    where = f"for {count} images and {len(channels)} stages in {dtype}"
    with untouched("the attachment"), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        predicted = attachment(synthetic_output(channels, count, dtype=dtype))
        steps = [synthetic_step(channels, count, progress=progress, dtype=dtype) for progress in (0.0, 0.5, 0.99)]
        losses = [attachment.loss(step) for step in steps]
    if predicted.shape != (count,) or not predicted.isfinite().all():
        raise AssertionError(f"the attachment must give one finite number per image, not {predicted} {where}")
    for loss in losses:
        if loss.shape != () or not loss.isfinite():
            raise AssertionError(f"the attachment's loss must be a finite scalar, not {loss} {where}")


def _check_gradients(attachment: Attachment, channels: tuple[int, ...]) -> None:
    detach_after = getattr(attachment, "detach_after", None)
    propagates = getattr(attachment, "gradient_factor", 1.0) > 0
    for progress in (0.0, 0.3, 0.6, 0.9):
        attachment.zero_grad()
        step = synthetic_step(channels, 8, progress=progress)
        attachment.loss(step).backward()
        if not any(p.grad is not None and p.grad.any() for p in attachment.parameters()):
            raise AssertionError(f"the attachment's loss gives its parameters no gradient at progress {progress}")
        reached = any(f.grad is not None and bool(f.grad.any()) for f in step.stages)
        if detach_after is not None and reached != (propagates and progress < detach_after):
            raise AssertionError(
                f"at progress {progress} the attachment's loss {'reaches' if reached else 'does not reach'} the "
                f"stages, against its detach_after = {detach_after}"
                + ("" if propagates else " and gradient_factor = 0")
            )


def check_tuning(strategy: Strategy) -> None:
    """``after_training`` leaves finite weights behind, whatever the confidence on the unlabelled images."""
    if "after_training" not in strategy.hooks:
        return
    for counts in ({}, {"labelled_count": 1, "unlabelled_count": 1}, {"labelled_count": 3000}):
        attachment = _attached(strategy, _STAGES[-1])
        if attachment is None:
            return
        tuning = SyntheticTuning(attachment, _STAGES[-1], **counts)
        with untouched("after_training"):
            fresh(strategy).after_training(tuning)
        for value in (*tuning.losses, *attachment.parameters()):
            if not value.isfinite().all():
                raise AssertionError(f"after_training with {counts or 'ordinary counts'} leaves NaN or infinity behind")
        if any(loss.shape != () for loss in tuning.losses):
            raise AssertionError("after_training's loss must be a scalar")


def check_hold_out(strategy: Strategy) -> None:
    """``hold_out`` returns some of the labelled images, never all, before the first round and after."""
    if "hold_out" not in strategy.hooks:
        return
    generator = torch.Generator().manual_seed(0)
    for old_count, new_count in ((0, 1), (0, 50), (1, 1), (40, 1), (60, 200)):
        count = old_count + new_count
        indices = torch.randperm(1000, generator=generator)[:count]
        labels = torch.randint(CLASSES, (count,), generator=generator)
        losses = torch.rand(count, generator=generator) if old_count else None
        old, new = (
            Labelled(indices[part], labels[part], None if losses is None else losses[part])
            for part in (slice(0, old_count), slice(old_count, None))
        )
        with untouched("hold_out"):
            held_out = fresh(strategy).hold_out(old, new).tolist()
        if len(set(held_out)) < len(held_out) or not set(held_out) < set(indices.tolist()):
            raise AssertionError(
                f"hold_out must give distinct dataset indices of some of the {count} labelled images, not {held_out}"
            )


def check_state(strategy: Strategy) -> None:
    """What ``state_dict`` returns can be saved, and a strategy that restores it chooses alike."""
    if "state" not in strategy.hooks:
        return
    pool, resumed, used = SyntheticPool.draw(), copy.deepcopy(strategy), copy.deepcopy(strategy)
    used.select(pool, 10, torch.Generator())
    file = io.BytesIO()
    with untouched("state_dict"):
        torch.save(used.state_dict(), file)
    file.seek(0)
    try:
        resumed.load_state_dict(torch.load(file, weights_only=True))
    except Exception as error:
        raise AssertionError(
            f"state_dict must survive torch.save, torch.load(weights_only=True) and load_state_dict: {error}"
        ) from error
    choices = [each.select(pool, 10, torch.Generator().manual_seed(0)) for each in (used, resumed)]
    if not choices[0].equal(choices[1]):
        raise AssertionError("a resumed strategy chooses differently: state_dict must hold all that is carried")


def _attached(strategy: Strategy, channels: tuple[int, ...]) -> Attachment | None:
    with untouched("attach"), torch.random.fork_rng(devices=[]):  # the initial weights come from torch's generator
        torch.manual_seed(0)
        return fresh(strategy).attach(channels, CLASSES)


def fresh(strategy: S) -> S:
    """The strategy, as it was before any call if it carries state."""
    return copy.deepcopy(strategy) if "state" in strategy.hooks else strategy


@contextmanager
def untouched(what: str) -> Iterator[None]:
    """Raise AssertionError if ``what``, done within, changes the state of the process, random state included."""
    try:
        with process_state.unchanged(what):
            yield
    except process_state.ProcessChanged as error:
        raise AssertionError(str(error)) from None
    except SystemExit as error:
        raise AssertionError(f"{what} calls sys.exit: raise an error instead") from error
