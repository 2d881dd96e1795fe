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

CANDIDATES_35000 = Departure(
    "candidates",
    "a lazy greedy finds the same picks among all images without a matrix of all pairs",
    "at most 35,000 images, drawn at random; the mean is over these and the labelled ones",
    "all images",
)

NOTHING_TO_GAIN = Departure(
    "nothing to gain", "the order of the pool must play no part", "the first image that is left", "a random one"
)
