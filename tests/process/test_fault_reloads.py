"""Calls in reloaded modules and spawned processes are traced at most once."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest
from children import run_each
from scripts import succeed

if TYPE_CHECKING:
    from pathlib import Path

    from children import Ended

RELOADED = [
    "litellm",
    "litellm.main",
    "mlflow.litellm",
    "mlflow_litellm",
    "mlflow_litellm._instrumentation.wrapper",
    "mlflow_litellm._tracing.guard",
    "mlflow_litellm._instrumentation.context",
    "mlflow_litellm._instrumentation.stream_state",
    "mlflow_litellm._tracing.span",
    "mlflow_litellm._instrumentation.stream",
    "mlflow_litellm._takeover",
    "mlflow_litellm._payloads.kinds.table",
    "mlflow_litellm._instrumentation.autolog",
    "mlflow_litellm._common.patching",
]
REMOVED = ["litellm", "mlflow.litellm", "mlflow_litellm"]
LOADING_ANEW = {
    **{f"reload {name}": f"importlib.reload(sys.modules[{name!r}])" for name in RELOADED},
    **{f"import {name} anew": f"import_anew({name!r})" for name in REMOVED},
}
# Modules whose reload leaves patches in place, which are then patched again.
LEFT = {
    "reload mlflow_litellm._instrumentation.autolog",
    "import litellm anew",
    "import mlflow_litellm anew",
}
SETUP = """
    import asyncio, gc, importlib, inspect, json, sys
    from concurrent.futures import ThreadPoolExecutor
    import litellm, mlflow, mlflow.litellm, mlflow_litellm._instrumentation.autolog

    litellm.token_counter(model="gpt-4o-mini", text="hi")
    litellm.suppress_debug_info = True
    CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
            "mock_response": "hello"}
    ended = []

    def import_anew(name):
        for known in list(sys.modules):
            if known == name or known.startswith(name + "."):
                del sys.modules[known]
        globals()[name.partition(".")[0]] = importlib.import_module(name.partition(".")[0])
        importlib.import_module(name)

    def traced():
        del ended[:]
        said = [litellm.completion(**CALL).choices[0].message.content,
                "".join(c.choices[0].delta.content or "" for c in
                        litellm.completion(**CALL, stream=True)),
                asyncio.run(litellm.acompletion(**CALL)).choices[0].message.content]
        assert said == ["hello"] * 3, said
        return len(ended)

    def patched():
        holders = [module for name, module in sys.modules.copy().items()
                   if name.partition(".")[0] == "litellm"]
        held = [(holder, name, value) for holder in
                [*filter(None, holders), *olds, litellm.Router, ThreadPoolExecutor]
                for name, value in dict(vars(holder)).items()]
        return sorted({f"{holder.__name__}.{name}" for holder, name, value in held
                       if type(value).__module__.startswith("mlflow_litellm")
                       or "mlflow_litellm" in getattr(getattr(value, "__code__", None),
                                                      "co_filename", "")})

    olds = [litellm]
    mlflow.tracing.configure(span_processors=[ended.append])
    told = []
"""
PROGRAM = """
before = ThreadPoolExecutor.submit
mlflow.litellm.autolog()
told.append(traced())
{anew}
traced()
mlflow.litellm.autolog()
told.append(traced())
mlflow.litellm.autolog(disable=True)
told.append(traced())
print(json.dumps([told, patched(), before is ThreadPoolExecutor.submit]))
"""


def wrong(titles: set[str], folder: Path) -> dict[str, Ended]:
    """Reload modules while tracing is on, and return those whose tracing is wrong afterwards."""
    programs = {title: PROGRAM.format(anew=LOADING_ANEW[title]) for title in sorted(titles)}
    ended = run_each(programs, SETUP, folder)
    # Three calls make three spans, and no patch is left when tracing is off.
    good = "[[3, 3, 0], [], true]\n"
    return {title: told for title, told in ended.items() if (told.code, told.stdout) != (0, good)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")
@pytest.mark.timeout(520)
def test_module_that_is_loaded_anew_is_traced_once(tmp_path: Path) -> None:
    """A reloaded module is traced once, and has its originals after tracing is off."""
    assert wrong(LOADING_ANEW.keys() - LEFT, tmp_path) == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")
@pytest.mark.timeout(520)
def test_what_keeps_the_patches_is_loaded_anew(tmp_path: Path) -> None:
    """A reload of the modules with the patches, or of the patched modules, keeps tracing right."""
    assert wrong(LEFT, tmp_path) == {}


SPAWNING = """
    import json, multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    import litellm, mlflow

    CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
            "mock_response": "hello"}

    def answer(function):
        return function(**CALL).choices[0].message.content

    def switched_on():
        mlflow.litellm.autolog()
        return answer(litellm.completion)

    def main():
        mlflow.litellm.autolog()
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(1) as pool:
            said = [pool.apply(answer, (litellm.completion,)), pool.apply(switched_on),
                    pool.apply(answer, (litellm.completion,))]
            pool.close()
            pool.join()
        with ProcessPoolExecutor(1, spawn, initializer=mlflow.litellm.autolog) as executor:
            said.append(executor.submit(answer, litellm.completion).result())
        print(json.dumps(said))

    if __name__ == "__main__":
        main()
"""


@pytest.mark.timeout(130)
def test_spawned_process_traces_once_it_is_switched_on_there(tmp_path: Path) -> None:
    """A traced function is sent by name, and three of four calls in two processes are traced."""
    out = succeed(SPAWNING, tmp_path, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert json.loads(out) == ["hello"] * 4
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("SELECT count(*) FROM spans").fetchone() == (3,)
