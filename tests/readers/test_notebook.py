"""A notebook's cell shows the traces of its own calls, and no others."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import scripts
from notebooks import assert_faultless, executed, printed, shown, traces_by_prompt, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from processes import Provider, TrackingServer

# The first test waits for a tracking server, and for a kernel that imports MLflow and LiteLLM.
pytestmark = pytest.mark.timeout(600)

SETUP = """
import asyncio, litellm, mlflow, threading

def saying(prompt):
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}

callbacks = get_ipython().events.callbacks["post_execute"]
before = list(callbacks)
mlflow.litellm.autolog()
"""
CELLS = {
    "setup": SETUP + "mlflow.set_experiment('notebook')",
    "sync": "litellm.completion(**saying('sync'))",
    "quiet": "1 + 1",
    "async": "await litellm.acompletion(**saying('async'))",
    "stream": "for chunk in litellm.completion(**saying('stream'), stream=True): pass",
    "async stream": """
async for chunk in await litellm.acompletion(**saying('async stream'), stream=True):
    pass
""",
    "several": """
litellm.completion(**saying('first'))
litellm.completion(**saying('second'))
_ = await asyncio.gather(*(litellm.acompletion(**saying(f'gathered {i}')) for i in range(2)))
""",
    "nested": """
@mlflow.trace
def agent():
    return litellm.completion(**saying('nested'))

agent()
""",
    "failing": "litellm.completion(**saying('/error 400'))",
    "half a stream": """
stream = litellm.completion(**saying('in two cells'), stream=True)
first = next(stream)
""",
    "its other half": "rest = list(stream)",
    "break": """
kept = litellm.completion(**saying('left early'), stream=True)
for chunk in kept:
    break
""",
    "half below a span": """
@mlflow.trace
def opens():
    return litellm.completion(**saying('below a span'), stream=True)

inner = opens()
""",
    "its end": "rest = list(inner)",
    "on again": "mlflow.litellm.autolog(); litellm.completion(**saying('on again'))",
    "switching off": """
litellm.completion(**saying('the last'))
mlflow.litellm.autolog(disable=True)
""",
    "off": "litellm.completion(**saying('untraced')); print(callbacks == before)",
    "back": "mlflow.litellm.autolog(); litellm.completion(**saying('traced again'))",
    "sending": "mlflow.flush_trace_async_logging()",
}
# The prompts whose traces each cell must show.
SHOWN = {
    "setup": [],
    "sync": ["sync"],
    "quiet": [],
    "async": ["async"],
    "stream": ["stream"],
    "async stream": ["async stream"],
    "several": ["first", "second", "gathered 0", "gathered 1"],
    "nested": ["nested"],
    "failing": ["/error 400"],
    "half a stream": [],
    "its other half": ["in two cells"],
    "break": ["left early"],
    "half below a span": [],
    "its end": ["below a span"],
    "on again": ["on again"],
    "switching off": ["the last"],
    "off": [],
    "back": ["traced again"],
    "sending": [],
}

ASKING = "litellm.completion(**saying('call')); print(mlflow.get_last_active_trace_id())"
# A collector's address without a listener; it gets spans when a notebook is long over.
OTLP = {
    "OTEL_BSP_SCHEDULE_DELAY": "600000",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
}


@pytest.fixture(scope="module")
def notebook(
    vendor: Provider, tracking: TrackingServer, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Execute all cells, in one kernel."""
    folder = tmp_path_factory.mktemp("notebook")
    environment = {**vendor.environment, "MLFLOW_TRACKING_URI": tracking.uri}
    return executed(written(CELLS, failing=("failing",)), folder, environment)


@pytest.fixture
def mute_server() -> Iterator[socket.socket]:
    """Listen as a server that hangs: it takes connections, and never responds."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield listening


def address(server: socket.socket) -> str:
    """Return a server's address."""
    return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("name", CELLS)
def test_each_cell_shows_the_traces_of_its_own_calls(
    notebook: Any, tracking: TrackingServer, name: str
) -> None:
    """Each cell shows its calls of any kind; a stream is shown in the cell that reads its end."""
    traces = traces_by_prompt(tracking.uri, "notebook")
    cell = notebook.cells[list(CELLS).index(name)]
    assert sorted(traces[prompt] for prompt in SHOWN[name]) == sorted(shown(cell))


def test_nothing_breaks_in_a_notebook(notebook: Any) -> None:
    """No exception is printed: neither IPython's of callbacks nor Python's of threads."""
    assert_faultless(notebook)


def test_disable_leaves_the_notebook_as_it_was(notebook: Any) -> None:
    """After `disable`, IPython calls no function of the package at the end of a cell."""
    assert "True\n" == printed(notebook.cells[list(CELLS).index("off")])


@pytest.mark.parametrize(
    ("environment", "shows"),
    [
        ({"MLFLOW_TRACKING_URI": "sqlite:///traces.db"}, False),
        ({"MLFLOW_USE_BATCH_SPAN_PROCESSOR": "false"}, True),
        ({**OTLP, "MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT": "true"}, True),
    ],
    ids=["local store", "no batches", "a collector too"],
)
def test_shows_what_mlflow_shows(
    vendor: Provider,
    mute_server: socket.socket,
    tmp_path: Path,
    environment: dict[str, str],
    shows: bool,
) -> None:
    """A cell shows the traces that MLflow would show, and so none of a local store."""
    given = {**vendor.environment, "MLFLOW_TRACKING_URI": address(mute_server), **environment}
    done = executed(written({"setup": SETUP, "call": ASKING}), tmp_path, given)
    assert [printed(done.cells[1]).strip()] * shows == shown(done.cells[1])
    assert_faultless(done)


def test_what_goes_to_a_collector_alone_is_left_to_wait(
    vendor: Provider, mute_server: socket.socket, tmp_path: Path
) -> None:
    """Spans for a collector alone are shown nowhere, so the end of a cell does not send them."""
    given = {**vendor.environment, **OTLP}
    given["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = f"{address(mute_server)}/v1/traces"
    done = executed(written({"setup": SETUP, "call": CELLS["sync"]}), tmp_path, given)
    assert [] == shown(done.cells[1])
    mute_server.setblocking(False)  # noqa: FBT003
    with pytest.raises(BlockingIOError):
        mute_server.accept()
    assert_faultless(done)


FLUSHING = """
threading.Thread(target=mlflow.flush_trace_async_logging, daemon=True).start()
consumers = [t for t in threading.enumerate() if t.name == "MLflowTraceLoggingConsumer"]
for thread in consumers:
    thread.join()
print(len(consumers))
"""


def test_no_cell_waits_for_a_server_that_hangs(
    vendor: Provider, mute_server: socket.socket, tmp_path: Path
) -> None:
    """Cells end in time, though the server responds to MLflow's requests much later or never."""
    environment = {
        **vendor.environment,
        "MLFLOW_TRACKING_URI": address(mute_server),
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "3600",
    }
    cells = {
        "setup": SETUP,
        "call": ASKING,
        # From now on MLflow sends a trace from the thread that has made it.
        "flushing": FLUSHING,
        "held up": "litellm.completion(**saying('held up')); print('called')",
        "the next": "litellm.completion(**saying('the next')); print('called')",
    }
    done = executed(written(cells), tmp_path, environment)
    assert [printed(done.cells[1]).strip()] == shown(done.cells[1])
    assert ["1\n", "called\n", "called\n"] == [printed(cell) for cell in done.cells[2:]]


def test_does_nothing_where_there_is_no_notebook(tmp_path: Path) -> None:
    """IPython is not imported; an imported IPython without a shell is no notebook."""
    scripts.succeed(
        """
        import sys
        import mlflow

        mlflow.litellm.autolog()
        assert "IPython" not in sys.modules
        mlflow.litellm.autolog(disable=True)
        import IPython

        mlflow.litellm.autolog()
        mlflow.litellm.autolog(disable=True)
        """,
        tmp_path,
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        MLFLOW_AUTOLOGGING_TESTING="true",
    )
