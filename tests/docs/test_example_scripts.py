"""Each script of ``docs/examples`` runs without a key and leaves the trace it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from children import succeed
from documents import ROOT, text

if TYPE_CHECKING:
    from pathlib import Path

    from provider import LoopbackProvider

EXAMPLES = ROOT / "docs" / "examples"
LONGEST = 40
# The output of each script.
PRINTED = {
    "agent.py": (
        "Take an umbrella.\n['agent', 'litellm-completion', 'weather', 'litellm-completion']\n"
    ),
    "chat.py": "A trace is the record of one request.\nlitellm-completion LLM {'input_tokens':",
    "evaluation.py": "'is_polite/mean':",
    "proxy_client.py": "You said: Who are you?\ntr-",
    "router_fallbacks.py": (
        "Here I am.\n"
        "litellm-Router.completion OK fast\n"
        "litellm-completion ERROR openai/gpt-4o-mini\n"
        "litellm-completion OK anthropic/claude-sonnet-4-5\n"
    ),
    "stream.py": "One, two, three.\nOne, two, three.\ntime to first chunk, ms:",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_its_trace_has(
    name: str, provider: LoopbackProvider, tmp_path: Path
) -> None:
    """The output matches the trace.

    Only the proxy's client sends requests, which go to loopback.
    """
    printed = succeed(
        (EXAMPLES / name).read_text(),
        tmp_path,
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_PROXY_API_BASE=provider.openai_base,
    )
    assert PRINTED[name] in printed


def test_every_example_is_short_tested_and_on_the_page() -> None:
    """Each example script is short, tested, and on the page."""
    scripts = {script.name: script.read_text() for script in EXAMPLES.glob("*.py")}
    assert set(PRINTED) == set(scripts)
    assert [name for name, code in scripts.items() if len(code.splitlines()) >= LONGEST] == []
    assert [name for name in scripts if f"examples/{name}" not in text("docs/examples.md")] == []
