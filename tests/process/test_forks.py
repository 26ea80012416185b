"""Forked children trace and do not hang, although MLflow's threads are not in them."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest
import scripts
from children import succeed
from processes import STARTING_S, Process, free_port, running, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")

BEGIN = """
import multiprocessing, os, sys, threading
import litellm, mlflow, mlflow_litellm

def call(who, **more):
    messages = [{"role": "user", "content": who}]
    return litellm.completion(
        model="gpt-4o-mini", messages=messages, mock_response="hello there", **more
    )

def call_and_settle(who):
    # A fork amid LiteLLM's own logging has the child's wait for locks of pydantic's for ever.
    logged = threading.Event()
    litellm.success_callback = [lambda *_: logged.set()]
    call(who)
    logged.wait()

def end():
    # Not sys.exit(): taking apart what LiteLLM has imported takes seconds.
    mlflow.flush_trace_async_logging()
    os._exit(0)

def wait_for(child):
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

mlflow.litellm.autolog()
"""


def asked(folder: Path) -> Counter[str]:
    """Return the prompts of the stored calls with their counts."""
    with sqlite3.connect(folder / "mlflow.db") as store:
        question = "json_extract(content, '$.attributes.\"mlflow.spanInputs\"')"
        rows = store.execute(
            f"SELECT json_extract({question}, '$.messages[0].content') FROM spans"
        ).fetchall()
    return Counter(row[0] for row in rows)


def test_forks_amid_exports_lose_nothing(tmp_path: Path) -> None:
    """Forks lose no trace while the parent's threads hold SQLite's locks."""
    code = """
for n in range(8):
    for _ in range(12):
        call("parent")
    child = os.fork()
    if not child:
        call(f"child {n}")
        end()
    wait_for(child)
"""
    succeed(BEGIN + code, tmp_path)
    children = {f"child {n}": 1 for n in range(8)}
    assert asked(tmp_path) == {"parent": 96, **children}


def test_child_that_exits_sends_what_it_has(tmp_path: Path) -> None:
    """A child that exits sends its own traces, and the parent those that wait in the parent."""
    code = """
call_and_settle("parent")
if not os.fork():
    call("child")
    sys.exit(0)
os.wait()
"""
    succeed(BEGIN + code, tmp_path, MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS="600000")
    assert asked(tmp_path) == {"parent": 1, "child": 1}


def test_locks_of_other_threads_are_not_the_childs(tmp_path: Path) -> None:
    """A child does not hang if another thread holds MLflow's or this package's lock at the fork."""
    code = """
from mlflow.tracing.trace_manager import InMemoryTraceManager
from mlflow.utils.autologging_utils import autologging_conf_lock

call("parent")
held, over = threading.Barrier(3), threading.Event()

def hold_traces():
    with InMemoryTraceManager.get_instance().get_trace("tr-none"):
        held.wait()
        over.wait()

@autologging_conf_lock
def hold_switch():
    held.wait()
    over.wait()

threads = [threading.Thread(target=each) for each in (hold_traces, hold_switch)]
for thread in threads:
    thread.start()
held.wait()
child = os.fork()
if not child:
    mlflow.litellm.autolog(disable=True)
    mlflow.litellm.autolog()
    call("child")
    end()
wait_for(child)
over.set()
"""
    succeed(BEGIN + code, tmp_path)
    assert asked(tmp_path) == {"parent": 1, "child": 1}


def test_child_has_locks_of_its_own(tmp_path: Path) -> None:
    """Each lock of this package is new in a child, in a module or in an object of a module."""
    code = """
def locks():
    modules = [module for name, module in sys.modules.items() if name.startswith("mlflow_litellm")]
    objects = [value for module in modules for value in vars(module).values()
               if type(value).__module__.startswith("mlflow_litellm")]
    kinds = type(threading.Lock()), type(threading.RLock()), threading.Condition
    return [value for holder in (*modules, *objects)
            for value in getattr(holder, "__dict__", {}).values() if isinstance(value, kinds)]

before = locks()
assert len(before) >= 8, before
child = os.fork()
if not child:
    assert not any(new is old for new in locks() for old in before)
    os._exit(0)
wait_for(child)
"""
    succeed(BEGIN + code, tmp_path)


# A worker that is not forked imports LiteLLM and MLflow, which takes seconds.
@pytest.mark.parametrize(("way", "workers"), [("fork", 2), ("spawn", 1), ("forkserver", 1)])
def test_workers_of_multiprocessing_send_what_they_have(
    way: str, workers: int, tmp_path: Path
) -> None:
    """Workers send their traces, also of open streams, although forks run no exit handlers."""
    code = f"""
def work(n):
    global stream
    mlflow.litellm.autolog()
    stream = call(f"stream {{n}}", stream=True)
    next(stream)
    return call(f"call {{n}}").choices[0].message.content

if __name__ == "__main__":
    call_and_settle("parent")
    with multiprocessing.get_context({way!r}).Pool({workers}) as pool:
        answers = pool.map(work, range({workers}), chunksize=1)
        pool.close()
        pool.join()
    assert answers == ["hello there"] * {workers}
"""
    # Workers that are not forked import the script.
    run = succeed if way == "fork" else scripts.succeed
    run(BEGIN + code, tmp_path)
    called = [f"{what} {n}" for what in ("call", "stream") for n in range(workers)]
    assert asked(tmp_path) == dict.fromkeys(["parent", *called], 1)


def test_calls_in_a_forked_worker_are_below_the_span_that_is_open(tmp_path: Path) -> None:
    """Calls in a forked worker are children of the span that is open at the fork."""
    code = """
with mlflow.start_span("outer"):
    call_and_settle("parent")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply(call, ["child"])
        pool.close()
        pool.join()
mlflow.flush_trace_async_logging()
(trace,) = mlflow.search_traces(return_type="list")
outer = trace.data.spans[0]
print([span.name for span in trace.data.spans if span.parent_id == outer.span_id])
"""
    assert succeed(BEGIN + code, tmp_path) == "['litellm-completion', 'litellm-completion']\n"


def test_child_counts_for_itself(tmp_path: Path) -> None:
    """A child has its own health counts, and the parent's continue."""
    code = """
call("parent")
child = os.fork()
if not child:
    assert mlflow_litellm.health().calls == 0
    call("child")
    assert mlflow_litellm.health().calls == 1
    end()
wait_for(child)
health = mlflow_litellm.health()
assert (health.calls, health.spans_dropped) == (1, 0), health
"""
    succeed(BEGIN + code, tmp_path)


SERVER = """
import litellm, mlflow

mlflow.litellm.autolog()

def call(who):
    messages = [{"role": "user", "content": who}]
    answer = litellm.completion(
        model="gpt-4o-mini", messages=messages, mock_response="hello there"
    )
    return answer.choices[0].message.content

call("master")
mlflow.flush_trace_async_logging()

def app(environ, start_response):
    start_response("200 OK", [])
    return [call(environ["PATH_INFO"]).encode()]
"""


def test_prefork_server_traces_each_request(tmp_path: Path) -> None:
    """A pre-fork server traces each request, also the last before its stop."""
    scripts.provide_store(tmp_path)
    (tmp_path / "serving.py").write_text(SERVER)
    address = f"127.0.0.1:{free_port()}"
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    options = ["--preload", "--workers", "2", "--bind", address]
    with running(Process([gunicorn, *options, "serving:app"], tmp_path)) as server:
        until(lambda: server.answers(f"http://{address}/up"), STARTING_S, "gunicorn")
        for n in range(20):
            assert httpx.get(f"http://{address}/{n}").text == "hello there"
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
    found = asked(tmp_path)
    assert found["master"] == 1
    assert {f"/{n}": found[f"/{n}"] for n in range(20)} == {f"/{n}": 1 for n in range(20)}
