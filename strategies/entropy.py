"""Predictive entropy, of the softmax at any temperature.

Settles, *Active Learning Literature Survey*, University of Wisconsin–Madison, 2009. Temperature scaling is that of Guo,
Pleiss, Sun & Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017, arXiv 1706.04599: one number, of least
negative log-likelihood on held-out labels. Ours: held out are 30 % of the labelled images, and the logits on them are
those of a model trained on the other 70 %, for the round's own model has seen them all; no further label is spent.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Passes, Pool, ScoreStrategy, register
from strategies.kernels.margins import tempered_probs
from strategies.kernels.temperature import fitted_temperature

_HELD_OUT = 0.3  # share of the labelled images that the temperature is fitted on


@register("entropy", group=("core", "uncertainty"), paper="settles2009", version=1)
class Entropy(ScoreStrategy):
    """Predictive entropy H(p) = −Σ_c p_c log p_c, in nats.

    p is softmax(logits / ``temperature``). With ``calibrated=True`` the temperature is fitted in every round, by
    temperature scaling on 30 % of the labelled images, held out from a second training; with fewer than 2 C labels it
    is 1. Towards low temperatures the order becomes that of the gap between the two highest logits.
    """

    cost = "O(N C)"
    remarks = (
        "Counts doubt among unlikely classes, which margin ignores; for two classes it orders images as margin does. "
        "A large batch may hold near-duplicates."
    )

    presets: ClassVar = {"authors": {"temperature": 1.0, "calibrated": False}}

    def __init__(self, temperature: float = 1.0, calibrated: bool = False) -> None:
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be a number above 0, not {temperature}")
        if calibrated and temperature != 1:
            raise ValueError("calibrated=True fits the temperature: leave temperature out")
        self.temperature = temperature
        self.calibrated = calibrated
        self.forward_passes = Passes(pool=1, cross_fit=_HELD_OUT if calibrated else 0.0)
        if calibrated:
            self.needs = frozenset({"cross_fit"})

    def score(self, pool: Pool) -> Tensor:
        temperature = self.temperature
        if self.calibrated:
            held_out = pool.cross_fit(_HELD_OUT)
            temperature = fitted_temperature(*held_out) if held_out else 1.0
        probs = pool.probs if temperature == 1 else tempered_probs(pool.logits, temperature)
        return torch.special.entr(probs).sum(dim=1)
