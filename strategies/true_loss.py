"""True loss: what a perfect loss prediction would select. A diagnostic."""

from __future__ import annotations

from typing import cast

from torch import Tensor
from torch.nn import functional as F

from strategies.api import OraclePool, Passes, Pool, ScoreStrategy, register


@register("true-loss", group="diagnostic", version=1)
class TrueLoss(ScoreStrategy):
    """The largest true loss −log p_y, read off the true labels: a diagnostic.

    What learning loss and its kin (Yoo & Kweon, CVPR 2019, arXiv 1905.03677) would select if they predicted the loss
    without error.
    """

    needs = frozenset({"oracle"})
    cost = "O(N C)"
    forward_passes = Passes(pool=1)
    remarks = (
        "Not an upper bound: the images of the largest loss are hard, mislabelled and alike. In a public "
        "re-implementation of learning loss (github.com/Mephisto405/Learning-Loss-for-Active-Learning, CIFAR-10) it "
        "stays below the predicted loss."
    )

    def score(self, pool: Pool) -> Tensor:
        labels = cast(OraclePool, pool).true_labels
        return F.cross_entropy(pool.logits.float(), labels, reduction="none")
