"""Every program in the documentation runs unchanged and stores its traces."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from typing import TYPE_CHECKING, NamedTuple

import pytest
from children import succeed
from collectors import over_http
from documents import ROOT, blocks, pages, text

from mlflow_litellm import __main__

if TYPE_CHECKING:
    from pathlib import Path

    from provider import LoopbackProvider

# Programs with more requirements than the others, and the test files that run them.
ELSEWHERE = {
    "docs/frameworks.md": [
        "tests/frameworks/test_instructor.py",
        "tests/frameworks/test_smolagents.py",
    ],
    "docs/litellm-proxy.md": ["tests/gateway/test_documented.py"],
}
EXPORTS = "docs/otlp.md"
APART = {*ELSEWHERE, EXPORTS}
WITH_PROGRAMS = [page for page in pages() if blocks(page, "python") and page not in APART]

AFTER = """
import mlflow
mlflow.flush_trace_async_logging()
mlflow.set_tracking_uri("sqlite:///mlflow.db")
places = [each.experiment_id for each in mlflow.search_experiments()]
for trace in mlflow.search_traces(locations=places, return_type="list"):
    print("TRACE", trace.to_json())
"""


class Seen(NamedTuple):
    """Texts that the traces of a page's programs must have, and texts that they must not have."""

    there: tuple[str, ...]
    not_there: tuple[str, ...] = ()
    printed: str = ""


[ROUTED] = blocks("docs/router.md", "text")

PAGES = {
    "README.md": Seen(("What is a trace?",), printed="The record of one request."),
    "docs/evaluation.md": Seen(
        ("You said: What is a span?", '"mlflow.trace.session": "chat-7"'),
        printed="tags.jobID = '42' 1\n",
    ),
    "docs/getting-started.md": Seen(
        ("The record of one operation.", '"jobID": "42"', '"mlflow.trace.session": "chat-7"')
    ),
    "docs/index.md": Seen(("The record of one request.",)),
    "docs/notebooks.md": Seen(()),
    "docs/production.md": Seen(
        ("Charge [card], please.", "You said: Hello"), ("4111111111111111",)
    ),
    "docs/router.md": Seen(("You said: What is a fallback?", "Another attempt."), printed=ROUTED),
    "docs/what-is-recorded.md": Seen(()),
    "docs/troubleshooting.md": Seen(("hello",), printed="{}"),
    "docs/streaming.md": Seen(('"stream_end": "\\"finished\\""', "You said: Count to ten.")),
}


def follow(page: str, provider: LoopbackProvider, folder: Path, **environment: str) -> str:
    """Run a page's programs, print the stored traces, and return the output."""
    return succeed(
        "\n".join([*blocks(page, "python"), AFTER]),
        folder,
        OPENAI_API_BASE=provider.openai_base,
        OPENAI_API_KEY="sk-loopback",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        **environment,
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", WITH_PROGRAMS)
def test_programs_leave_the_traces_they_promise(
    page: str, provider: LoopbackProvider, tmp_path: Path
) -> None:
    """The programs run one after the other in one process, as a reader pastes them."""
    out = follow(page, provider, tmp_path)
    printed, _, traced = out.partition("TRACE ")
    seen = PAGES[page]
    assert [part for part in seen.there if part not in traced] == []
    assert [part for part in seen.not_there if part in traced] == []
    assert seen.printed in printed


@pytest.mark.timeout(120)
def test_collector_gets_what_the_page_exports(provider: LoopbackProvider, tmp_path: Path) -> None:
    """The collector gets the spans under the service's name, and nothing is stored."""
    with over_http() as collector:
        where = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.endpoint}
        assert "TRACE" not in follow(EXPORTS, provider, tmp_path, **where)
    assert collector.services == {"assistant"}
    assert "You said: What is a span?" in str(collector.spans)


@pytest.mark.parametrize("page", ELSEWHERE)
def test_programs_that_run_elsewhere_are_read_there(page: str) -> None:
    """Each of these test files names the page."""
    name = page.removeprefix("docs/")
    assert all(name in (ROOT / file).read_text() for file in ELSEWHERE[page])


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """Every link in the README has a target. The documentation's build checks the other pages."""
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", text("README.md"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_readme_has_the_commands_that_ci_runs() -> None:
    """CI runs each line of the README's shell blocks: the demo, and then the tests."""
    demo, tests = "".join(blocks("README.md", "shell")).splitlines()
    assert demo.endswith(".venv/bin/python -m mlflow_litellm demo")
    assert tests.endswith(".venv/bin/nox")


def test_install_commands_work_before_a_release() -> None:
    """Each page installs from a clone, with an extra that the package has."""
    commands = {each for page in pages() for each in re.findall(r"pip install '?(\S+)", text(page))}
    assert not {each for each in commands if each.startswith("mlflow_litellm")}
    extras = {each[2:].strip("]'`,") for each in commands if each.startswith(".[")}
    assert extras == set(metadata("mlflow_litellm").get_all("Provides-Extra", []))


def test_environment_variables_of_the_package_are_in_the_reference() -> None:
    """The reference has every environment variable in the package's code."""
    sources = (ROOT / "mlflow_litellm").rglob("*.py")
    named = {
        name for file in sources for name in re.findall(r"MLFLOW_LITELLM_\w+", file.read_text())
    }
    assert named
    assert [name for name in sorted(named) if name not in text("docs/api.md")] == []


@pytest.mark.parametrize("command", __main__.COMMANDS)
def test_reference_of_a_command_is_its_help(command: str) -> None:
    """The reference has the description, the options and the exit status of ``--help``."""
    _, found, section = text("docs/api.md").partition(f"`python -m mlflow_litellm {command}`: ")
    section = section.partition("\n`python")[0]
    assert found
    assert section.partition("\n")[0] == __main__.COMMANDS[command]
    rows = [
        f"| `{option} {metavar}` | {help_text} |" if metavar else f"| `{option}` | {help_text} |"
        for option, (metavar, _, help_text) in __main__.OPTIONS[command].items()
    ]
    assert rows == re.findall(r"^\| `--.*$", section, re.MULTILINE)
    assert __main__.EXIT in " ".join(text("docs/api.md").split())
