"""Diagnostics that cheat: what they buy, who may, and how they are marked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy import stats
from support.report_lines import write_experiment, write_run
from support.tiny import bench, experiment, plugin, run_lines
from torch import Tensor
from torch.nn import functional as F

from benchmark.reports import notes_of, write_report
from benchmark.reports.sections import accuracy, areas
from strategies.greedy_oracle import GreedyOracle, nll_after, refit, with_one
from strategies.registry import members
from strategies.testing.synthetic import SyntheticPool
from strategies.true_loss import TrueLoss

RIDGE = 0.7
C = 4


def test_the_largest_true_losses_are_bought() -> None:
    pool = SyntheticPool.draw(30)
    losses = [-float(pool.probs[i, pool.true_labels[i]].log()) for i in range(30)]
    assert TrueLoss().select(pool, 7, torch.Generator()).tolist() == sorted(range(30), key=lambda i: -losses[i])[:7]


# --- the refit of the greedy oracle


def gram_factor(points: Tensor) -> Tensor:
    return torch.linalg.cholesky(points.T @ points + 2 * RIDGE * torch.eye(points.shape[1], dtype=torch.float64))


def objective(weights: Tensor, fitted: Tensor, points: Tensor, labels: Tensor, ridge: float = RIDGE) -> Tensor:
    loss = F.cross_entropy(points @ weights.T, labels, reduction="sum")
    return loss + ridge / 2 * (weights - fitted).square().sum()


def minimum(fitted: Tensor, points: Tensor, labels: Tensor, ridge: float = RIDGE) -> Tensor:
    """The head that minimises the objective, by L-BFGS."""
    with torch.enable_grad():
        weights = fitted.clone().requires_grad_()
        optimiser = torch.optim.LBFGS([weights], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimiser.zero_grad()
            value = objective(weights, fitted, points, labels, ridge)
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach()


@pytest.fixture
def known() -> tuple[Tensor, Tensor, Tensor]:
    """A fitted head (C, D + 1), labelled points (L, D + 1) and labels (L,)."""
    pool = SyntheticPool.draw(size=25, labelled=12)
    fitted = torch.cat([pool.head.weight, pool.head.bias[:, None]], 1).detach().double()
    return fitted, with_one(pool.labelled_embeddings), pool.labels


def test_refitting_goes_down_to_the_minimum(known: tuple[Tensor, Tensor, Tensor]) -> None:
    fitted, points, labels = known
    weights, before = fitted, objective(fitted, fitted, points, labels)
    for _ in range(60):
        weights = refit(weights, fitted, points, labels, RIDGE, gram_factor(points))
        now = objective(weights, fitted, points, labels)
        assert now <= before + 1e-9
        before = now
    torch.testing.assert_close(weights, minimum(fitted, points, labels), atol=1e-5, rtol=1e-4)


def test_a_candidates_step_is_that_of_the_whole_bound(known: tuple[Tensor, Tensor, Tensor]) -> None:
    """Against the step with Böhning's bound as a (C·D, C·D) matrix, written out."""
    fitted, points, _ = known
    pool = SyntheticPool.draw(size=9, seed=3)
    candidates, labels = with_one(pool.embeddings), pool.true_labels
    test, test_labels = with_one(pool.test_embeddings), pool.test_labels
    found = nll_after(fitted, gram_factor(points), candidates, labels, test, test_labels)
    spread = 0.5 * (torch.eye(C, dtype=torch.float64) - torch.full((C, C), 1 / C, dtype=torch.float64))
    for i in range(9):
        both = torch.cat([points, candidates[i : i + 1]])
        bound = torch.kron(spread, both.T @ both) + RIDGE * torch.eye(fitted.numel(), dtype=torch.float64)
        with torch.enable_grad():
            weights = fitted.clone().requires_grad_()
            F.cross_entropy(candidates[i : i + 1] @ weights.T, labels[i : i + 1]).backward()  # type: ignore[no-untyped-call]
        assert weights.grad is not None
        stepped = fitted - torch.linalg.solve(bound, weights.grad.flatten()).view_as(fitted)
        torch.testing.assert_close(found[i].double(), F.cross_entropy(test @ stepped.T, test_labels), atol=1e-5, rtol=0)


def test_each_purchase_is_the_best_candidate_after_a_refit() -> None:
    pool = SyntheticPool.draw(size=20, labelled=12)
    fitted = torch.cat([pool.head.weight, pool.head.bias[:, None]], 1).detach().double()
    every, labels = with_one(pool.embeddings), pool.true_labels
    ridge = 0.1 * float(every.square().sum(1).mean())
    points, targets = with_one(pool.labelled_embeddings), pool.labels
    chosen = GreedyOracle().select(pool, 4, torch.Generator().manual_seed(0)).tolist()
    assert len(set(chosen)) == 4
    for best in chosen:
        weights = minimum(fitted, points, targets, ridge)
        factor = torch.linalg.cholesky(points.T @ points + 2 * ridge * torch.eye(7, dtype=torch.float64))
        nll = nll_after(weights, factor, every, labels, with_one(pool.test_embeddings), pool.test_labels)
        left = [i for i in range(20) if i not in chosen[: chosen.index(best)]]
        assert nll[best] <= nll[left].min() + 2e-3  # the strategy's refit stops after 10 steps
        points, targets = torch.cat([points, every[best, None]]), torch.cat([targets, labels[best, None]])


def test_one_step_ranks_candidates_as_a_whole_refit_does() -> None:
    pool = SyntheticPool.draw(size=60, labelled=12, seed=1)
    fitted = torch.cat([pool.head.weight, pool.head.bias[:, None]], 1).detach().double()
    every, labels = with_one(pool.embeddings), pool.true_labels
    points, targets = with_one(pool.labelled_embeddings), pool.labels
    test, test_labels = with_one(pool.test_embeddings), pool.test_labels
    weights = minimum(fitted, points, targets)
    quick = nll_after(weights, gram_factor(points), every, labels, test, test_labels)
    whole = []
    for i in range(60):
        more, answers = torch.cat([points, every[i : i + 1]]), torch.cat([targets, labels[i : i + 1]])
        whole.append(float(F.cross_entropy(test @ minimum(fitted, more, answers).T, test_labels)))
    assert stats.spearmanr(quick, whole).statistic > 0.8


def test_only_the_drawn_candidates_are_bought_and_more_where_more_are_asked_for() -> None:
    pool = SyntheticPool.draw(40)
    drawn = torch.randperm(40, generator=torch.Generator().manual_seed(5))
    chosen = GreedyOracle(candidates=8).select(pool, 6, torch.Generator().manual_seed(5))
    assert set(chosen.tolist()) < set(drawn[:8].tolist())
    chosen = GreedyOracle(candidates=8).select(pool, 12, torch.Generator().manual_seed(5))
    assert set(chosen.tolist()) == set(drawn[:12].tolist())


@pytest.mark.parametrize(
    ("parameters", "message"), [({"candidates": 0}, "at least 1, not 0"), ({"ridge": 0.0}, "positive, not 0.0")]
)
def test_bad_parameters_are_refused(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GreedyOracle(**parameters)  # type: ignore[arg-type]


# --- who may, and the mark


def test_knowing_the_answers_helps(tmp_path: Path) -> None:
    """A run reaches a clearly lower test loss than random with 20 labels more, on the same training."""
    request = ("--strategies", "random", "greedy-oracle", "--seeds", "0", "--budgets", "10", "30")
    assert bench(tmp_path, *request, "--set", "recipe.min_steps=60") == 0
    final = {header["key"]["strategy"]: rounds[-1]["nll"] for header, *rounds in run_lines(tmp_path).values()}
    assert final["greedy-oracle"] < 0.9 * final["random"]


MINE = """\
class Mine(Strategy):
    needs = frozenset({"oracle"})
    def select(self, pool, n, generator):
        return torch.sort(pool.true_labels, stable=True).indices[:n]
"""
REGISTERED = MINE.replace(
    "class Mine", 'from strategies import register\n@register("peek", group="diagnostic")\nclass Mine'
)


def test_a_strategy_outside_the_group_is_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--strategies", plugin(tmp_path, MINE), "random") == 2
    error = capsys.readouterr().err.strip()
    assert "cannot run here: only a strategy that needs 'oracle' and is in the group 'diagnostic' reads" in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.glob("results/*/runs/*"))


def test_a_person_has_no_true_labels_to_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--strategies", "true-loss", "--set", "oracle=person") == 2
    assert "which are unknown where a person labels" in capsys.readouterr().err


def test_the_header_says_who_cheats(tmp_path: Path) -> None:
    mine = plugin(tmp_path, REGISTERED, "registered.py")
    assert bench(tmp_path, "--strategies", "random", mine, "true-loss", "--seeds", "0", "--budgets", "10", "12") == 0
    headers = {lines[0]["key"]["strategy"]: lines[0]["diagnostic"] for lines in run_lines(tmp_path).values()}
    assert headers == {"random": False, "peek": True, "true-loss": True}
    assert experiment(tmp_path).is_dir()


def test_none_of_them_is_in_all() -> None:
    assert {"true-loss", "greedy-oracle"} <= set(members("diagnostic"))
    assert not {"true-loss", "greedy-oracle"} & set(members("all"))


def test_tables_and_figures_mark_them(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "mnist")
    for seed in range(2):
        write_run(root, "random", seed)
        write_run(root, "margin", seed)
        write_run(root, "true-loss", seed, diagnostic=True)
    report = write_report(root)
    sentence = "‡ Diagnostic (uses true labels; not ranked): true-loss."
    for table in ("accuracy", "summary"):
        text = (root / "tables" / f"{table}.md").read_text()
        assert "| true-loss‡" in text
        assert "margin‡" not in text
        assert sentence in text
        assert r"true-loss$^\ddagger$" in (root / "tables" / f"{table}.tex").read_text()
    assert sentence in notes_of(report)
    curves, rows = (section.figure(report, report.views[0]) for section in (accuracy, areas))
    assert curves is not None
    assert rows is not None
    texts = [t.get_text() for t in curves.findobj() if label(t)]
    assert "true-loss‡" in texts
    assert "margin" in texts
    assert any("‡ diagnostic, uses true labels" in text for text in texts)
    names = [t.get_text() for t in rows.axes[0].get_yticklabels()]
    assert sorted(names) == ["margin", "random", "true-loss‡"]


def label(artist: object) -> bool:
    return hasattr(artist, "get_text")
