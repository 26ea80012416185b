"""What thousands of calls, begun while tracing is switched on and off, leave behind."""

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
# Room for what a round leaves, and batches that OpenTelemetry's queue is not full before.
QUEUES = {
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": "100000",
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE": "256",
}
# Pools that LiteLLM and asyncio fill as they need more at once.
LITELLMS = ("litellm-logging", "asyncio_")
ENDS = {
    "exhausted": "finished",
    "broken": "failed",
    "failed": "failed",
    "cancelled-stream": "failed",
}


@dataclass
class Soak:
    """What was done, what was measured, and what is in the store, by the calls' names."""

    played: dict[str, Played]
    report: dict[str, Any]
    traces: dict[str, list[Stored]]

    @property
    def warm(self) -> dict[str, Any]:
        """What the process held after the first quarter of its calls."""
        footprints = self.report["footprints"]
        return footprints[len(footprints) // 4]

    @property
    def end(self) -> dict[str, Any]:
        """What it held at the end."""
        return self.report["footprints"][-1]

    def was_on(self, played: Played) -> bool | None:
        """Tell whether tracing was on as a call was made; None where it was being switched."""
        changes = self.report["changes"]
        before = bisect.bisect([began for began, _, _ in changes], played.opened) - 1
        if before < 0:
            return False
        _, ended, is_enabled = changes[before]
        return is_enabled if ended < played.began else None

    def made_while(self, is_enabled: bool | None) -> list[str]:
        """Return the names of the calls that were made while tracing was on, off, or neither."""
        return [name for name, played in self.played.items() if self.was_on(played) is is_enabled]


@pytest.fixture(scope="module")
def soak(
    request: pytest.FixtureRequest, vendor: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Soak:
    """Make the calls in a process of its own, and read the store."""
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
    """Or else what follows would say little."""
    count = len(soak.played)
    assert len(soak.made_while(is_enabled=True)) > count / 3
    assert len(soak.made_while(is_enabled=False)) > 20
    assert len(soak.report["changes"]) > 2 * len(soak.report["footprints"])


def test_every_answer_is_right(soak: Soak) -> None:
    """What was read is what the provider said: all of it, or its beginning."""
    for played in soak.played.values():
        whole = played.call.ending in {"answered", "exhausted"}
        said = played.call.text if whole else played.call.text[: len(played.text)]
        assert played.text == said, played
        assert bool(played.error) == (played.call.ending in RAISING), played


def test_what_breaks_raises_what_it_raises_untraced(soak: Soak) -> None:
    """The same type with the same text, after as much of the answer."""
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
    """By ``CancelledError`` and nothing else."""
    cancelled = [p for p in soak.played.values() if p.call.ending.startswith("cancelled")]
    assert {played.error for played in cancelled} == {"CancelledError: "}


def test_calls_made_while_on_have_one_span_each(soak: Soak) -> None:
    """And of those made as it was being switched, none has more."""
    assert all(name for name in soak.traces)
    for is_enabled, expected in ((True, {1}), (False, {0}), (None, {0, 1})):
        made = soak.made_while(is_enabled)
        left = {name: sum(len(t.spans) for t in soak.traces.get(name, ())) for name in made}
        wrong = {soak.played[name].call: n for name, n in left.items() if n not in expected}
        assert not wrong, (
            f"while {is_enabled}: {len(wrong)} of {len(made)}: {list(wrong.items())[:5]}"
        )


def test_every_trace_is_of_a_call_and_complete(soak: Soak) -> None:
    """It has ended, well where the call did, and says how."""
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
    """All that the caller has had, and what LiteLLM raised it away from."""
    for name, [trace] in soak.traces.items():
        assert trace.text.strip() == soak.played[name].text.strip(), soak.played[name].call


def test_no_span_is_there_twice(soak: Soak) -> None:
    """By its id."""
    spans = Counter(span for told in soak.traces.values() for t in told for span in t.spans)
    assert [span for span, count in spans.items() if count > 1] == []


def test_nothing_was_logged(soak: Soak) -> None:
    """A fault of tracing is swallowed, and told."""
    assert soak.report["lines"] == []


def test_its_own_health_says_the_same(soak: Soak) -> None:
    """Each trace is one call that was counted; nothing was swallowed, and nothing dropped."""
    health = soak.report["health"]
    assert (health["faults"], health["spans_dropped"]) == ({}, 0)
    assert health["calls"] == sum(map(len, soak.traces.values()))
    abandoned = sum(t.ends == ("abandoned",) for told in soak.traces.values() for t in told)
    assert health["streams_abandoned"] == abandoned


def test_the_originals_are_back_each_time_it_is_off(soak: Soak) -> None:
    """After each round, the very objects."""
    assert soak.report["restored"]


def test_nothing_is_left_alive(soak: Soak) -> None:
    """After any round: no span, no stream, no trace."""
    for footprint in soak.report["footprints"]:
        assert (footprint["ended"], footprint["traces"]) == ({}, 0)


def test_memory_is_flat(soak: Soak) -> None:
    """Within five percent of what it is once warm."""
    assert soak.end["rss_kb"] < soak.warm["rss_kb"] * 1.05


def test_what_litellms_tasks_keep_does_not_grow(soak: Soak) -> None:
    """Each of its connections and tasks keeps the context that it was made in, and no more."""
    for footprint in soak.report["footprints"]:
        sockets = sum(handle.startswith("socket:") for handle in footprint["handles"])
        assert max(footprint["kept"].values(), default=0) <= sockets + len(footprint["threads"])


def test_no_thread_more_than_once_warm(soak: Soak) -> None:
    """Beside those of LiteLLM's own pool, which grows to its bound without tracing as well."""
    assert _threads(soak.end) <= _threads(soak.warm)


def _threads(footprint: dict[str, Any]) -> int:
    return sum(not name.startswith(LITELLMS) for name in footprint["threads"])


def test_no_file_handle_more_than_once_warm(soak: Soak) -> None:
    """Beside the sockets of LiteLLM's clients: streams that are dropped leave them open."""
    assert _files(soak.end) - _files(soak.warm) == Counter()


def _files(footprint: dict[str, Any]) -> Counter[str]:
    return Counter(h for h in footprint["handles"] if not h.startswith("socket:"))
