"""Query by committee: images on which heads disagree that the labelled images all allow.

K last layers vote on every image. With ``committee="bootstrap"`` each is fitted as the model's own is, on L labelled
images drawn from the L with replacement (Abe & Mamitsuka, *Query Learning Strategies Using Boosting and Bagging*, ICML
1998); with ``"posterior"`` they are draws from the model's posterior: dropout masks, or of a head that is solved its
Laplace approximation. With p^k the k-th member's probabilities, p̄ their mean and v_c the share of the members whose
argmax is c, the score is, in nats,

    vote entropy        −Σ_c v_c log v_c          Dagan & Engelson, ICML 1995
    KL to the mean      (1/K) Σ_k KL(p^k ‖ p̄)     McCallum & Nigam, ICML 1998; it equals bald's information
    consensus entropy   −Σ_c p̄_c log p̄_c

Votes of K members take few values, so that many images tie: ties are broken at random.

Dagan & Engelson, *Committee-Based Sampling for Training Probabilistic Classifiers*, ICML 1995; the idea is Seung,
Opper & Sompolinsky's, *Query by Committee*, COLT 1992.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Strategy, drawn_top, register
from strategies.components.monte_carlo import check_samples
from strategies.kernels.heads import probabilities
from strategies.kernels.mixtures import mutual_information

Committee = Literal["bootstrap", "posterior"]
Measure = Literal["vote-entropy", "kl", "consensus"]


@register("qbc", group="bayesian", paper="dagan1995", version=1)
class QueryByCommittee(Strategy):
    """The images on which a committee of heads disagrees most.

    ``members`` is K; ``committee`` is ``"bootstrap"``, heads fitted on resampled labels, or ``"posterior"``;
    ``measure`` is ``"vote-entropy"``, ``"kl"`` or ``"consensus"``.
    """

    cost = "K fits of the head and O(N K C D)"
    remarks = (
        "For heads on embeddings, whose K fits take no longer than one training step of a network. With few labels a "
        "resample may lack a class, for which its member never votes."
    )

    presets: ClassVar = {"authors": {"measure": "vote-entropy"}}
    departures: ClassVar = (
        Departure(
            "committee",
            "a classifier that has no posterior in closed form, and fits in no time, can be resampled instead",
            "models drawn from the posterior of a generative model's counts",
            "heads on bootstrap samples of the labelled images",
        ),
        Departure("members", "fewer give votes that tie on nearly all images", "small committees", "10 members"),
        Departure(
            "batch",
            "the protocols query in batches",
            "one example after the other, each labelled with a probability that grows with the disagreement",
            "the images of the largest disagreement",
        ),
    )

    def __init__(
        self, members: int = 10, committee: Committee = "bootstrap", measure: Measure = "vote-entropy"
    ) -> None:
        check_samples(members)
        for name, value, kind in (("committee", committee, Committee), ("measure", measure, Measure)):
            if value not in get_args(kind):
                raise ValueError(f"{name} is one of {', '.join(get_args(kind))}, not '{value}'")
        self.members, self.committee, self.measure = members, committee, measure
        self.forward_passes = Passes(masks=members) if committee == "posterior" else None
        self.needs = frozenset({"refits"} if committee == "bootstrap" else {"dropout"})

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        scores = disagreement(self.probs(pool, generator), self.measure)
        pool.note(agreed=(scores == 0).float().mean())
        return drawn_top(scores, n, generator)

    def probs(self, pool: Pool, generator: torch.Generator) -> Tensor:
        """p^k of each unlabelled image, (N, K, C). Raises ValueError without labels."""
        if not len(pool.labels):
            raise ValueError("qbc needs labelled images, and there are none: draw the initial labels otherwise")
        if self.committee == "posterior":
            probs = pool.mc_probs(self.members)
            return probs.to(torch.promote_types(probs.dtype, torch.float32))
        labelled = len(pool.labels)
        rows = torch.randint(labelled, (self.members, labelled), generator=generator)
        return probabilities(pool.embeddings, pool.refitted(rows.to(pool.labels.device)))


def disagreement(probs: Tensor, measure: Measure) -> Tensor:
    """The disagreement (N,), in nats, of members with ``probs`` (N, K, C). Raises ValueError for NaN."""
    if probs.isnan().any():
        raise ValueError("the committee's probabilities contain NaN: the model's outputs are not finite")
    if measure == "kl":
        return mutual_information(probs).clamp_min(0)
    if measure == "consensus":
        return torch.special.entr(probs.mean(dim=1)).sum(dim=1)
    votes = probs.new_zeros(len(probs), probs.shape[2])
    votes.scatter_add_(1, probs.argmax(dim=2), torch.ones_like(probs[:, :, 0]))
    return torch.special.entr(votes / probs.shape[1]).sum(dim=1)
