"""One run: fit, tune, evaluate, select, ask the oracle, hold out, append the record; round after round."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmark.data.datasets import ImageData
from benchmark.experiment import seeds
from benchmark.features import source as features
from benchmark.loop.boundary import Boundary
from benchmark.loop.calibration import calibration_seconds
from benchmark.loop.carried import Carried
from benchmark.loop.clock import Clock
from benchmark.loop.diagnostics import Digests, acquisition_measures, rank_agreements, spaced
from benchmark.loop.examples import examples
from benchmark.loop.fitting import Fitter
from benchmark.loop.labelled import LabelledSet, draw_initial
from benchmark.loop.oracles import Oracle, PersonOracle, simulated
from benchmark.loop.pool import FittedOraclePool, FittedPool, candidates, full_probs
from benchmark.loop.task import RunTask, check_started, run_header
from benchmark.results.records import LabelsRecord, RoundRecord, RunHeader, Seconds, TraceRecord
from benchmark.results.run_file import RunFile
from benchmark.results.store import read_run
from benchmark.training.batches import Images
from benchmark.training.metrics import evaluate
from benchmark.training.predict import Predictor
from benchmark.training.task import TrainingTask
from benchmark.training.tuning import EngineTuning
from strategies.api import Labelled, Strategy, selection_error


class ActiveLearningRun:
    """A run of ``strategy`` on ``data`` that appends its records to ``file``, and resumes from those that are there."""

    def __init__(self, run: RunTask, strategy: Strategy, data: ImageData, file: RunFile) -> None:
        protocol = run.protocol
        self.run, self.protocol, self.strategy, self.data, self.file = run, protocol, strategy, data, file
        self._calls = Boundary(f"strategy '{run.key.strategy}'", strategy)
        self.device = data.train_images.device
        self.images = Images(data.train_images, data.mean, data.std)
        self.test_images = Images(data.test_images, data.mean, data.std)
        self.oracle = self._oracle()
        self.fitter = Fitter(run, data, self.images, self.strategy)
        self.features: features.FeatureSource | features.OwnEmbeddings | None = None
        if data.are_embeddings:
            self.features = features.OwnEmbeddings(self.images)
        elif protocol.features is not None:
            how = features.resolved(protocol.features, protocol.model.name, protocol.model.parameters)
            self.features = features.source(how, data, self.images, protocol.recipe, run.cache, run.key.seed)
        self._digests = Digests(data.train_images)
        self.carried = Carried(run.cache, file.path, data.sha256)

    def execute(self, on_round: Callable[[RoundRecord], bool]) -> bool:
        """Compute what is missing; ``on_round`` takes every new record and says whether to go on.

        Returns whether the last budget was reached. Raises StartedMeanwhile where the file has another command's run.
        """
        known, begin = self._resume()
        self.file.keep_traces(begin)
        rounds = len(self.protocol.budgets)
        for number in range(begin, rounds):
            with self._calls(f"in round {number}"):
                record = self._round(number, known)
            self.file.append_round(record)
            self.carried.forget_before(number + 1)
            known = known.after(record)
            if not on_round(record) and number + 1 < rounds:
                return False
        self.carried.forget()
        return True

    # --- the beginning

    def _oracle(self) -> Oracle:
        data = self.data
        if self.protocol.oracle == "person":
            log = self.run.cache / "answers" / f"{data.name}-{data.sha256[:12]}.jsonl"
            given = self.run.replay.answers if self.run.replay is not None else {}
            return PersonOracle(data.train_images, data.class_names, log, given=given)
        return simulated(data.train_labels, data.class_count, self.protocol.label_noise, self.run.key.seed)

    def _resume(self) -> tuple[LabelledSet, int]:
        """What was acquired according to the records on disk, and the round to continue with."""
        record = read_run(self.file.path) if self.file.path.exists() else None
        if record is None:
            return self._begin(), 0
        check_started(record.extent, self._header(record.header.initial), self.protocol.budgets)
        rounds = len(self.protocol.budgets)
        done = record.extent.done(rounds)
        if self._carries and done < rounds:
            done = self.carried.latest(done)
        known = LabelledSet.initial(record.header.initial)
        for round_ in record.rounds[:done]:
            known = known.after(round_)
        return known, done

    def _begin(self) -> LabelledSet:
        """Choose the initial labels, ask for them, and write the header; of a round to recompute they are given."""
        if self.run.replay is not None and (given := self.run.replay.recomputed) is not None:
            return self._begin_with(given)
        count = self.protocol.budgets[0]
        chosen = self._initial(count)
        answers = self.oracle.answer(chosen)
        none = torch.empty(0, dtype=torch.int64)
        with self._calls("in hold_out"):
            new = Labelled(chosen.clone(), answers.clone(), None)
            held_out = self.strategy.hold_out(Labelled(none, none, None), new)
        initial = LabelsRecord(tuple(chosen.tolist()), tuple(answers.tolist()), self._checked(held_out, chosen))
        return self._begin_with(initial)

    def _begin_with(self, initial: LabelsRecord) -> LabelledSet:
        self.file.append_header(self._header(initial))
        return LabelledSet.initial(initial)

    def _header(self, initial: LabelsRecord) -> RunHeader:
        return run_header(self.run, self.strategy, self.fitter.learner, self.data, initial)

    def _initial(self, count: int) -> Tensor:
        how, labels = self.protocol.initial, self.data.train_labels.cpu()
        if how != "strategy" or not self.strategy.cold_start:  # the latter share the draw of their seed
            generator = seeds.generator(self.run.key.seed, "initial", 0)
            return draw_initial(labels, count, how == "balanced", generator)
        everything = torch.arange(len(labels), device=self.device)
        none = everything[:0]
        classes = self.data.class_count
        pool = FittedPool(self.images, everything, none, none, classes, predictor=None, features=self.features)
        return self._select(pool, everything, (), count, 0)

    # --- a round

    def _round(self, number: int, known: LabelledSet) -> RoundRecord:
        last = number + 1 == len(self.protocol.budgets)
        carried = self.carried.load(number) if self._carries else {}
        if "strategy" in carried:
            with self._calls("in load_state_dict"):
                self.strategy.load_state_dict(carried["strategy"])
        replay, count = self.run.replay, len(known.indices)
        stream = number if replay is None else replay.stream_round(count, number)
        task, labelled, answers = self.fitter.task(stream, known, carried)
        fitted = self.fitter.fit(task, self.carried)
        predictor = fitted.predictor
        clock = Clock(self.device)
        with clock("evaluate"):
            everything = torch.arange(len(self.test_images.pixels), device=self.device)
            logits = predictor.logits(self.test_images, everything)
            metrics = evaluate(logits, self.data.test_labels)
            checkpoint_accuracies = self._checkpoint_accuracies(predictor, fitted.checkpoint_states)
        self.file.append_traces([_trace(number, noted) for noted in fitted.traces])
        if last and fitted.traces and not self.data.are_embeddings:  # of learners that show how they learn, on images
            self.file.write_examples(examples(self.data, logits))
        acquired = given = torch.empty(0, dtype=torch.int64)
        held_out: tuple[int, ...] = ()
        diagnostics = {} if replay is None else replay.diagnostics(count)
        if not last:
            if self.features is not None and "features" in self.strategy.needs:
                self.features.computed()  # by whichever run of the seed comes first: no part of its query's time
            with clock("query"):
                acquired, pool = self._query(number, task, labelled, answers, predictor, carried)
            given = self.oracle.answer(acquired)
            held_out = self._hold_out(number, predictor, labelled, answers, acquired, given)
            self._carry(number, predictor)
            diagnostics |= self._diagnose(task, labelled, answers, predictor, pool, acquired)
        return RoundRecord(
            round=number,
            num_labelled=count,
            accuracy=metrics.accuracy,
            nll=metrics.nll,
            ece=metrics.ece,
            bins=metrics.bins,
            class_accuracy=metrics.class_accuracy,
            checkpoint_accuracies=checkpoint_accuracies,
            seconds=Seconds(fitted.seconds, clock["query"], clock["evaluate"]),
            calibration_seconds=calibration_seconds(self.device),
            shared_training=fitted.shared,
            acquired_indices=tuple(acquired.tolist()),
            acquired_labels=tuple(given.tolist()),
            held_out_indices=held_out,
            diagnostics=diagnostics,
        )

    def _checkpoint_accuracies(self, fitted: Predictor, states: list[dict[str, Tensor]]) -> tuple[float, ...]:
        """The test accuracies, in [0, 1], of the evaluated network as it was in the last ``states`` of its training."""
        if not states:
            return ()
        predictor = Predictor(copy.deepcopy(fitted.network), None, fitted.precision)
        everything = torch.arange(len(self.test_images.pixels), device=self.device)
        accuracies = []
        for state in states:
            predictor.network.load_state_dict(state)
            logits = predictor.predict(self.test_images, everything).logits
            accuracies.append(evaluate(logits, self.data.test_labels).accuracy)
        return tuple(accuracies)

    def _query(
        self,
        number: int,
        task: TrainingTask,
        labelled: Tensor,
        answers: Tensor,
        predictor: Predictor,
        carried: dict[str, Any],
    ) -> tuple[Tensor, FittedPool]:
        """The dataset indices that the strategy queries in this round, on the CPU, in its order; and its pool."""
        seed, budgets = self.run.key.seed, self.protocol.budgets
        if task.attachment is not None:
            with self._calls("in after_training", predictor, attachment=False):
                self.strategy.after_training(EngineTuning(task, predictor, labelled, answers))
        draws = seeds.generator(seed, "candidates", number)
        scored = candidates(task.unlabelled.cpu(), self.protocol.candidates, draws).to(self.device)
        previous = carried.get("probs")
        pool = FittedPool(
            self.images,
            scored,
            labelled,
            answers,
            self.data.class_count,
            predictor,
            mc_stream=(seed, number),
            previous_probs=None if previous is None else previous.to(self.device),
            features=self.features,
            cross_fit=self.fitter.cross_fit(task) if "cross_fit" in self.strategy.needs else None,
        )
        if "oracle" in self.strategy.needs:
            data = self.data
            pool = FittedOraclePool(pool, self.strategy, data.train_labels, self.test_images, data.test_labels)
        batch = budgets[number + 1] - budgets[number]
        return self._select(pool, scored, tuple(labelled.tolist()), batch, number, predictor), pool

    def _select(
        self,
        pool: FittedPool,
        scored: Tensor,
        known: tuple[int, ...],
        n: int,
        number: int,
        predictor: Predictor | None = None,
    ) -> Tensor:
        """The dataset indices, int64 on the CPU, that the strategy selects among those of the pool, ``scored`` (N,).

        They are checked, and not ``known``: a plugin's mistake must not become a number.
        """
        generator = seeds.generator(self.run.key.seed, "query", number)
        with torch.no_grad(), self._calls("in select", predictor):
            positions = self.strategy.select(pool, n, generator)
        error = selection_error(positions, n, len(scored))
        if not error:
            chosen = [int(index) for index in scored[positions.to(self.device)].tolist()]
            if len(chosen) != n or len(set(chosen)) != n or set(chosen) & set(known):
                error = f"select must return {n} distinct unlabelled images"
        if error:
            raise ValueError(f"strategy '{self.run.key.strategy}': {error}")
        return torch.tensor(chosen, dtype=torch.int64)

    def _hold_out(
        self, number: int, predictor: Predictor, labelled: Tensor, answers: Tensor, acquired: Tensor, given: Tensor
    ) -> tuple[int, ...]:
        """Who sits out in the next round; the losses are the fitted model's, on the clean images."""
        if "hold_out" not in self.strategy.hooks:
            return ()
        if self.strategy.spares_last_round and self.protocol.budgets[number + 1] == self.protocol.ladder[-1]:
            return ()
        indices, labels = torch.cat([labelled.cpu(), acquired]), torch.cat([answers.cpu(), given])
        logits = predictor.logits(self.images, indices.to(self.device)).cpu()
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        old, new = (
            Labelled(*(part[where].clone() for part in (indices, labels, losses)))
            for where in (slice(0, len(labelled)), slice(len(labelled), None))
        )
        with self._calls("in hold_out", predictor):
            held_out = self.strategy.hold_out(old, new)
        return self._checked(held_out, indices)

    def _checked(self, held_out: Tensor, labelled: Tensor) -> tuple[int, ...]:
        """The held-out indices, checked: labelled images, and not all of them."""
        if not set(held_out.tolist()) < set(labelled.tolist()):
            raise ValueError(
                f"strategy '{self.run.key.strategy}' must hold out labelled images only, and not all of them"
            )
        return tuple(held_out.tolist())

    def _diagnose(
        self,
        task: TrainingTask,
        labelled: Tensor,
        answers: Tensor,
        predictor: Predictor,
        pool: FittedPool,
        acquired: Tensor,
    ) -> dict[str, float]:
        """What the strategy noted, what it acquired, and how well its attachment ranks images by their loss.

        After all choices, for reporting.
        """
        found = {f"premise.{name}": value for name, value in pool.notes.items()}
        found |= acquisition_measures(pool, acquired, labelled.cpu(), self._digests)
        if task.attachment is None:
            return found
        test = torch.arange(len(self.test_images.pixels), device=self.device)
        parts = {"labelled": (self.images, labelled, answers), "test": (self.test_images, test, self.data.test_labels)}
        if self.protocol.oracle == "simulated":  # a person is not asked for what was not queried
            unlabelled = spaced(task.unlabelled)
            parts["pool"] = (self.images, unlabelled, self.oracle.answer(unlabelled))
        return found | rank_agreements(predictor, parts)

    # --- from round to round

    @property
    def _carries(self) -> bool:
        """Whether anything but the records goes from one round to the next."""
        stateful = "state" in self.strategy.hooks
        return self.protocol.warm_start or stateful or "previous_probs" in self.strategy.needs

    def _carry(self, number: int, predictor: Predictor) -> None:
        if not self._carries:
            return
        state: dict[str, Any] = {}
        with self._calls("in state_dict", predictor):
            own = self.strategy.state_dict()
        if own:
            state["strategy"] = own
        if self.protocol.warm_start:
            state["network"] = predictor.network.state_dict()
            if predictor.attachment is not None:
                state["attachment"] = predictor.attachment.state_dict()
        if "previous_probs" in self.strategy.needs:
            state["probs"] = full_probs(predictor, self.images).cpu()
        self.carried.save(number + 1, state)


def _trace(number: int, noted: dict[str, float]) -> TraceRecord:
    """What a learner noted at a step of round ``number``."""
    values = {name: value for name, value in noted.items() if name != "step"}
    return TraceRecord(number, int(noted["step"]), values)
