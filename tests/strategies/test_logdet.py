"""LogDet against brute force."""

import numpy as np
import pytest
import torch
from support.made_up import normal, pool_of, seeded

from strategies.kernels.pivoted_cholesky import pivoted_cholesky
from strategies.logdet import LogDet
from strategies.margin import Margin
from strategies.testing import SyntheticPool


def greedy_log_determinant(points: np.ndarray, n: int, noise: float) -> list[int]:
    kernel = points @ points.T + noise * np.eye(len(points))
    chosen: list[int] = []
    for _ in range(n):
        rest = [i for i in range(len(points)) if i not in chosen]
        values = [np.linalg.slogdet(kernel[np.ix_([*chosen, i], [*chosen, i])])[1] for i in rest]
        chosen.append(rest[int(np.argmax(values))])
    return chosen


@pytest.mark.parametrize("noise", [1e-3, 0.1, 10])
@pytest.mark.parametrize("block", [None, 1, 4])
def test_pivoted_cholesky_maximises_the_log_determinant_greedily(noise: float, block: int | None) -> None:
    points = normal(60, 8) * torch.rand(60, 1, generator=seeded())
    expected = greedy_log_determinant(points.numpy(), 25, noise)
    assert pivoted_cholesky(points, 25, noise, block=block).tolist() == expected
    assert len(set(pivoted_cholesky(points, 60, noise, block=block).tolist())) == 60


def test_blocks_make_the_same_picks_as_sweeps() -> None:
    points = normal(2000, 20).relu()
    plain = pivoted_cholesky(points, 300, 0.01, block=1)
    for block in (7, None, 2000):
        assert pivoted_cholesky(points, 300, 0.01, block=block).equal(plain)
    assert pivoted_cholesky(points.float(), 20, 0.01).equal(plain[:20])


def test_logdet_scales_the_cosine_by_the_uncertainty() -> None:
    pool = SyntheticPool.draw(60)
    vectors = pool.embeddings.double()
    vectors = vectors / vectors.norm(dim=1, keepdim=True) * Margin().score(pool).double()[:, None]
    assert LogDet(0.05).select(pool, 20, seeded()).tolist() == greedy_log_determinant(vectors.numpy(), 20, 0.05)


def test_logdet_of_orthogonal_images_is_margin_and_passes_over_copies() -> None:
    probs = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.7, 0.3], [0.9, 0.1], [1.0, 0.0]])
    directions = torch.eye(4)[[0, 0, 1, 2, 3]]
    assert LogDet().select(pool_of(probs=probs, embeddings=directions), 3, seeded()).tolist() == [0, 2, 3]
    distinct = pool_of(probs=probs[1:], embeddings=7 * directions[1:])
    assert LogDet().select(distinct, 4, seeded()).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="noise must be above 0, not 0"):
        LogDet(0)
