"""
The rows of the table: each function turns the scenarios' results into ``yes``, ``no`` or a note.

The page shows a row's docstring as the description of its check.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from .recorded import Run, text
from .values import HEADER, KEY, MANY, SESSION, TAG, TEMPERATURE, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Runs = Mapping[str, Run]
    Check = Callable[[Runs], str]

ROWS: dict[str, Check] = {}


def row(title: str) -> Callable[[Check], Check]:
    """Add a function to the table of rows."""

    def enter(check: Check) -> Check:
        ROWS[title] = check
        return check

    return enter


def yes(found: object) -> str:
    """Return ``yes`` or ``no``."""
    return "yes" if found else "no"


def each(**found: object) -> str:
    """Name the values that are present."""
    names = [name for name, is_found in found.items() if is_found]
    return yes(names) if len(names) in (0, len(found)) else f"{', '.join(names)} only"


def once(run: Run) -> str:
    """Return whether a call made one span, beside those below it."""
    count = len(run.outermost)
    return yes(count) if count < 2 else f"{count} spans"


@row("Recorded as a sync call returns")
def sync(runs: Runs) -> str:
    """A span is there as `completion()` returns, after a flush; `later`: within 3 s."""
    run = runs["sync"]
    return "yes" if run.facts.get("at_once") else "later" if run.calls else "no"


@row("`asyncio.run(acompletion(...))`")
def asyncio_run(runs: Runs) -> str:
    """The loop ends with the call; a span is there at most 3 s later."""
    return once(runs["asyncio_run"])


@row("Imported before: `from litellm import completion`")
def early(runs: Runs) -> str:
    """A module holds the function from before the tracer was switched on, and calls it."""
    return once(runs["early"])


@row("Child of the caller's span")
def nested(runs: Runs) -> str:
    """A call, a read stream, an async call: each in a span of the caller's, which ends with it."""
    names = ("sync", "stream", "async")
    return each(**{name: runs[f"nested_{name}"].below_caller for name in names})


@row("`gather` of ten: ten siblings")
def gather(runs: Runs) -> str:
    """Each of ten prompts is in one child of the caller's span, which ends with the calls."""
    texts = [text(span) for span in runs["gather"].below_caller]
    alone = sum(sum(f"number {i}" in one for one in texts) == 1 for i in range(MANY))
    return yes(alone) if alone in (0, MANY) else f"{alone} of {MANY}"


@row("Embeddings, responses, Anthropic's messages")
def kinds(runs: Runs) -> str:
    """`embedding`, `responses` and `anthropic.messages.acreate` leave a span each."""
    names = ("embedding", "responses", "anthropic")
    return each(**{name: runs[name].calls for name in names})


@row("Router: failed attempt and fallback")
def router(runs: Runs) -> str:
    """A deployment answers 404, then its fallback; one span failed, one has the response."""
    return attempts(runs["router"], "You said: hello")


@row("`num_retries`: each attempt")
def retries(runs: Runs) -> str:
    """The provider fails until LiteLLM's second attempt; one span failed, one has the response."""
    return attempts(runs["retries"], "recovered")


def attempts(run: Run, answer: str) -> str:
    """Name the recorded ones of two attempts."""
    answered = [span for span in run.calls if span["status"] != "ERROR" and answer in text(span)]
    return each(failed=run.failed(), answered=answered)


@row("Failed call")
def failed(runs: Runs) -> str:
    """After a 429 a span has the status ERROR, and names `RateLimitError`."""
    run = runs["failed"]
    return each(status=run.failed(), exception=run.calls and "RateLimitError" in run.text)


@row("Cancelled call")
def cancelled(runs: Runs) -> str:
    """`asyncio.wait_for` ends a call that waits for its response: a span has the status ERROR."""
    run = runs["cancelled"]
    return yes(run.failed()) if run.failed() or not run.calls else "as no error"


@row("Stream read to its end")
def stream(runs: Runs) -> str:
    """The whole text is recorded, and the tokens that the provider counted at the stream's end."""
    run = runs["stream"]
    counted = [run.has("token", run.facts.get(way)) for way in ("input", "output")]
    return each(text="served from the prompt cache" in run.text, tokens=all(counted))


@row("Stream dropped half-way")
def dropped(runs: Runs) -> str:
    """The stream is left by `break` and collected: its span has ended, with the text read."""
    return partial(runs["stream_dropped"])


@row("Stream left by `break`, and still held")
def held(runs: Runs) -> str:
    """The same, while a variable keeps the stream."""
    return partial(runs["stream_held"])


def partial(run: Run) -> str:
    """Name the records of a stream that began with three words."""
    return each(span=run.calls, text="w0 w1" in run.text)


@row("Stream broken by the provider")
def broken(runs: Runs) -> str:
    """After an error event a span has the status ERROR, and the text that came before it."""
    run = runs["stream_broken"]
    return each(error=run.failed(), text="w0 w1" in run.text)


@row("Streamed tool calls put together")
def tools(runs: Runs) -> str:
    """For two calls in fragments, both names and all their arguments are recorded."""
    said = runs["stream_tools"].text
    first = "get_weather" in said and '{"location": "Paris"}' in said
    return each(first=first, second="get_time" in said and '{"zone": "CET"}' in said)


@row("Time to first token")
def first_token(runs: Runs) -> str:
    """An attribute of a stream's span is a number, and its name has `first` or `ttft`."""
    found = [name for word in ("first", "ttft") for name, _ in runs["stream"].numbers(word)]
    return yes(found)


@row("Cached tokens")
def cached(runs: Runs) -> str:
    """An attribute named for the cache has the number that the provider sent."""
    return yes(runs["cached"].has("cache", runs["cached"].facts.get("cached")))


# Neither of input or output alone, nor of the savings.
TOTAL_COST = re.compile(r"(^|\.)(total_|response_)?cost(\.total)?$")


@row("Cost")
def cost(runs: Runs) -> str:
    """A call is cached in part; every attribute named for a total cost has LiteLLM's figure."""
    run = runs["cached"]
    totals = [n for name, n in run.numbers("cost") if TOTAL_COST.search(name)]
    agree = [math.isclose(n, run.facts["cost"], rel_tol=1e-6) for n in totals]
    if totals and not all(agree):
        return "two figures" if any(agree) else "another figure"
    return yes(totals)


@row("`temperature`")
def temperature(runs: Runs) -> str:
    """The temperature of the call is recorded."""
    return yes(str(TEMPERATURE) in runs["sync"].text)


@row("Arguments given by position")
def positional(runs: Runs) -> str:
    """The prompt of `completion(model, messages)` is recorded."""
    return yes(runs["positional"].text.replace("You said: hello", "").count("hello"))


@row("Tags, session and user of `metadata=` and `user=`")
def told(runs: Runs) -> str:
    """Each is an attribute, an item of a list or a tag, so that a search finds it."""
    run = runs["told"]
    return each(tags=run.owns(TAG), session=run.owns(SESSION), user=run.owns(USER))


@row("No `api_key`, no `extra_headers` in the spans")
def secrets(runs: Runs) -> str:
    """Neither the key nor the header's value is in any span."""
    run = runs["sync"]
    leaks = [name for name, value in {"key": KEY, "header": HEADER}.items() if value in run.text]
    if not run.calls:
        return "nothing recorded"
    return f"{' and '.join(leaks)} recorded" if leaks else "yes"


@row("Arguments left as they were")
def unchanged(runs: Runs) -> str:
    """They equal a copy made before the call; `metadata`, which LiteLLM changes, is not given."""
    return yes(runs["sync"].facts.get("unchanged"))


@row("A stream stays a `CustomStreamWrapper`")
def kept(runs: Runs) -> str:
    """The stream passes `isinstance(stream, CustomStreamWrapper)`."""
    return yes(runs["stream"].facts.get("kept"))


@row("Off puts the original functions back")
def restored(runs: Runs) -> str:
    """`litellm.completion` and `acompletion` are the objects that they were before."""
    facts = runs["off"].facts
    if not facts.get("can"):
        return "no switch"
    return yes(facts["same"]) if facts["patched"] else "replaces none"


@row("Off is off")
def off(runs: Runs) -> str:
    """Sync and async calls are traced; after switching off, neither is."""
    facts = runs["off"].facts
    if not facts.get("can"):
        return "no switch"
    traced = [way for way in ("sync", "async") if facts[way]]
    return f"{' and '.join(traced)} traced" if traced else "yes"
