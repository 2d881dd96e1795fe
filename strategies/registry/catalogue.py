"""The suite's strategies, in the order of ``--list``, of grids and of docs/strategies.md."""

from __future__ import annotations

from strategies.activeft import ActiveFT
from strategies.alfa_mix import AlfaMix
from strategies.api import Strategy
from strategies.badge import Badge
from strategies.bait import Bait
from strategies.bald import BALD
from strategies.batchbald import BatchBALD
from strategies.boss import BoSS
from strategies.cal import CAL
from strategies.cdal import CDAL
from strategies.clue import CLUE
from strategies.cluster_margin import ClusterMargin
from strategies.coremse import CoreMSE
from strategies.coreset import CoreSet
from strategies.dcom import DCoM
from strategies.dropquery import DropQuery
from strategies.entropy import Entropy
from strategies.epig import EPIG
from strategies.falcun import FALCUN
from strategies.greedy_oracle import GreedyOracle
from strategies.kmeans import KMeans
from strategies.laplace_bald import LaplaceBALD
from strategies.lcmd import LCMD
from strategies.learning_loss import LearningLoss
from strategies.least_confidence import LeastConfidence
from strategies.logdet import LogDet
from strategies.margin import Margin
from strategies.maxherding import MaxHerding
from strategies.mc_entropy import MCEntropy
from strategies.mean_std import MeanStd
from strategies.noise_stability import NoiseStability
from strategies.probcover import ProbCover
from strategies.query_by_committee import QueryByCommittee
from strategies.random import Random
from strategies.refine import Refine
from strategies.semi_supervised_learning_loss import SemiSupervisedLearningLoss
from strategies.tcm import TCM
from strategies.tod import TOD
from strategies.true_loss import TrueLoss
from strategies.typiclust import TypiClust
from strategies.uherding import UHerding
from strategies.variation_ratio import VariationRatio
from strategies.weighted_kmeans import WeightedKMeans

CATALOGUE: tuple[type[Strategy] | str, ...] = (  # classes, and wrapped strategies that are listed by name
    Random,
    # one softmax output
    LeastConfidence,
    Margin,
    Entropy,
    # Monte-Carlo dropout
    BALD,
    MCEntropy,
    VariationRatio,
    MeanStd,
    BatchBALD,
    EPIG,
    CoreMSE,
    # a Gaussian posterior over the last layer
    LaplaceBALD,
    # a committee of heads
    QueryByCommittee,
    # diversity
    CoreSet,
    KMeans,
    CDAL,
    ClusterMargin,
    LogDet,
    LCMD,
    # uncertainty and diversity
    Badge,
    CLUE,
    WeightedKMeans,
    FALCUN,
    Bait,
    AlfaMix,
    DropQuery,
    CAL,
    NoiseStability,
    Refine,
    # few labels
    TypiClust,
    ProbCover,
    MaxHerding,
    ActiveFT,
    UHerding,
    DCoM,
    TCM,
    # learned with the network, or from one round to the next
    LearningLoss,
    SemiSupervisedLearningLoss,
    TOD,
    # stochastic batches
    "power:margin",
    "power:entropy",
    "power:bald",
    "softmax:margin",
    "softrank:margin",
    "subset:margin",
    # diagnostics, which use the true labels
    TrueLoss,
    GreedyOracle,
    BoSS,
)
