"""Temperature scaling: the one number that logits are divided by so that their softmax fits held-out labels.

Guo, Pleiss, Sun & Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017, arXiv 1706.04599.
"""

from __future__ import annotations

from torch import Tensor

LEAST, MOST = 0.05, 20.0  # the temperatures that a fit stays between
_HALVINGS = 60


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T in [0.05, 20] of least negative log-likelihood, for ``logits`` (M, C) and ``labels`` (M,).

    In 1/T the likelihood is log-concave, so bisection of its derivative finds the one optimum. Where it lies outside
    (all labels predicted right: T → 0; no better than chance: T → ∞) the nearer bound is returned. Raises ValueError
    for logits that are not finite.
    """
    if not logits.isfinite().all():
        raise ValueError("held-out logits contain NaN or infinity: the model's outputs are not finite")
    z = logits.double()
    target = z.gather(1, labels[:, None]).mean()

    def slope(inverse: float) -> float:
        """The derivative of the mean negative log-likelihood with respect to 1/T: E_p[z] − z_y."""
        return float(((inverse * z).softmax(dim=1) * z).sum(dim=1).mean() - target)

    low, high = 1 / MOST, 1 / LEAST
    if slope(low) >= 0:
        return MOST
    if slope(high) <= 0:
        return LEAST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)
