"""The pool: the unlabelled images and the fitted model's outputs on them.

Shapes: N unlabelled images, L labelled images, C classes, D embedding dimensions, F feature dimensions, K Monte-Carlo
samples, T test images.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn


class Pool(Protocol):
    """The unlabelled images and the fitted model's outputs on them; each part is computed once, on first use.

    All tensors are on the run's device. Row i of every (N, …) tensor belongs to ``indices[i]``, row j of every
    (L, …) tensor to ``labelled_indices[j]``. Logits, embeddings and the attachment's output are float32. The pool
    gives no access to the labels of unlabelled images.
    """

    @property
    def indices(self) -> Tensor: ...  # (N,) dataset indices, int64
    @property
    def labelled_indices(self) -> Tensor: ...  # (L,) dataset indices, int64
    @property
    def labels(self) -> Tensor: ...  # (L,) labels of the labelled images, int64
    @property
    def class_count(self) -> int: ...
    @property
    def has_model(self) -> bool: ...  # False while a strategy chooses the initial labels
    @property
    def logits(self) -> Tensor: ...  # (N, C)
    @property
    def probs(self) -> Tensor: ...  # (N, C)
    @property
    def embeddings(self) -> Tensor: ...  # (N, D)
    @property
    def labelled_embeddings(self) -> Tensor: ...  # (L, D)
    @property
    def head(self) -> nn.Linear: ...  # the network's last linear layer
    @property
    def attachment_output(self) -> Tensor: ...  # (N,)
    @property
    def features(self) -> Tensor: ...  # (N, F) self-supervised or pretrained
    @property
    def labelled_features(self) -> Tensor: ...  # (L, F) self-supervised or pretrained
    @property
    def previous_probs(self) -> Tensor | None: ...  # (N, C) by the previous round's model; None in the first round
    def mc_probs(self, samples: int) -> Tensor: ...  # (N, K, C), the k-th dropout mask shared by all images

    def note(self, **premises: float | Tensor) -> None:
        """Record with the round what the strategy has seen of its own premises, such as ``radius=0.41``.

        Numbers, or tensors of one; of a name noted twice the later one counts. Names are lower-case letters, digits and
        underscores. The round's diagnostics hold them as ``premise.<name>`` and reports print them; they affect no
        choice and must cost next to nothing, for they count towards the query's time. What is not defined is left out:
        NaN and infinity raise ValueError, as a name of another form does.
        """
        ...

    def noisy_logits(self, samples: int, scale: float, positions: Tensor | None = None) -> Tensor:
        """Logits (N, K, C) under K = ``samples`` draws of noise in the weights, the k-th shared by all images.

        Of the M images at ``positions`` (M,) alone, (M, K, C), where these are given; the draws are the same.

        Every weight tensor w gets Gaussian noise that is scaled to ``scale`` · ‖w‖; biases get none. The K passes go
        through the whole network, in float32 whatever the recipe's precision, in which small noise would be lost; a
        ``scale`` of 0 gives what to compare with.
        """
        ...

    def refitted(self, rows: Tensor) -> Tensor:
        """Last layers (P, C, D + 1), the biases last: the p-th is fitted on the labelled images ``rows[p]`` alone.

        ``rows`` (P, n) int64 are positions among the L labelled images and may repeat. Each is fitted as the model's
        own last layer was. Only for strategies that declare ``"refits"`` in ``needs``: the network must be solved, not
        trained in steps.
        """
        ...

    def cross_fit(self, share: float) -> tuple[Tensor, Tensor] | None:
        """Logits (M, C) and labels (M,) of a random ``share`` of the labelled images, by a model fitted on the rest.

        This trains a second model: only for strategies that declare it in ``needs``. None with fewer than 2 C labels.
        """
        ...


class OraclePool(Pool, Protocol):
    """A pool with the true labels and the test set, for diagnostics."""

    @property
    def true_labels(self) -> Tensor: ...  # (N,) of the unlabelled images, int64
    @property
    def test_embeddings(self) -> Tensor: ...  # (T, D)
    @property
    def test_labels(self) -> Tensor: ...  # (T,) int64

    def refitted_with(self, batches: Tensor) -> Tensor:
        """Last layers (P, C, D + 1) as ``refitted``: the p-th is fitted on all labelled images and ``batches[p]``.

        ``batches`` (P, n) int64 are positions among the N unlabelled images, whose true labels are used.
        """
        ...
