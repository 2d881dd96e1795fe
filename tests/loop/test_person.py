"""A person as the oracle: asked once an image, every answer kept."""

import builtins
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.tiny import bench, run_lines
from support.trees import PLAIN

from benchmark.data.datasets import load
from benchmark.loop.oracles import PersonOracle

IMAGES = torch.arange(5 * 8 * 8, dtype=torch.uint8).reshape(5, 8, 8, 1)


def replying(*replies: str) -> Callable[[str], str]:
    waiting = list(replies)
    return lambda prompt: waiting.pop(0)


def oracle(log: Path, *replies: str) -> PersonOracle:
    return PersonOracle(IMAGES, ("cat", "dog", "owl"), log, replying(*replies))


def test_names_numbers_mistakes_and_undo(tmp_path: Path) -> None:
    log = tmp_path / "cache" / "answers.jsonl"
    person = oracle(log, "dog", "3", "sheep", "", "0", "u", "2", " owl ")
    assert person.answer(torch.tensor([4, 1, 0])).tolist() == [1, 2, 2]
    assert dict(map(json.loads, log.read_text().splitlines())) == {4: 1, 1: 2, 0: 2}


def test_the_image_is_shown_enlarged(tmp_path: Path) -> None:
    oracle(tmp_path / "a.jsonl", "0").answer(torch.tensor([3]))
    with Image.open(tmp_path / "a.png") as shown:
        assert shown.size == (256, 256)
        assert shown.getpixel((0, 0)) == int(IMAGES[3, 0, 0, 0])


def test_nothing_is_asked_twice_after_an_interruption(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    with pytest.raises(IndexError):  # no reply to the third
        oracle(log, "0", "1").answer(torch.tensor([0, 1, 2]))
    assert oracle(log, "2").answer(torch.tensor([2, 0, 1])).tolist() == [2, 0, 1]
    assert oracle(log).answer(torch.tensor([1, 2])).tolist() == [1, 2]


def test_a_torn_answer_is_asked_for_again(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text("[0, 1]\n[1, ")
    assert oracle(log, "2").answer(torch.tensor([0, 1])).tolist() == [1, 2]
    assert oracle(log).answer(torch.tensor([0, 1])).tolist() == [1, 2]


def test_a_whole_run_with_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = load("digits").train_labels
    prompts = []

    def reply(prompt: str) -> str:
        prompts.append(int(prompt.split()[1]))
        return str(int(labels[prompts[-1]]))

    monkeypatch.setattr(builtins, "input", reply)
    for folder in ("person", "simulated"):
        (tmp_path / folder).mkdir()
    chosen = ("--strategies", "random", "--seeds", "0")
    assert bench(tmp_path / "person", *chosen, "--set", "oracle=person") == 0
    assert bench(tmp_path / "simulated", *chosen) == 0
    ((_, *asked),) = run_lines(tmp_path / "person").values()
    ((_, *known),) = run_lines(tmp_path / "simulated").values()
    assert len(set(prompts)) == len(prompts) == asked[-1]["num_labelled"]
    assert [line["accuracy"] for line in asked] == [line["accuracy"] for line in known]


def test_names_that_are_numbers_go_before_positions(tmp_path: Path) -> None:
    prompts = []

    def reply(prompt: str) -> str:
        prompts.append(prompt)
        return ["0", "1"][len(prompts) - 1]

    person = PersonOracle(IMAGES, ("1", "2", "3"), tmp_path / "a.jsonl", reply)
    assert person.answer(torch.tensor([0])).tolist() == [0]  # "0" is none of them and is asked again
    assert prompts[0].endswith("\n1, 2, 3, u to undo: ")


def test_a_class_may_be_named_u(tmp_path: Path) -> None:
    replies = replying("t", "undo", "u", "t")
    person = PersonOracle(IMAGES, ("t", "u"), tmp_path / "a.jsonl", replies)
    assert person.answer(torch.tensor([0, 1])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("label_noise=0.1",), "label_noise has no effect on a person's labels"),
        (("embedding=simclr",), "a person labels images, not embeddings: leave out embedding="),
    ],
)
def test_what_a_person_cannot_be_is_one_line(
    tmp_path: Path, settings: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path, "--strategies", "random", "--set", "oracle=person", *settings) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_person_is_not_shown_embeddings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = torch.randn(60, 4).numpy(), torch.arange(60).numpy() % 3
    np.savez(tmp_path / "own.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    asked = ("--dataset", str(tmp_path / "own.npz"), "--model", "linear", "--strategies", "random")
    assert bench(tmp_path, *asked, "--set", "oracle=person", *PLAIN) == 2
    assert "a person labels images, not embeddings, which 'own' has" in capsys.readouterr().err
