"""Switching, other libraries' wrappers, imports and calls in any order, against a model."""

from __future__ import annotations

import functools
import random
import sys
import uuid
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, AsyncCaller, user
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from layers import Alias, Layer, Name, covered_by_closure, covered_by_wrapt
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS
from traces import Traces

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("completion", "acompletion")
ORIGINALS = {name: vars(litellm)[name] for name in NAMES}
# Hypothesis shrinks a failing example step by step, which takes minutes.
pytestmark = pytest.mark.timeout(400)
SAID = "as it was asked to say"


@dataclass(eq=False)
class Open:
    """A stream that is partly read."""

    stream: Any
    is_async: bool
    is_traced: bool
    text: str


names = st.sampled_from(NAMES)
any_of = st.integers(0, 5)


class Switching(RuleBasedStateMachine):
    """Does the actions of programs, and compares each result with the model."""

    def __init__(self) -> None:
        super().__init__()
        # Hypothesis sets the same seed for each example, and OpenTelemetry takes trace ids from it.
        random.seed()
        AUTOLOGGING_INTEGRATIONS["litellm"] = {}
        self.traces = Traces(mlflow.set_experiment(uuid.uuid4().hex).experiment_id)
        self.states: list[str] = []
        self.is_enabled = False
        self.is_off_by_name = False
        self.names = {name: Name(name, Layer(ORIGINALS[name])) for name in NAMES}
        self.streams: list[Open] = []
        self.caller = AsyncCaller(None)

    # Switching.

    def _expect(self, *, is_enabled: bool) -> None:
        self.is_enabled = is_enabled
        for name in self.names.values():
            name.enabled() if is_enabled else name.disabled()

    @rule()
    def enable(self) -> None:
        mlflow.litellm.autolog()
        self.is_off_by_name = False
        self._expect(is_enabled=True)

    @rule()
    def disable(self) -> None:
        mlflow.litellm.autolog(disable=True)
        self.is_off_by_name = True
        self._expect(is_enabled=False)

    @rule()
    def enable_all(self) -> None:
        mlflow.autolog(silent=True)
        # The setting for this flavor wins over the setting for all flavors.
        if not self.is_off_by_name:
            self._expect(is_enabled=True)

    @rule()
    def disable_all(self) -> None:
        mlflow.autolog(disable=True, silent=True)
        if not self.is_off_by_name:
            self._expect(is_enabled=False)

    # Other libraries.

    @rule(name=names, cover=st.sampled_from([covered_by_wrapt, covered_by_closure]))
    def wrap(self, name: str, cover: Callable[[Layer], Any]) -> None:
        known = self.names[name]
        if not known.is_cut:
            layer = Layer(None, known.top)
            layer.function = cover(layer)
            known.put(layer)

    @rule(name=names)
    def unwrap(self, name: str) -> None:
        known = self.names[name]
        if known.top.below is not None and not known.top.is_ours and not known.is_cut:
            known.put(known.top.below)

    @rule(name=names)
    def remember(self, name: str) -> None:
        self.names[name].remembered = self.names[name].top

    @rule(name=names)
    def restore(self, name: str) -> None:
        if self.names[name].may_restore():
            self.names[name].restore()

    # Imports.

    @rule(name=names)
    def import_from(self, name: str) -> None:
        module = ModuleType(f"alias_{uuid.uuid4().hex}")
        sys.modules[module.__name__] = module
        exec(f"from litellm import {name} as held", vars(module))
        self.names[name].aliases.append(Alias(module, self.names[name].top))

    @rule(name=names)
    def capture(self, name: str) -> None:
        self.names[name].captured.append(self.names[name].top)

    # Calls.

    def _made(self, name: str, which: int, **arguments: Any) -> tuple[Any, bool]:
        """Call through one of all names; return the result, and whether the call is traced."""
        places = self.names[name].places()
        place = places[which % len(places)]
        others = {layer: layer.seen for each in places for layer in each.path()}
        ask = functools.partial(place.function, model=MODEL, messages=user("hi"), **arguments)
        try:
            result = ask() if name == "completion" else self.caller.run(ask)
        except litellm.RateLimitError as error:
            result = error
        for layer, seen in others.items():
            is_other = layer.below is not None and not layer.is_ours
            assert layer.seen == seen + (is_other and place.holds(layer))
        return result, self.is_enabled and any(layer.is_ours for layer in place.path())

    def _left(self, before: str | None, state: str | None, text: str = "") -> None:
        """Check that there is one more trace, in this state and of one span, or none."""
        latest = mlflow.get_last_active_trace_id()
        assert (latest != before) == (state is not None)
        if state is not None:
            self.states.append(state)
            trace = mlflow.get_trace(latest)
            [span] = trace.data.spans
            assert trace.info.state == state
            assert text in str(span.outputs)

    @rule(name=names, which=any_of)
    def call(self, name: str, which: int) -> None:
        before = mlflow.get_last_active_trace_id()
        answer, is_traced = self._made(name, which, mock_response=SAID)
        assert answer.choices[0].message.content == SAID
        self._left(before, "OK" if is_traced else None, SAID)

    @rule(name=names, which=any_of)
    def call_that_raises(self, name: str, which: int) -> None:
        before = mlflow.get_last_active_trace_id()
        # LiteLLM raises the exception that this text names.
        raised, is_traced = self._made(name, which, mock_response="litellm.RateLimitError")
        assert isinstance(raised, litellm.RateLimitError)
        self._left(before, "ERROR" if is_traced else None)

    def _next(self, kept: Open) -> bool:
        stream = kept.stream
        read = stream.__anext__ if kept.is_async else stream.__next__
        try:
            chunk = self.caller.run(read) if kept.is_async else read()
        except (StopIteration, StopAsyncIteration):
            return False
        kept.text += chunk.choices[0].delta.content or ""
        return True

    @rule(name=names, which=any_of, chunks=st.integers(0, 3))
    def begin_stream(self, name: str, which: int, chunks: int) -> None:
        before = mlflow.get_last_active_trace_id()
        stream, is_traced = self._made(name, which, mock_response=SAID, stream=True)
        kept = Open(stream, name == "acompletion", is_traced, "")
        del stream
        for _ in range(chunks):
            self._next(kept)
        self.streams.append(kept)
        self._left(before, None)

    @precondition(lambda self: self.streams)
    @rule()
    def read_on(self) -> None:
        before = mlflow.get_last_active_trace_id()
        kept = self.streams.pop()
        while self._next(kept):
            pass
        assert kept.text == SAID
        self._left(before, "OK" if kept.is_traced else None, SAID)

    @precondition(lambda self: self.streams)
    @rule()
    def drop(self) -> None:
        before = mlflow.get_last_active_trace_id()
        is_traced, text = self.streams[0].is_traced, self.streams[0].text
        del self.streams[0]
        self._left(before, "OK" if is_traced else None, text)

    @invariant()
    def every_name_holds_what_it_should(self) -> None:
        """LiteLLM's names and those in modules that imported them have the expected objects."""
        for known in self.names.values():
            assert known.current is known.top.function
            for alias in known.aliases:
                assert vars(alias.module)["held"] is alias.layer.function

    def teardown(self) -> None:
        """Remove everything; the originals are back, and each traced call is in the store."""
        try:
            while self.streams:
                self.drop()
            self.enable()
            self.disable()
            for name, known in self.names.items():
                for _ in list(known.top.path())[1:]:
                    self.disable() if known.top.is_ours else self.unwrap(name)
            self.every_name_holds_what_it_should()
            assert {name: vars(litellm)[name] for name in NAMES} == ORIGINALS
            assert sorted(self.states) == sorted(t.info.state for t in self.traces.all())
        finally:
            self._clean()

    def _clean(self) -> None:
        mlflow.autolog(disable=True, silent=True)
        for name, known in self.names.items():
            setattr(litellm, name, ORIGINALS[name])
            for alias in known.aliases:
                del sys.modules[alias.module.__name__]


TestSwitching = Switching.TestCase
TestSwitching.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
