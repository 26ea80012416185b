"""Thousands of calls, made while tracing is switched on and off, leave complete traces only."""

from __future__ import annotations

import bisect
import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient
from processes import BESIDE, clean_environment

from endurance.plan import RAISING, Call
from endurance.play import Played
from endurance.store import Stored, stored

if TYPE_CHECKING:
    from processes import Provider

pytestmark = [
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux"),
]
# Capacity for one round, and batches below the limit of OpenTelemetry's queue.
QUEUES = {
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": "100000",
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE": "256",
}
# Thread pools of LiteLLM and asyncio, which grow with the number of simultaneous tasks.
LITELLMS = ("litellm-logging", "asyncio_")
ENDS = {
    "exhausted": "finished",
    "broken": "failed",
    "failed": "failed",
    "cancelled-stream": "failed",
}


@dataclass
class Soak:
    """The calls, the measurements, and the stored traces, by the calls' names."""

    played: dict[str, Played]
    report: dict[str, Any]
    traces: dict[str, list[Stored]]

    @property
    def warm(self) -> dict[str, Any]:
        """The resources of the process after the first quarter of its calls."""
        footprints = self.report["footprints"]
        return footprints[len(footprints) // 4]

    @property
    def end(self) -> dict[str, Any]:
        """The resources of the process at the end."""
        return self.report["footprints"][-1]

    def was_on(self, played: Played) -> bool | None:
        """Return whether tracing was on when a call was made; None if it was being switched."""
        changes = self.report["changes"]
        before = bisect.bisect([began for began, _, _ in changes], played.opened) - 1
        if before < 0:
            return False
        _, ended, is_enabled = changes[before]
        return is_enabled if ended < played.began else None

    def made_while(self, is_enabled: bool | None) -> list[str]:
        """Return the names of the calls made while tracing was on, off, or neither (None)."""
        return [name for name, played in self.played.items() if self.was_on(played) is is_enabled]


@pytest.fixture(scope="module")
def soak(
    request: pytest.FixtureRequest, vendor: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Soak:
    """Make the calls in a separate process, and read the store."""
    count, seed = request.config.option.calls, request.config.option.seed
    folder = tmp_path_factory.mktemp("soak")
    store = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(store)
    client.search_experiments()
    report = folder / "report.json"
    subprocess.run(
        [sys.executable, "-m", "endurance", vendor.openai_base, str(count), str(seed), report],
        cwd=folder,
        env=clean_environment(MLFLOW_TRACKING_URI=store, **BESIDE, **QUEUES),
        check=True,
        timeout=120 + count * 0.2,
    )
    told = json.loads(report.read_text())
    calls = [Played(**{**each, "call": Call(**each["call"])}) for each in told.pop("played")]
    traces = defaultdict(list)
    for trace in stored(client):
        traces[trace.name].append(trace)
    soak = Soak({played.call.name: played for played in calls}, told, traces)
    request.config.option.figures = _figures(soak)
    return soak


def _figures(soak: Soak) -> dict[str, Any]:
    return {
        "calls and streams": len(soak.played),
        "traces": sum(map(len, soak.traces.values())),
        "switched": len(soak.report["changes"]),
        "memory, MB": [held["rss_kb"] // 1000 for held in (soak.warm, soak.end)],
        "seconds": round(soak.report["seconds"]),
    }


def test_every_call_was_made_and_most_while_tracing_was_on(soak: Soak) -> None:
    """All calls were made, most of them with tracing on, as the other tests require."""
    count = len(soak.played)
    assert len(soak.made_while(is_enabled=True)) > count / 3
    assert len(soak.made_while(is_enabled=False)) > 20
    assert len(soak.report["changes"]) > 2 * len(soak.report["footprints"])


def test_every_answer_is_right(soak: Soak) -> None:
    """The text that was read is the provider's text, or its beginning."""
    for played in soak.played.values():
        whole = played.call.ending in {"answered", "exhausted"}
        said = played.call.text if whole else played.call.text[: len(played.text)]
        assert played.text == said, played
        assert bool(played.error) == (played.call.ending in RAISING), played


def test_what_breaks_raises_what_it_raises_untraced(soak: Soak) -> None:
    """The exception's type and text are as untraced, after the same part of the response."""
    untraced = {_kind(p): _raised(p) for name, p in soak.played.items() if name.startswith("u")}
    compared = [p for p in soak.played.values() if _kind(p) in untraced]
    assert len(compared) > len(untraced)
    for played in compared:
        assert _raised(played) == untraced[_kind(played)], played


def _kind(played: Played) -> tuple[str, int, bool]:
    return played.call.ending, played.call.after, played.call.is_async


def _raised(played: Played) -> tuple[str, str]:
    return played.text.replace(played.call.name, "NAME"), played.error


def test_cancelled_calls_are_cancelled(soak: Soak) -> None:
    """Cancelled calls raise ``CancelledError``."""
    cancelled = [p for p in soak.played.values() if p.call.ending.startswith("cancelled")]
    assert {played.error for played in cancelled} == {"CancelledError: "}


def test_calls_made_while_on_have_one_span_each(soak: Soak) -> None:
    """A call made while tracing is on has one span, and one made during a switch at most one."""
    assert all(name for name in soak.traces)
    for is_enabled, expected in ((True, {1}), (False, {0}), (None, {0, 1})):
        made = soak.made_while(is_enabled)
        left = {name: sum(len(t.spans) for t in soak.traces.get(name, ())) for name in made}
        wrong = {soak.played[name].call: n for name, n in left.items() if n not in expected}
        assert not wrong, (
            f"while {is_enabled}: {len(wrong)} of {len(made)}: {list(wrong.items())[:5]}"
        )


def test_every_trace_is_of_a_call_and_complete(soak: Soak) -> None:
    """Each trace belongs to a call, has ended, and has the call's status and the stream's end."""
    for name, [trace] in soak.traces.items():
        call = soak.played[name].call
        status = "ERROR" if call.ending in RAISING else "OK"
        assert (trace.state, trace.statuses) == (status, (status,)), call
        assert trace.ends == (_end(soak.played[name]),), call


def _end(played: Played) -> str:
    ending = played.call.ending
    if not played.call.is_stream:
        return ""
    return ENDS.get(ending, "abandoned")


def test_what_was_read_is_recorded(soak: Soak) -> None:
    """The text that the caller read is recorded, also if LiteLLM raised afterwards."""
    for name, [trace] in soak.traces.items():
        assert trace.text.strip() == soak.played[name].text.strip(), soak.played[name].call


def test_no_span_is_there_twice(soak: Soak) -> None:
    """Each span id is stored once."""
    spans = Counter(span for told in soak.traces.values() for t in told for span in t.spans)
    assert [span for span, count in spans.items() if count > 1] == []


def test_nothing_was_logged(soak: Soak) -> None:
    """Nothing was logged, so that no fault of tracing was swallowed."""
    assert soak.report["lines"] == []


def test_its_own_health_says_the_same(soak: Soak) -> None:
    """Health counts each trace as one call, and no swallowed error or dropped span."""
    health = soak.report["health"]
    assert (health["faults"], health["spans_dropped"]) == ({}, 0)
    assert health["calls"] == sum(map(len, soak.traces.values()))
    abandoned = sum(t.ends == ("abandoned",) for told in soak.traces.values() for t in told)
    assert health["streams_abandoned"] == abandoned


def test_the_originals_are_back_each_time_it_is_off(soak: Soak) -> None:
    """The original function objects are restored after each round."""
    assert soak.report["restored"]


def test_nothing_is_left_alive(soak: Soak) -> None:
    """After each round no span, stream or trace is left."""
    for footprint in soak.report["footprints"]:
        assert (footprint["ended"], footprint["traces"]) == ({}, 0)


def test_memory_is_flat(soak: Soak) -> None:
    """Memory stays within five percent of the memory after the first quarter of the calls."""
    assert soak.end["rss_kb"] < soak.warm["rss_kb"] * 1.05


def test_what_litellms_tasks_keep_does_not_grow(soak: Soak) -> None:
    """The number of contexts that LiteLLM's connections and tasks keep does not grow."""
    for footprint in soak.report["footprints"]:
        sockets = sum(handle.startswith("socket:") for handle in footprint["handles"])
        assert max(footprint["kept"].values(), default=0) <= sockets + len(footprint["threads"])


def test_no_thread_more_than_once_warm(soak: Soak) -> None:
    """No new thread is left, except in LiteLLM's own pool, which also grows without tracing."""
    assert _threads(soak.end) <= _threads(soak.warm)


def _threads(footprint: dict[str, Any]) -> int:
    return sum(not name.startswith(LITELLMS) for name in footprint["threads"])


def test_no_file_handle_more_than_once_warm(soak: Soak) -> None:
    """No new file handle is left, except sockets of LiteLLM's clients after dropped streams."""
    assert _files(soak.end) - _files(soak.warm) == Counter()


def _files(footprint: dict[str, Any]) -> Counter[str]:
    return Counter(h for h in footprint["handles"] if not h.startswith("socket:"))
