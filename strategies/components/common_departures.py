"""Departures that several methods have in common."""

from __future__ import annotations

from strategies.api import Departure

K_MEANS = Departure(
    "k-means",
    "time: on one thread ten runs of k-means with all points take longer than the training of a small network",
    "scikit-learn's KMeans, the best of several seedings, whatever the number of clusters",
    "one k-means++ seeding; mini-batches of 5,000 beyond 50 clusters; centres that share a nearest image take the next",
)

POOL_OF_2000 = Departure(
    "pool",
    "the paper scores the pool; `subset[factor=200]:X` around a strategy that takes its highest scores is theirs",
    "2,000 images, drawn anew for each query of 10, in the authors' code",
    "all unlabelled images",
)
