"""Tags, session and user of a trace from a call's metadata, read back and searched for."""

from __future__ import annotations

import asyncio
import copy
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, AsyncCaller, user

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Trace
    from provider import LoopbackProvider
    from traces import Traces

SESSION, USER = "mlflow.trace.session", "mlflow.trace.user"
METADATA: dict[str, Any] = {
    "tags": ["jobID:42", "plain"],
    "session_id": "session-1",
    "trace_user_id": "ada",
    "feature": "search",
}


def tags(trace: Trace) -> dict[str, str]:
    """Return a trace's tags without MLflow's own."""
    return {k: v for k, v in trace.info.tags.items() if not k.startswith("mlflow.")}


def belongs(trace: Trace) -> tuple[str | None, str | None]:
    """Return a trace's session and user from MLflow's metadata."""
    metadata = trace.info.trace_metadata
    return metadata.get(SESSION), metadata.get(USER)


def ask(caller: Caller, text: str = "hello", *, stream: bool = False, **kwargs: Any) -> None:
    """Make one call and read its response to the end."""
    if stream:
        caller.stream(text, **kwargs)
    else:
        caller.complete(text, **kwargs)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("argument", ["metadata", "litellm_metadata"])
def test_roots_metadata_describes_its_trace(
    argument: str, stream: bool, tracing: Traces, caller: Caller
) -> None:
    """The metadata is also on the span."""
    ask(caller, stream=stream, **{argument: copy.deepcopy(METADATA)})
    assert tags(tracing.one()) == {"jobID": "42", "plain": ""}
    assert belongs(tracing.one()) == ("session-1", "ada")
    assert tracing.span().attributes["metadata"] == METADATA


def test_call_without_metadata_has_no_tags(tracing: Traces, caller: Caller) -> None:
    """Without metadata, the tags, the session and the user are absent."""
    caller.complete("hello")
    assert tags(tracing.one()) == {}
    assert belongs(tracing.one()) == (None, None)
    absent = {"metadata", "session.id", "user.id"}
    assert not absent & tracing.span().attributes.keys()


def test_user_parameter_names_the_traces_user(tracing: Traces, caller: Caller) -> None:
    """OpenAI's parameter sets the trace's user, and the provider still gets it."""
    caller.complete("hello", user="ada", litellm_session_id="session-1")
    assert belongs(tracing.one()) == ("session-1", "ada")
    assert tracing.span().inputs["user"] == "ada"
    assert caller.provider.requests[-1].body["user"] == "ada"


def test_langfuses_keys_are_tags(tracing: Traces, caller: Caller) -> None:
    """Langfuse's keys for a trace become tags."""
    said = {"trace_name": "checkout", "trace_version": "3", "trace_metadata": {"plan": "pro"}}
    caller.complete("hello", metadata=dict(said))
    assert tags(tracing.one()) == {"trace_name": "checkout", "trace_version": "3", "plan": "pro"}


@pytest.mark.parametrize(
    "query",
    [
        "tags.jobID = '42'",
        "tags.plain = ''",
        f"metadata.`{SESSION}` = 'session-1'",
        f"metadata.`{USER}` = 'ada'",
    ],
)
def test_trace_is_found_by_them(query: str, tracing: Traces, caller: Caller) -> None:
    """MLflow's documented queries find the trace, and no other trace."""
    caller.complete("found", metadata=copy.deepcopy(METADATA))
    caller.complete("other", metadata={"tags": ["jobID:43"], "session_id": "2"}, user="bob")
    [trace] = mlflow.search_traces(
        locations=[tracing.experiment_id], filter_string=query, return_type="list"
    )
    assert trace.data.spans[0].inputs["messages"] == user("found")


@pytest.mark.parametrize("stream", [False, True])
def test_trace_of_the_users_own_is_left_alone(
    stream: bool, tracing: Traces, caller: Caller
) -> None:
    """A call inside the user's trace does not change it; the metadata is on the call's span."""

    @mlflow.trace
    def agent() -> None:
        ask(caller, stream=stream, metadata=copy.deepcopy(METADATA), user="bob")

    agent()
    assert tags(tracing.one()) == {}
    assert belongs(tracing.one()) == (None, None)
    [call] = tracing.calls()
    assert call.attributes["metadata"] == METADATA


def test_tags_that_mlflow_refuses_cost_no_trace(tracing: Traces, caller: Caller) -> None:
    """The other tags are stored."""
    stored = {"a__b": "1", "___up": "1", "it_s": "1", "_": "🔥", "n" * 250: "", "long": "v" * 8000}
    refused = ["a//b:1", "../up:1", "it's:1", "🔥:🔥", "n" * 300, "long:" + "v" * 10_000]
    unknown = ["mlflow.artifactLocation:/nowhere", ":nameless", None, object()]
    caller.complete("hello", metadata={"tags": [*refused, *unknown, "good:1"]})
    assert tags(tracing.one()) == {**stored, "good": "1"}
    assert tracing.one().info.tags["mlflow.artifactLocation"] != "/nowhere"


def test_long_session_and_user_cost_no_trace(tracing: Traces, caller: Caller) -> None:
    """MLflow's store refuses the spans and the trace for a session over 250 characters."""
    caller.complete("hello", metadata={"session_id": "s" * 300, "trace_user_id": "u" * 9000})
    assert belongs(tracing.one()) == ("s" * 250, "u" * 250)


def test_failed_call_has_its_tags(tracing: Traces, caller: Caller) -> None:
    """A failed call's trace has the tags, the session and the user."""
    with pytest.raises(litellm.RateLimitError):
        caller.complete("/error 429", metadata=copy.deepcopy(METADATA))
    assert tags(tracing.one()) == {"jobID": "42", "plain": ""}
    assert belongs(tracing.one()) == ("session-1", "ada")


def test_tracing_context_stays(tracing: Traces, caller: Caller) -> None:
    """Settings of MLflow's context win over the metadata for LiteLLM."""
    with mlflow.tracing.context(
        tags={"jobID": "mlflow's", "team": "a"}, session_id="outer", metadata={"version": "1"}
    ):
        caller.complete("hello", metadata=copy.deepcopy(METADATA))
    trace = tracing.one()
    assert tags(trace) == {"jobID": "mlflow's", "plain": "", "team": "a"}
    assert belongs(trace) == ("outer", "ada")
    assert trace.info.trace_metadata["version"] == "1"
    assert trace.data.spans[0].attributes["session.id"] == "outer"


def test_context_without_tracing_leaves_none(tracing: Traces, caller: Caller) -> None:
    """With tracing off in the context, there is no trace to set tags on, and no error."""
    with mlflow.tracing.context(enabled=False):
        caller.complete("hello", metadata=copy.deepcopy(METADATA))
    assert tracing.all() == []


def test_updates_of_the_users_own_trace_stay(tracing: Traces, caller: Caller) -> None:
    """Updates before the call and after it both stay."""
    with mlflow.start_span("agent"):
        mlflow.update_current_trace(tags={"jobID": "7"}, session_id="mine")
        caller.complete("hello", metadata=copy.deepcopy(METADATA))
        mlflow.update_current_trace(tags={"later": "1"}, user="me")
    assert tags(tracing.one()) == {"jobID": "7", "later": "1"}
    assert belongs(tracing.one()) == ("mine", "me")


def test_update_during_the_call_comes_last(tracing: Traces, caller: Caller) -> None:
    """LiteLLM's logger updates the trace here, while the call's span is the current one."""

    def note(_: dict[str, Any]) -> None:
        mlflow.update_current_trace(tags={"jobID": "7", "during": "1"}, user="me")

    caller.complete("hello", logger_fn=note, metadata=copy.deepcopy(METADATA))
    assert tags(tracing.one()) == {"jobID": "7", "plain": "", "during": "1"}
    assert belongs(tracing.one()) == ("session-1", "me")


def test_concurrent_calls_have_their_own(tracing: Traces, provider: LoopbackProvider) -> None:
    """Each trace has the tags of its own call."""
    caller = AsyncCaller(provider)

    def ask_one(i: int) -> Any:
        metadata = {"tags": [f"i:{i}"], "session_id": f"s{i}"}
        return litellm.acompletion(**caller.arguments(str(i), metadata=metadata))

    caller.run(lambda: asyncio.gather(*map(ask_one, range(20))))
    assert len(tracing.all()) == 20
    for trace in tracing.all():
        said = trace.data.spans[0].inputs["messages"][0]["content"]
        assert (tags(trace), belongs(trace)) == ({"i": said}, (f"s{said}", None))


def seen_by_litellm(caller: Caller) -> tuple[set[str], set[str], Any]:
    """Make a call; return the metadata keys of LiteLLM and of the caller, and the request body."""
    seen: list[dict[str, Any]] = []

    def note(details: dict[str, Any]) -> None:
        seen.append(dict(details["litellm_params"]["metadata"]))

    metadata = copy.deepcopy(METADATA)
    caller.complete("hello", logger_fn=note, metadata=metadata)
    assert seen[0].items() >= METADATA.items() <= metadata.items()
    # LiteLLM adds this key after the call, in a thread.
    return set(seen[0]), metadata.keys() - {"hidden_params"}, caller.provider.requests[-1].body


def test_litellm_and_provider_get_the_callers_metadata(tracing: Traces, caller: Caller) -> None:
    """The metadata is the same as untraced, without changes or additions."""
    traced = seen_by_litellm(caller)
    mlflow.litellm.autolog(disable=True)
    assert traced == seen_by_litellm(caller)


def test_routers_calls_have_their_tags(tracing: Traces, caller: Caller) -> None:
    """Router's own metadata becomes attributes, and is not in the recorded metadata."""
    known = {k: v for k, v in caller.arguments("").items() if k.startswith("api_")}
    deployment = {
        "model_name": "fast",
        "litellm_params": {"model": MODEL, **known},
        "model_info": {"id": "deployment-1"},
    }
    router = litellm.Router(model_list=[deployment], num_retries=0)
    asked = {"model": "fast", "messages": user("hello"), "metadata": copy.deepcopy(METADATA)}
    if isinstance(caller, AsyncCaller):
        caller.run(lambda: router.acompletion(**asked))
    else:
        router.completion(**asked)
    assert tags(tracing.one()) == {"jobID": "42", "plain": ""}
    assert belongs(tracing.one()) == ("session-1", "ada")
    _, attempt = tracing.calls()
    attributes = attempt.attributes
    assert attributes["metadata"] == METADATA
    assert (attributes["model_group"], attributes["model_id"]) == ("fast", "deployment-1")


def test_fallbacks_describe_the_trace_once(tracing: Traces, caller: Caller) -> None:
    """LiteLLM passes the metadata on to its attempts; the outer call sets the tags."""
    backup = {"model": MODEL, **{k: caller.arguments("")[k] for k in ("api_base", "api_key")}}
    caller.complete(
        "hello", model="openai/broken", api_base="http://127.0.0.1:9/v1", fallbacks=[backup],
        metadata=copy.deepcopy(METADATA),
    )  # fmt: skip
    assert tags(tracing.one()) == {"jobID": "42", "plain": ""}
    assert belongs(tracing.one()) == ("session-1", "ada")
    assert len(tracing.one().data.spans) == 3


@pytest.mark.parametrize("odd", [0, "text", ["list"], {"tags": object()}, {"session_id": {}}])
def test_odd_metadata_costs_no_trace(odd: Any, tracing: Traces, caller: Caller) -> None:
    """A call with any metadata is traced, even if LiteLLM fails on it."""
    with suppress(Exception):
        caller.complete("hello", metadata=odd)
    assert tracing.span().inputs["messages"] == user("hello")
    assert tags(tracing.one()) == {}
