"""The pool: rows that depend on their image only, consistent dropout masks, and what it refuses."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from benchmark.data import datasets
from benchmark.experiment import seeds
from benchmark.loop.pool import FittedPool, candidates, full_probs
from benchmark.models import factory
from benchmark.models.masks import Masks
from benchmark.models.network import Network
from benchmark.training import predict
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor
from strategies.learning_loss import LearningLoss

SIZE = 300  # two chunks, the second not full
PRECISIONS = ["float32", "bfloat16"]


def digits() -> Images:
    data = datasets.load("digits")
    return Images(data.train_images, data.mean, data.std)


def noise(size: int = 16, count: int = 400) -> Images:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3]))


def network(name: str = "cnn", dropout: float = 0.5) -> Network:
    """With weights, and for BatchNorm statistics, that are not the initial ones."""
    channels, size = (1, 8) if name == "cnn" else (3, 16)
    with seeds.scoped(0, "weights", 0):
        made = factory.build(name, {"width": 8, "dropout": dropout}, channels, (size, size), 10)
    made.to(memory_format=torch.channels_last)
    made.draw_dropout_from(Masks(1))
    if name == "compact":
        for _ in range(3):
            made(noise().normalised(torch.arange(64)))
    return made


def images_for(name: str) -> Images:
    return digits() if name == "cnn" else noise()


def pool_of(
    fitted: Network, images: Images, indices: Tensor, precision: str = "float32", stream: tuple[int, int] = (0, 0)
) -> FittedPool:
    labelled = torch.arange(350, 370)
    predictor = Predictor(fitted, None, precision)
    return FittedPool(images, indices, labelled, labelled % 10, 10, predictor, mc_stream=stream)


def outputs(pool: FittedPool) -> dict[str, Tensor]:
    parts = {"logits": pool.logits, "probs": pool.probs, "embeddings": pool.embeddings}
    parts["noisy_logits"] = pool.noisy_logits(2, 0.01)
    return parts | ({"mc_probs": pool.mc_probs(3)} if pool._fitted.network.dropouts else {})


# --- a row depends on its image only


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["cnn", "compact"])
def test_permuting_the_pool_permutes_the_rows_bit_by_bit(name: str, precision: str) -> None:
    fitted, images = network(name), images_for(name)
    order = torch.randperm(SIZE, generator=torch.Generator().manual_seed(2))
    plain = outputs(pool_of(fitted, images, torch.arange(SIZE), precision))
    permuted = outputs(pool_of(fitted, images, torch.arange(SIZE)[order], precision))
    for part, rows in plain.items():
        assert permuted[part].equal(rows[order]), part


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["cnn", "compact"])
def test_rows_do_not_depend_on_the_images_beside_them(name: str, precision: str) -> None:
    fitted, images = network(name), images_for(name)
    some = torch.tensor([7, 299, 12, 13, 250])
    plain = outputs(pool_of(fitted, images, torch.arange(SIZE), precision))
    alone = outputs(pool_of(fitted, images, some, precision))
    for part, rows in plain.items():
        assert alone[part].equal(rows[some]), part


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("name", ["cnn", "compact"])
@pytest.mark.parametrize("chunk", [1, 37, 512])
def test_chunks_of_another_size_give_the_same_rows(
    name: str, precision: str, tolerance: float, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, images, indices = network(name), images_for(name), torch.arange(80)
    plain = outputs(pool_of(fitted, images, indices, precision))
    monkeypatch.setattr(predict, "CHUNK", chunk)
    chunked = outputs(pool_of(fitted, images, indices, precision))
    for part, rows in plain.items():
        scale = float(rows.abs().max())
        torch.testing.assert_close(chunked[part], rows, rtol=0, atol=tolerance * scale)


# --- what the parts are


def test_scoring_sees_the_images_as_they_are() -> None:
    fitted, images = network("cnn"), digits()
    assert fitted.training
    pool = pool_of(fitted, images, torch.arange(SIZE))
    pixels = images.pixels[:SIZE].double().permute(0, 3, 1, 2) / 255
    by_hand = (pixels - images.mean.double()) / images.std.double()
    expected = fitted.eval()(by_hand.float())
    torch.testing.assert_close(pool.logits, expected.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pool.embeddings, expected.embedding, rtol=1e-4, atol=1e-5)
    assert pool.probs.equal(pool.logits.softmax(1))
    assert pool_of(fitted, images, torch.arange(SIZE)).logits.equal(pool.logits)
    assert pool_of(fitted, images, pool.labelled_indices).embeddings.equal(pool.labelled_embeddings)
    for part in ("logits", "probs", "embeddings", "labelled_embeddings"):
        assert getattr(pool, part) is getattr(pool, part)  # computed once


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["cnn", "compact"])
def test_logits_are_the_head_of_the_embeddings(name: str, precision: str) -> None:
    pool = pool_of(network(name), images_for(name), torch.arange(SIZE), precision)
    torch.testing.assert_close(pool.logits, pool.head(pool.embeddings), rtol=1e-4, atol=1e-5)
    assert pool.logits.dtype == pool.embeddings.dtype == pool.probs.dtype == torch.float32
    assert not pool.logits.requires_grad
    assert pool.labelled_embeddings.shape == (20, pool.embeddings.shape[1])


def test_attachment_output_is_that_of_the_attachment() -> None:
    fitted, images = network("cnn"), digits()
    attachment = LearningLoss().attach(fitted.attachment_channels, 10)
    none = torch.empty(0, dtype=torch.int64)
    pool = FittedPool(images, torch.arange(SIZE), none, none, 10, Predictor(fitted, attachment, "float32"))
    expected = attachment(fitted.eval()(images.normalised(torch.arange(SIZE))))
    torch.testing.assert_close(pool.attachment_output, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="needs an attachment"):
        _ = pool_of(fitted, images, torch.arange(5)).attachment_output


def test_previous_probs_are_those_of_the_pools_images() -> None:
    fitted, images, indices = network("cnn"), digits(), torch.tensor([5, 300, 2])
    everybody = full_probs(Predictor(fitted, None, "float32"), images)
    assert everybody.shape == (len(images.pixels), 10)
    none = torch.empty(0, dtype=torch.int64)
    pool = FittedPool(images, indices, none, none, 10, Predictor(fitted, None, "float32"), previous_probs=everybody)
    assert pool.previous_probs is not None
    assert pool.previous_probs.equal(everybody[indices])
    assert pool.previous_probs.equal(pool.probs)  # of the same network, as it happens
    assert pool_of(fitted, images, indices).previous_probs is None


def test_without_a_model_nothing_is_said_of_the_images() -> None:
    none = torch.empty(0, dtype=torch.int64)
    pool = FittedPool(digits(), torch.arange(SIZE), none, none, 10, predictor=None)
    assert not pool.has_model
    assert pool_of(network("cnn"), digits(), torch.arange(5)).has_model
    for part in ("logits", "probs", "embeddings", "labelled_embeddings", "head", "attachment_output"):
        with pytest.raises(ValueError, match="there is no model yet"):
            getattr(pool, part)
    with pytest.raises(ValueError, match="there is no model yet"):
        pool.mc_probs(2)
    for part in ("features", "labelled_features"):
        with pytest.raises(ValueError, match="no self-supervised features"):
            getattr(pool, part)
    assert pool.previous_probs is None


def test_features_are_computed_once_on_first_use_and_need_no_model() -> None:
    none, computed = torch.empty(0, dtype=torch.int64), []

    def compute() -> Tensor:
        computed.append(1)
        return torch.arange(1258 * 3).reshape(1258, 3)

    indices, labelled = torch.tensor([900, 3, 17]), torch.tensor([5, 1200])
    pool = FittedPool(digits(), indices, labelled, labelled, 10, predictor=None, features=compute)
    assert computed == []
    assert pool.features.equal(compute()[indices])
    assert pool.labelled_features.equal(compute()[labelled])
    computed.clear()
    assert pool.features is pool.features
    assert pool.labelled_features is pool.labelled_features
    assert computed == []
    first = FittedPool(digits(), torch.arange(SIZE), none, none, 10, predictor=None, features=compute)
    assert first.labelled_features.shape == (0, 3)


def test_writing_into_the_pool_changes_neither_the_run_nor_the_model() -> None:
    fitted, images, indices = network("cnn"), digits(), torch.arange(40)
    before = fitted.head.weight.detach().clone()
    pool = pool_of(fitted, images, indices)
    pool.indices.zero_()
    pool.head.weight.data.zero_()
    assert indices.equal(torch.arange(40))
    assert fitted.head.weight.equal(before)


# --- Monte-Carlo dropout


def test_a_mask_is_the_same_for_all_images() -> None:
    fitted, images = network("cnn"), digits()
    pool = pool_of(fitted, images, torch.arange(SIZE), stream=(3, 4))
    found, x = pool.mc_probs(4), images.normalised(pool.indices)
    for k in range(4):
        for i, module in enumerate(fitted.dropouts):
            module.mask = module.draw_mask(seeds.generator(3, f"mc-dropout/{k}/{i}", 4))
        expected = fitted(x).logits.softmax(1)
        torch.testing.assert_close(found[:, k], expected, rtol=1e-4, atol=1e-6)
    for module in fitted.dropouts:
        module.mask = None


def test_equal_images_have_equal_samples_and_masks_differ() -> None:
    images = digits()
    same = Images(images.pixels[:1].repeat(SIZE, 1, 1, 1), images.mean, images.std)
    samples = pool_of(network("cnn"), same, torch.arange(SIZE)).mc_probs(6)
    assert samples.equal(samples[:1].expand_as(samples))
    for one, other in pairwise(samples[0]):
        assert not torch.allclose(one, other)
    torch.testing.assert_close(samples.sum(2), torch.ones(SIZE, 6))


def test_samples_are_keyed_by_seed_round_and_number() -> None:
    fitted, images, indices = network("cnn"), digits(), torch.arange(40)
    samples = pool_of(fitted, images, indices).mc_probs(5)
    assert pool_of(fitted, images, indices).mc_probs(5).equal(samples)
    assert pool_of(fitted, images, indices).mc_probs(3).equal(samples[:, :3])
    for stream in ((0, 1), (1, 0)):
        assert not torch.allclose(pool_of(fitted, images, indices, stream=stream).mc_probs(5), samples)


@pytest.mark.parametrize("name", ["cnn", "compact"])
def test_sampling_leaves_the_network_as_it_was(name: str) -> None:
    fitted, images = network(name), images_for(name)
    before = {key: value.clone() for key, value in fitted.state_dict().items()}
    pool = pool_of(fitted, images, torch.arange(SIZE))
    logits = pool.logits.clone()
    global_state = torch.get_rng_state()
    pool.mc_probs(3)
    assert torch.get_rng_state().equal(global_state)
    assert all(module.mask is None for module in fitted.dropouts)
    assert not any(module.training for module in fitted.modules())
    for key, value in fitted.state_dict().items():
        assert value.equal(before[key]), key
    assert pool_of(fitted, images, torch.arange(SIZE)).logits.equal(logits)


def test_a_network_without_dropout_has_no_samples() -> None:
    pool = pool_of(network("compact", dropout=0.0), noise(), torch.arange(5))
    with pytest.raises(ValueError, match=r"needs a network with dropout: set model.parameters.dropout above 0"):
        pool.mc_probs(2)


def test_masks_keep_the_expectation() -> None:
    module = network("compact", dropout=0.3).dropout
    masks = torch.stack([module.draw_mask(torch.Generator().manual_seed(k)) for k in range(2000)])
    assert sorted(masks.unique().tolist()) == pytest.approx([0, 1 / 0.7])
    assert float(masks.mean()) == pytest.approx(1, abs=0.02)


# --- noise in the weights


def disturbed(fitted: Network, scale: float, k: int, seed: int, round_: int) -> Network:
    """A copy with the k-th noise in its weights, tensor by tensor."""
    noisy = copy.deepcopy(fitted)
    layers = [m for m in noisy.modules() if isinstance(getattr(m, "weight", None), nn.Parameter)]
    assert {type(m) for m in layers} >= {nn.Conv2d, nn.BatchNorm2d, nn.Linear}
    for i, layer in enumerate(layers):
        noise = torch.randn(layer.weight.shape, generator=seeds.generator(seed, f"weight-noise/{k}/{i}", round_))
        before = layer.weight.detach().clone()
        with torch.no_grad():
            layer.weight.add_(scale * before.norm() / noise.norm() * noise)
        assert float((layer.weight.detach() - before).norm()) == pytest.approx(scale * float(before.norm()), rel=1e-3)
    return noisy


@pytest.mark.parametrize("scale", [0.001, 0.3])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_noise_is_in_all_weights_and_the_same_for_all_images(precision: str, scale: float) -> None:
    fitted, images = network("compact"), noise()
    pool = pool_of(fitted, images, torch.arange(SIZE), precision, stream=(3, 4))
    found, x = pool.noisy_logits(3, scale), images.normalised(pool.indices)
    assert found.shape == (SIZE, 3, 10)
    for k in range(3):
        expected = disturbed(fitted, scale, k, 3, 4)(x).logits
        torch.testing.assert_close(found[:, k], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_without_noise_the_logits_are_those_in_float32(precision: str) -> None:
    fitted, images = network("compact"), noise()
    plain = pool_of(fitted, images, torch.arange(SIZE), "float32").logits
    pool = pool_of(fitted, images, torch.arange(SIZE), precision)
    torch.testing.assert_close(pool.noisy_logits(2, 0.0), plain[:, None].expand(-1, 2, -1), rtol=1e-5, atol=1e-5)
    assert not pool.noisy_logits(1, 0.001)[:, 0].equal(plain)


def test_noise_is_keyed_by_seed_round_and_number() -> None:
    fitted, images, indices = network("cnn"), digits(), torch.arange(40)
    drawn = pool_of(fitted, images, indices).noisy_logits(5, 0.01)
    assert pool_of(fitted, images, indices).noisy_logits(5, 0.01).equal(drawn)
    assert pool_of(fitted, images, indices).noisy_logits(3, 0.01).equal(drawn[:, :3])
    some = torch.tensor([7, 0, 39])
    assert pool_of(fitted, images, indices).noisy_logits(5, 0.01, some).equal(drawn[some])
    for one, other in pairwise(drawn.unbind(1)):
        assert not torch.allclose(one, other)
    for stream in ((0, 1), (1, 0)):
        assert not torch.allclose(pool_of(fitted, images, indices, stream=stream).noisy_logits(5, 0.01), drawn)


@pytest.mark.parametrize("name", ["cnn", "compact"])
def test_noise_leaves_the_network_as_it_was(name: str) -> None:
    fitted, images = network(name), images_for(name)
    held = dict(fitted.named_parameters())
    before = {key: value.clone() for key, value in fitted.state_dict().items()}
    pool = pool_of(fitted, images, torch.arange(SIZE), "bfloat16")
    logits = pool.logits.clone()
    global_state = torch.get_rng_state()
    drawn = pool.noisy_logits(2, 0.5)
    assert pool.noisy_logits(2, 0.5) is drawn  # computed once
    assert torch.get_rng_state().equal(global_state)
    assert not any(module.training for module in fitted.modules())
    assert all(held[key] is value for key, value in fitted.named_parameters())
    for key, value in fitted.state_dict().items():
        assert value.equal(before[key]), key
    assert pool_of(fitted, images, torch.arange(SIZE), "bfloat16").logits.equal(logits)


# --- candidates


def test_candidates() -> None:
    unlabelled = torch.arange(0, 200, 2)
    drawn = candidates(unlabelled, 30, torch.Generator().manual_seed(0))
    assert len(drawn) == 30
    assert (drawn.diff() > 0).all()
    assert torch.isin(drawn, unlabelled).all()
    assert drawn.equal(candidates(unlabelled, 30, torch.Generator().manual_seed(0)))
    assert not drawn.equal(candidates(unlabelled, 30, torch.Generator().manual_seed(1)))
    for size in (0, 100, 1000):
        assert candidates(unlabelled, size, torch.Generator()).equal(unlabelled)


def test_candidates_are_uniform() -> None:
    draws = [candidates(torch.arange(100), 30, torch.Generator().manual_seed(seed)) for seed in range(1000)]
    shares = torch.bincount(torch.cat(draws), minlength=100) / 1000
    assert (shares - 0.3).abs().max() < 0.06
