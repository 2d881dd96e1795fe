"""The contract of acqbench's strategies, and what is particular to this one."""

import torch
from information_density import InformationDensity

from strategies.testing import SyntheticPool, check_strategy


def test_contract() -> None:
    check_strategy(InformationDensity())
    check_strategy("information-density[beta=0.5]")  # by its entry point, as the command line has it


def test_without_density_it_is_entropy() -> None:
    pool = SyntheticPool.draw()
    chosen = InformationDensity(beta=0).select(pool, 10, torch.Generator())
    assert chosen.equal(torch.special.entr(pool.probs).sum(1).sort(descending=True).indices[:10])
