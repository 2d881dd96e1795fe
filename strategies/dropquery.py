"""DropQuery: images whose predicted class does not survive dropout on their features.

The embedding goes through the last layer M times more with dropout; an image is a candidate if more than M/2 of the
passes predict another class than the whole embedding does. The batch is nearest to the centres of a k-means on the
candidates' normalised embeddings. While there are fewer than 25 B candidates, fewer passes need to disagree, down to
one; if there are still fewer than B, all are selected and the rest is drawn at random.
Without a model it takes the nearest to the centres of a k-means on the normalised self-supervised features, with
which its authors start.

Gupte, Aklilu, Nirschl & Yeung-Levy, *Revisiting Active Learning in the Era of Vision Foundation Models*, TMLR 2024,
arXiv 2401.14555. Reference implementation: github.com/sanketx/AL-foundation-models.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.api import Departure, Passes, Pool, Strategy, register
from strategies.components.common_departures import K_MEANS
from strategies.components.feature_space import filled_at_random
from strategies.kernels.clusters import kmeans, nearest_to_centres
from strategies.kernels.distances import Points

_BLOCK = 4096  # images that a draw of masks is for


@register("dropquery", group="hybrid", paper="gupte2024", version=2)
class DropQuery(Strategy):
    """k-means among the images whose predicted class changes in most of three passes with dropout on the embedding.

    ``passes`` is M, ``rate`` the share of an embedding's entries that a pass drops, and ``breadth`` times the batch
    is the least number of candidates.
    """

    cold_start = True
    cost = "O(M N C D), and a k-means of the candidates"
    forward_passes = Passes(pool=1)
    remarks = (
        "Made for frozen features of vision foundation models, which need no dropout in the network. "
        "The masks act on the embedding alone, so that only the last layer's uncertainty is seen. "
        "Of principal components a mask takes more than of a network's own dimensions: it gains less there. "
        "The clusters do not take account of the labelled images."
    )

    presets: ClassVar = {"authors": {"passes": 3, "rate": 0.75, "breadth": 25}}
    departures: ClassVar = (
        Departure(
            "dropout in training",
            "how a model is trained is the protocol's; a solved head has no dropout",
            "the classifier is trained with the masks that it is asked with",
            "masks that the network was not trained with: more predictions change, and more images are candidates",
        ),
        Departure(
            "features",
            "the protocols train networks on images; a data set of such features (an .npz of embeddings) has theirs",
            "those of a frozen vision foundation model, under a linear classifier",
            "the embedding of the network that the round has trained",
        ),
        K_MEANS._replace(theirs="one k-means++ seeding and faiss's k-means, on at most 512 images a cluster"),
    )

    def __init__(self, passes: int = 3, rate: float = 0.75, breadth: int = 25) -> None:
        if passes < 1:
            raise ValueError(f"passes must be at least 1, not {passes}")
        if not 0 < rate < 1:
            raise ValueError(f"rate must be between 0 and 1, not {rate}")
        if breadth < 1:
            raise ValueError(f"breadth must be at least 1, not {breadth}")
        self.passes = passes
        self.rate = rate
        self.breadth = breadth

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        if pool.has_model:
            embeddings = Points.of(pool.embeddings).factors[0]
            candidates = self.candidates(self.disagreements(pool, generator), n)
            pool.note(candidates=len(candidates))
        else:
            embeddings = Points.of(pool.features).factors[0]
            candidates = torch.arange(len(embeddings), device=embeddings.device)
        if len(candidates) < n:
            return filled_at_random(candidates, n, len(embeddings), generator)
        rows = F.normalize(embeddings[candidates])
        _, centres = kmeans(rows, n, generator)
        return candidates[nearest_to_centres(rows, centres)]

    def disagreements(self, pool: Pool, generator: torch.Generator) -> Tensor:
        """How many passes predict another class than the model does, (N,), int64."""
        embeddings, predicted = pool.embeddings, pool.logits.argmax(dim=1)
        parts = zip(embeddings.split(_BLOCK), predicted.split(_BLOCK), strict=True)
        return torch.cat([self._disagreements(pool.head, x, y, generator) for x, y in parts])

    def _disagreements(self, head: nn.Linear, x: Tensor, predicted: Tensor, generator: torch.Generator) -> Tensor:
        dropped = torch.rand((self.passes, *x.shape), generator=generator) < self.rate
        thinned = x.masked_fill(dropped.to(x.device), 0) / (1 - self.rate)
        return (head(thinned).argmax(dim=2) != predicted).sum(dim=0)

    def candidates(self, disagreements: Tensor, n: int) -> Tensor:
        """Positions of the candidates for a batch of ``n``, in order, given the ``disagreements`` (N,).

        Each has at least one: there may be fewer than ``n``, and none where all passes agree with the model.
        """
        most = self.passes // 2
        while most > 0 and int((disagreements > most).sum()) < self.breadth * n:
            most -= 1
        return (disagreements > most).nonzero().squeeze(1)
