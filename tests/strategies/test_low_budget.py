"""What the strategies for few labels have in common: the space they work in, variants, initial images."""

from dataclasses import replace

import pytest
import torch
from support.grouped_pools import grouped_pool
from support.made_up import seeded

from strategies.registry import resolve
from strategies.testing import check_strategy

NAMES = ("typiclust", "probcover", "maxherding", "uherding", "dcom", "tcm")


@pytest.mark.parametrize("name", NAMES)
def test_the_space_decides_what_is_needed_and_read(name: str) -> None:
    images = grouped_pool(80, 6)
    other = grouped_pool(80, 6, seed=1)
    features, embeddings = resolve(name).build(), resolve(f"{name}[space=embeddings]").build()
    assert features.needs - {"cross_fit"} == {"features"}
    assert embeddings.needs == features.needs - {"features"}
    mixed = replace(images, features=other.features, labelled_features=other.labelled_features)
    chosen = embeddings.select(mixed, 9, seeded())
    assert chosen.equal(embeddings.select(images, 9, seeded()))
    assert chosen.equal(features.select(images, 9, seeded()))
    assert not chosen.equal(features.select(mixed, 9, seeded()))
    with pytest.raises(ValueError, match="NaN"):
        features.select(replace(images, features=images.features * torch.nan), 9, seeded())


@pytest.mark.parametrize("name", [*(f"{name}[space=embeddings]" for name in NAMES), "typiclust[distance=squared]"])
def test_variants_keep_the_contract(name: str) -> None:
    check_strategy(name)


@pytest.mark.parametrize("name", NAMES)
def test_initial_images_need_no_model(name: str) -> None:
    first = replace(grouped_pool(60, 0), has_model=False, previous_probs=None)
    assert len(resolve(name).build().select(first, 60, seeded()).unique()) == 60


@pytest.mark.parametrize(
    "text",
    [
        "typiclust[neighbours=0]",
        "typiclust[distance=cosine]",
        "probcover[delta=-1.0]",
        "probcover[purity=2.0]",
        "probcover[delta=0.5,purity=0.9]",
        "probcover[balls_per_class=0.5]",
        "maxherding[sigma=0.0]",
        "uherding[space=pixels]",
        "dcom[delta=-1.0]",
        "dcom[largest_delta=3.0]",
        "dcom[balls_per_class=0.5]",
        "dcom[midpoint=2.0]",
        "dcom[steepness=0.0]",
        "tcm[labels_per_class=-1]",
        "tcm[batches=-1]",
    ],
)
def test_parameters_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|is one of|is a (share|distance)|give one"):
        resolve(text)
