"""
Plays the scenarios with a tracer, in its environment: ``python -m comparison.probe KEY``.

Prints the records as JSON. LiteLLM, whose import takes seconds, is imported once; each scenario
then runs in its own process, in which the tracer is switched on.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import multiprocessing
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

import litellm

from .adapters import ADAPTERS, Tracing
from .scenarios import SCENARIOS, Scenario, said
from .values import CALLER

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

# Time for records that are made in the background.
PATIENCE_S = 3.0
LIMIT_S = 60.0
FORK = multiprocessing.get_context("fork")


def recorded(tracing: Tracing) -> int:
    """Return the number of spans of calls."""
    return sum(span["name"] != CALLER for span in tracing.spans())


def around(tracing: Tracing, scenario: Scenario) -> Any:
    """Return the context around a scenario's calls."""
    return tracing.caller() if scenario.nested else contextlib.nullcontext()


def wait(tracing: Tracing, most: int) -> None:
    """Give the tracer time for this many spans."""
    end = time.monotonic() + PATIENCE_S
    while recorded(tracing) < most and time.monotonic() < end:
        # No public API shows when a callback has run.
        time.sleep(0.05)


def play(tracing: Tracing, scenario: Scenario) -> dict[str, Any]:
    """Make a scenario's calls; return its facts, and the spans recorded when the calls returned."""
    if asyncio.iscoroutinefunction(scenario.make):
        return asyncio.run(play_async(tracing, scenario))
    with around(tracing, scenario):
        facts = scenario.make() or {}
    at_once = recorded(tracing)
    wait(tracing, scenario.spans)
    return {**facts, "at_once": at_once}


async def play_async(tracing: Tracing, scenario: Scenario) -> dict[str, Any]:
    """Do the same in an event loop, which keeps running while spans are awaited."""
    with around(tracing, scenario):
        facts = await scenario.make() or {}
    end = time.monotonic() + PATIENCE_S * scenario.loop_goes_on
    while time.monotonic() < end and recorded(tracing) < scenario.spans:  # noqa: ASYNC110
        # As above.
        await asyncio.sleep(0.05)
    return facts


def whole(tracing: Tracing, scenario: Scenario) -> dict[str, Any]:
    """Switch the tracer on, play a scenario, and return all results."""
    tracing.on()
    facts = play(tracing, scenario)
    wait(tracing, scenario.spans)
    return {"facts": facts, "spans": tracing.spans()}


def sync_call() -> None:
    """Make one call."""
    litellm.completion(**said("hello"))


async def async_call() -> None:
    """Make one async call."""
    await litellm.acompletion(**said("hello"))


def ids() -> tuple[int, int]:
    """Return the ids of LiteLLM's two functions: a wrapper may be equal to its wrapped function."""
    return id(litellm.completion), id(litellm.acompletion)


def switched_off(tracing: Tracing) -> dict[str, Any]:
    """Switch off after a call of each sort, and repeat both; wait for one span too many."""
    first = ids()
    tracing.on()
    facts: dict[str, Any] = {"patched": ids() != first}
    for make in (sync_call, async_call):
        play(tracing, Scenario(make, spans=recorded(tracing) + 1))
    facts |= {"can": tracing.off(), "before": recorded(tracing)}
    facts["same"] = ids() == first
    for name, make in {"sync": sync_call, "async": async_call}.items():
        before = recorded(tracing)
        play(tracing, Scenario(make, spans=before + 1))
        facts[name] = recorded(tracing) - before
    return {"facts": facts, "spans": []}


def in_child(task: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run a task in its own process, and return its result or its error."""
    here, there = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_report, args=(task, there))
    child.start()
    there.close()
    try:
        told = here.recv_bytes() if here.poll(LIMIT_S) else b'{"error": "It took too long."}'
    except EOFError:
        told = b'{"error": "Its process ended."}'
    child.kill()
    child.join()
    return json.loads(told)


def _report(task: Callable[[], dict[str, Any]], there: Connection) -> None:
    try:
        told = task()
    except Exception:
        told = {"error": traceback.format_exc()}
    there.send_bytes(json.dumps(told, default=repr).encode())


def rehearsal(tracing: Tracing) -> dict[str, Any]:
    """Do the slow work of a first time, and return the modules that it imported."""
    tracing.on()
    play(tracing, SCENARIOS["sync"])
    return {"modules": list(sys.modules)}


def import_ahead(modules: list[str]) -> None:
    """Import the modules that every scenario's process would import."""
    for name in modules:
        if not name.startswith("__"):
            # A module without a file, for example.
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def main(key: str, *names: str) -> None:
    """Play the named scenarios with a tracer, or all."""
    tracing = ADAPTERS[key]()
    import_ahead(in_child(lambda: rehearsal(tracing)).get("modules", []))
    runs = {}
    for name in names or [*SCENARIOS, "off"]:
        if name == "off":
            runs[name] = in_child(lambda: switched_off(tracing))
        else:
            runs[name] = in_child(lambda chosen=SCENARIOS[name]: whole(tracing, chosen))
    sys.stdout.write("\n" + json.dumps(runs) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
