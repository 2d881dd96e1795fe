"""What a query makes the fitted model compute: passes over images, which is what it costs on any machine."""

from __future__ import annotations

from typing import NamedTuple


class Passes(NamedTuple):
    """The forward passes of a query, each through the whole network.

    ``pool`` over the unlabelled images, ``labelled`` over the labelled ones. ``masks`` is the number of dropout masks
    (``Pool.mc_probs``), which share a pass up to the first dropout. ``cross_fit`` is the share of the labelled images
    that a second training leaves out (``Pool.cross_fit``), 0 for none, and ``images`` the number of images that pass
    in the tuning of an attachment.
    """

    pool: int = 0
    labelled: int = 0
    masks: int = 0
    cross_fit: float = 0.0
    images: int = 0


class Query(NamedTuple):
    """A query for ``n`` images in round ``round``, after a training of ``training_steps`` steps.

    ``training_images`` images were trained on in all steps together. There are ``labelled`` labelled and ``unlabelled``
    unlabelled images of ``class_count`` classes.
    """

    round: int
    n: int
    labelled: int
    unlabelled: int
    class_count: int
    training_steps: int
    training_images: int
