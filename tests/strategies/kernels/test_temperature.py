"""Temperature scaling against its authors' code, against SciPy, and where the optimum lies outside.

``golden/temperature.npz`` holds the temperatures that ``source`` in it found, once, for logits that are over-confident,
far and a little. (From logits that are under-confident that code does not converge.)
"""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from support.made_up import golden, normal, seeded
from torch import Tensor

from strategies.kernels.temperature import LEAST, MOST, fitted_temperature


@pytest.mark.parametrize("name", ["over", "mild"])
def test_the_temperature_is_that_of_its_authors(name: str) -> None:
    stored = golden("temperature")
    assert "gpleiss/temperature_scaling" in str(stored["source"])
    found = fitted_temperature(*(torch.from_numpy(stored[f"{name}_{part}"]) for part in ("logits", "labels")))
    assert found == pytest.approx(float(stored[f"{name}_temperature"]), rel=2e-3)  # where its steps end


def negative_log_likelihood(temperature: float, logits: Tensor, labels: Tensor) -> float:
    scaled = logits.double().numpy() / temperature
    return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels.numpy()]))


@pytest.mark.parametrize("scale", [0.2, 1, 3, 12])
@pytest.mark.parametrize("classes", [2, 7])
def test_no_other_temperature_has_a_lower_loss(scale: float, classes: int) -> None:
    logits = 1.5 * normal(60, classes)
    labels = torch.multinomial(logits.softmax(1), 1, generator=seeded(2)).squeeze(1)
    logits = scale * logits
    expected = minimize_scalar(
        lambda x: negative_log_likelihood(np.exp(x), logits, labels),
        bounds=(np.log(LEAST), np.log(MOST)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert fitted_temperature(logits, labels) == pytest.approx(np.exp(expected.x), rel=1e-5)
    assert fitted_temperature(logits.float(), labels) == pytest.approx(np.exp(expected.x), rel=1e-4)


def test_an_optimum_outside_ends_at_the_nearer_bound() -> None:
    logits = normal(20, 4)
    assert fitted_temperature(logits, logits.argmax(dim=1)) == LEAST
    assert fitted_temperature(logits, logits.argmin(dim=1)) == MOST
    assert fitted_temperature(torch.zeros(5, 4), torch.zeros(5, dtype=torch.int64)) == MOST


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        fitted_temperature(torch.tensor([[0.0, torch.nan]]), torch.tensor([0]))
