"""Calls do not wait for a slow Databricks workspace. Those before its response are not traced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from children import run, succeed

if TYPE_CHECKING:
    from pathlib import Path

DATABRICKS = {
    "DATABRICKS_TOKEN": "dapi-none",
    "MLFLOW_EXPERIMENT_ID": "123456",
    "MLFLOW_TRACKING_URI": "databricks",
}
BEGIN = """
import asyncio, os, threading
from workspaces import Workspace

workspace = Workspace()
os.environ["DATABRICKS_HOST"] = workspace.url
import litellm, mlflow, mlflow_litellm
from mlflow_litellm._tracing.store import first_span

CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
        "mock_response": "hello"}
mlflow.litellm.autolog()

def report():
    mlflow.flush_trace_async_logging()
    health = mlflow_litellm.health()
    sent = [path for path, _, _ in workspace.received if path.endswith("/mlflow/traces")]
    print(health.calls, health.calls_lost, len(sent))
"""
LATE = """
workspace.answering.clear()
first_span.PATIENCE_S = 0.2
for _ in range(2):
    litellm.completion(**CALL)
    asyncio.run(litellm.acompletion(**CALL))
report()
workspace.answering.set()
for thread in threading.enumerate():
    if thread.name == "mlflow-litellm-first-span":
        thread.join()
litellm.completion(**CALL)
report()
"""


def test_call_is_traced_if_the_workspace_answers(tmp_path: Path) -> None:
    """Calls are traced if the workspace responds in time. The first call waits for the response."""
    code = "first_span.PATIENCE_S = 60\nlitellm.completion(**CALL)\nreport()"
    assert succeed(BEGIN + code, tmp_path, **DATABRICKS) == "1 {} 1\n"


def test_calls_before_the_answer_are_lost_and_do_not_wait(tmp_path: Path) -> None:
    """Calls before the response are counted as lost with one warning. Later calls are traced."""
    ended = run(BEGIN + LATE, tmp_path, **DATABRICKS)
    assert ended.stdout.splitlines() == [
        "0 {'WorkspaceSilentError': 4} 0",
        "1 {'WorkspaceSilentError': 4} 1",
    ], ended.stderr
    [said] = [line for line in ended.stderr.splitlines() if "calls are not traced" in line]
    assert "databricks has not answered" in said


def test_forked_child_asks_for_itself(tmp_path: Path) -> None:
    """A forked child sends its own request, as the child lacks the parent's requesting thread."""
    code = """
workspace.answering.clear()
first_span.PATIENCE_S = 0.2
litellm.completion(**CALL)
child = os.fork()
if not child:
    litellm.completion(**CALL)
    print(mlflow_litellm.health().calls_lost, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    assert succeed(BEGIN + code + "\nos._exit(0)", tmp_path, **DATABRICKS) == (
        "{'WorkspaceSilentError': 1}\n"
    )
