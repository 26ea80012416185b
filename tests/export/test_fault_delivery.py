"""A program whose traces cannot be sent ends like a program with traces made by hand."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest
from children import run_each
from processes import free_port
from stores import REPLIES, FaultyStore, faulty_store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")

SETUP = """
    import os, time
    import litellm, mlflow

    litellm.token_counter(model="gpt-4o-mini", text="hi")
    CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
            "mock_response": "hello"}
    # Who waits for the server does so for nine seconds: twice for the trace, once for its version.
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "3"
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    os.environ["MLFLOW_ASYNC_TRACE_LOGGING_RETRY_TIMEOUT"] = "3"

    def asking(by):
        if by == "hand":
            return mlflow.trace(litellm.completion)
        mlflow.litellm.autolog()
        return litellm.completion

    def fill_disk():
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize("mlflow.db"),) * 2)
"""
PROGRAM = """
{begin}
ask = asking({by!r})
began = time.monotonic()
print(ask(**CALL).choices[0].message.content, time.monotonic() - began < 8)
"""
PLACES = ["gone", "full disk", "fails", "never answers"]


def destination(serving: contextlib.ExitStack, stores: dict[str, FaultyStore], name: str) -> str:
    """Return the code that sets the destination of traces. A server for it is put into `stores`."""
    kind = name.partition(" by ")[0]
    if kind == "full disk":
        return "fill_disk()"
    if kind == "gone":
        return f"mlflow.set_tracking_uri('http://127.0.0.1:{free_port()}')"
    stores[name] = serving.enter_context(faulty_store(REPLIES[kind]))
    return f"mlflow.set_tracking_uri({stores[name].uri!r})"


@pytest.mark.timeout(520)
def test_program_ends_as_with_traces_made_by_hand(tmp_path: Path) -> None:
    """Response, requests and exit time (within seconds) equal those with traces made by hand."""
    programs: dict[str, str] = {}
    stores: dict[str, FaultyStore] = {}
    with contextlib.ExitStack() as serving:
        for by in ("hand", "us"):
            for name in (f"{place} by {by}" for place in PLACES):
                begin = destination(serving, stores, name)
                programs[name] = PROGRAM.format(begin=begin, by=by)
        ended = run_each(programs, SETUP, tmp_path)
    for place in PLACES:
        ours, by_hand = ended[f"{place} by us"], ended[f"{place} by hand"]
        assert (place, ours.code, ours.stdout) == (place, 0, "hello True\n"), ours.stderr
        assert ours.seconds <= by_hand.seconds + 5, place
        if place in REPLIES:
            asked, asked_by_hand = (stores[f"{place} by {by}"].requests for by in ("us", "hand"))
            assert len(asked) <= len(asked_by_hand), place
