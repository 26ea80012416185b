"""Ways to call LiteLLM, each with its caller's result, to compare traced calls with untraced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import litellm
import mlflow
from callers import AsyncCaller, SyncCaller, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from provider import LoopbackProvider
    from traces import Traces

# Fields that differ between any two responses.
_VOLATILE = ("id", "created")


def told(result: Any) -> Any:
    """Return a response, or its chunks, in a form that can be compared with another's."""
    if isinstance(result, list):
        return [told(item) for item in result]
    if not hasattr(result, "model_dump"):
        return result
    fields = result.model_dump(warnings=False)
    return type(result), {key: fields[key] for key in fields if key not in _VOLATILE}


def seen(call: Callable[[], Any]) -> Any:
    """Return the caller's result: the response, or the exception."""
    try:
        return told(call())
    except Exception as error:
        return type(error), str(error), getattr(error, "status_code", None)


class Ways:
    """
    Calls the loopback provider in every way that takes another path through the package.

    Args:
        provider: The provider to call.
    """

    def __init__(self, provider: LoopbackProvider) -> None:
        self.provider = provider
        self._sync = SyncCaller(provider)
        self._async = AsyncCaller(provider)
        asked = self._sync.arguments("")
        deployment = {key: asked[key] for key in ("model", "api_base", "api_key")}
        self._router = litellm.Router(
            [{"model_name": "group", "litellm_params": deployment}], num_retries=0
        )
        # The traced calls must equal the untraced ones: nothing may be left to be imported.
        self.untraced = {name: seen(call) for name, call in self.calls.items()}

    @property
    def calls(self) -> dict[str, Callable[[], Any]]:
        """The ways, by their names."""
        return {
            "sync": lambda: self._sync.complete("one"),
            "async": lambda: self._async.complete("one"),
            "stream": lambda: self._sync.stream("one two"),
            "async stream": lambda: self._async.stream("one two"),
            "failure": lambda: self._sync.complete("/error 429"),
            "async failure": lambda: self._async.complete("/error 429"),
            "failing stream": lambda: self._sync.stream("/event-error 2"),
            "dropped stream": lambda: told(next(self._sync.complete("one", stream=True))),
            "picture": lambda: self._sync.complete("one", messages=PICTURE),
            "tagged": lambda: self._sync.complete("one", metadata={"tags": ["a"], "x": {"y": 1}}),
            "router": lambda: self._router.completion(model="group", messages=user("one")),
            "async router": lambda: self._async.run(
                lambda: self._router.acompletion(model="group", messages=user("one"))
            ),
        }

    def differing(self) -> dict[str, Any]:
        """Make all calls; return those that differ for the caller or the provider."""
        found = {}
        for name, call in self.calls.items():
            before = len(self.provider.requests)
            outcome = seen(call)
            requests = len(self.provider.requests) - before
            if (outcome, requests) != (self.untraced[name], 1):
                found[name] = (requests, outcome)
        return found

    def assert_traced(self, traces: Traces) -> None:
        """Check that one more call of each kind is traced, whatever happened before."""
        names = ["async", "stream", "sync"]
        for name in names:
            with mlflow.tracing.context(tags={"after all": name}):
                self.calls[name]()
        tags = [trace.info.tags.get("after all") for trace in traces.all()]
        assert sorted(filter(None, tags)) == names


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADh"
    "gGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE = user("")
PICTURE[0]["content"] = [
    {"type": "text", "text": "one"},
    {"type": "image_url", "image_url": {"url": PIXEL}},
]
