"""
Calls LiteLLM on request: ``python -m scale.worker``.

A line of stdin is an order in JSON. ``{"calls": 100, "rate": 20, "experiment": "1"}`` makes 100
calls, 20 a second (null: at full speed). ``{"flush": true}`` makes MLflow send the waiting traces.
The response to each order, and to the start, is a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from functools import lru_cache
from typing import Any

import litellm
import mlflow
from processes import resident_kb

import mlflow_litellm

QUESTION = "What do you know about spans? " * 40
ANSWER = "A span is a part of a trace, and has a beginning and an end. " * 8
SHORT = "A span is a part of a trace."
# The name of the caller's own spans.
OWN = "question"


def ask(number: int) -> None:
    """Make one call: of ten, one is a stream, and two are below a span of the user's own."""
    if number % 10 == 0:
        for _ in complete(number, SHORT, stream=True):
            pass
    elif number % 5 == 1:
        with mlflow.start_span(OWN):
            complete(number, ANSWER)
    else:
        complete(number, ANSWER)


def spans_of(calls: int) -> int:
    """Return the number of spans of this number of calls."""
    return calls + sum(number % 5 == 1 for number in range(calls))


def complete(number: int, answer: str, **more: Any) -> Any:
    """Make a call with a mock response, without a provider."""
    messages = [{"role": "user", "content": f"{number}. {QUESTION}"}]
    return litellm.completion(model="gpt-4o-mini", messages=messages, mock_response=answer, **more)


@lru_cache(maxsize=1)
def choose(experiment: str) -> None:
    """Set the experiment, for which MLflow sends a request to the server, which may be down."""
    mlflow.set_experiment(experiment_id=experiment)


def make(calls: int, rate: float | None, experiment: str) -> dict[str, Any]:
    """Make calls, and return the start and the duration of each, in seconds."""
    choose(experiment)
    dropped, before, began = mlflow_litellm.health().spans_dropped, resident_kb(), time.monotonic()
    took = []
    for number in range(calls):
        if rate is not None:
            # The schedule does not depend on the previous call's end, as for a real load.
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        at = time.monotonic()
        ask(number)
        took.append((round(at, 4), round(time.monotonic() - at, 6)))
    seconds = time.monotonic() - began
    resident = [kb / 1024 for kb in (before, resident_kb())]
    return {"seconds": seconds, "took": took, "resident_mb": resident, "dropped": dropped}


def flush() -> dict[str, Any]:
    """Send the waiting traces, and return the duration."""
    began = time.monotonic()
    mlflow.flush_trace_async_logging()
    seconds = time.monotonic() - began
    dropped = mlflow_litellm.health().spans_dropped
    return {"began": began, "seconds": seconds, "dropped": dropped}


def tell(**fields: Any) -> None:
    """Write a response as one line."""
    sys.stdout.write(f"{json.dumps(fields)}\n")
    sys.stdout.flush()


def main() -> None:
    """Follow orders until there are none."""
    complete(0, ANSWER)
    mlflow.litellm.autolog()
    tell(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        tell(**(flush() if "flush" in order else make(**order)))


if __name__ == "__main__":
    main()
