"""The LiteLLM Proxy as a process, and the readers of its traces."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import yaml
from attribute_types import not_as_in_table
from processes import STARTING_S, Process, free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow.entities import Span, Trace

HERE = Path(__file__).parent
TRACING_S = 60.0


class Gateway(Process):
    """
    A LiteLLM Proxy, started by its command.

    Args:
        folder: The folder in which it runs; its configuration is written there.
        config: The configuration, as in its YAML.
        environment: Environment variables, with the addresses of its tracking server and provider.
        options: Further options of the command.

    Attributes:
        url: Its address.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        options: tuple[str, ...] = (),
    ) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # Beside the configuration, because LiteLLM looks for it there.
        for name in ("custom_auth.py", "custom_guardrails.py", "wardens.py"):
            (folder / name).write_text((HERE / name).read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)))
        command = [
            str(Path(sys.executable).with_name("litellm")), "--config", "config.yaml",
            "--host", "127.0.0.1", "--port", str(port), *options,
        ]  # fmt: skip
        super().__init__(command, folder, environment)

    def wait(self) -> Gateway:
        """Wait until it responds."""
        until(lambda: self.answers(f"{self.url}/health/liveliness"), STARTING_S, "the gateway")
        return self


class Spans:
    """
    The traces of one experiment of a tracking server, read through MLflow's public API.

    Args:
        uri: The tracking server's.
        name: The experiment's.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.uri = uri
        self.name = name

    def all(self, **wanted: Any) -> list[Trace]:
        """Return all present traces, oldest first; `wanted` are arguments of MLflow's search."""
        mlflow.set_tracking_uri(self.uri)
        experiment = mlflow.get_experiment_by_name(self.name)
        if experiment is None:
            return []
        return mlflow.search_traces(
            locations=[experiment.experiment_id],
            order_by=["timestamp ASC"],
            return_type="list",
            max_results=1000,
            **wanted,
        )

    def when(self, fits: Callable[[Trace], Any], count: int = 1, **wanted: Any) -> list[Trace]:
        """
        Wait for `count` ended traces that fit, and return them.

        Fails if a span of the package has an attribute that is not in the package's table.
        """

        def found() -> list[Trace]:
            traces = [trace for trace in self.all(**wanted) if is_whole(trace) and fits(trace)]
            return traces if len(traces) >= count else []

        traces = until(found, TRACING_S, f"{count} traces in {self.name}", every=0.25)
        of_package = (span for trace in traces for span in trace.data.spans if is_of_package(span))
        assert not_as_in_table(of_package) == set()
        return traces

    def tagged(self, tag: str) -> Trace:
        """Wait until the only trace with a tag of this name has ended, and return it."""
        # Backquotes, for characters that no plain name has.
        [trace] = self.when(bool, filter_string=f"tags.`{tag}` = ''")
        return trace


def is_of_package(span: Span) -> bool:
    """Return whether a span is a call, a request, a guardrail's run or a tool call."""
    return (
        span.name.startswith(("litellm-", "guardrail ", "tools/"))
        or "http.route" in span.attributes
    )


# The tree of a chat completion that takes one attempt.
ROUTED = [("litellm-Router.acompletion", [("litellm-acompletion", [])])]
CHAT = ("POST /v1/chat/completions", ROUTED)


def is_whole(trace: Trace) -> bool:
    """Return whether the root and all parents of a trace's spans have arrived."""
    known = {span.span_id for span in trace.data.spans}
    parents = {span.parent_id for span in trace.data.spans}
    return None in parents and parents - {None} <= known


def tree(trace: Trace) -> Any:
    """Return a trace as nested pairs: a span's name, and its children in order of time."""

    def below(parent: str | None) -> list[Any]:
        children = [span for span in trace.data.spans if span.parent_id == parent]
        children.sort(key=lambda span: span.start_time_ns)
        return [(span.name, below(span.span_id)) for span in children]

    [root] = below(None)
    return root


def spans(trace: Trace, name: str) -> list[Span]:
    """Return a trace's spans of one name, in order of time."""
    found = [span for span in trace.data.spans if span.name == name]
    return sorted(found, key=lambda span: span.start_time_ns)


def root(trace: Trace) -> Span:
    """Return the root span of a trace."""
    [found] = [span for span in trace.data.spans if span.parent_id is None]
    return found
