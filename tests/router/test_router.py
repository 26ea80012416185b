"""Router: one trace for each routed call, with a span for the route and one for each attempt."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import weakref
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import litellm
import mlflow
import pytest
from callers import MODEL, SERVER_ERROR, AsyncCaller, skip_hidden_break, user
from mlflow.entities import SpanStatusCode
from traces import answer_text, ending, exception_event, route_and_attempts

from mlflow_litellm._common.patching import Patch, holder_of
from mlflow_litellm._instrumentation import router as router_module
from mlflow_litellm._instrumentation.targets import TARGETS
from mlflow_litellm._instrumentation.wrapper import wrapper_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callers import Caller
    from mlflow.entities import Span
    from provider import LoopbackProvider
    from traces import Traces

    Routers = Callable[..., litellm.Router]

OK, ERROR = SpanStatusCode.OK, SpanStatusCode.ERROR
# True since LiteLLM 1.110.
IS_FACADE = "completion" not in vars(litellm.Router)


@pytest.fixture
def router(provider: LoopbackProvider) -> Iterator[Routers]:
    """Make routers of the groups "good", "spare" and "lost"; the address of "lost" fails."""
    made = []

    def make(**settings: Any) -> litellm.Router:
        known = {"model": MODEL, "api_key": "sk-very-secret", "max_retries": 0}
        bases = {
            "good": provider.openai_base,
            "spare": provider.openai_base,
            "lost": f"{provider.openai_base}/nowhere",
        }
        deployments = [
            {
                "model_name": group,
                "litellm_params": {**known, "api_base": base},
                "model_info": {"id": f"{group}-1"},
            }
            for group, base in bases.items()
        ]
        made.append(litellm.Router(deployments, **{"retry_after": 0, "num_retries": 0, **settings}))
        return made[-1]

    yield make
    for each in made:
        each.discard()


def ask(router: litellm.Router, caller: Caller, text: str, group: str = "good", **kw: Any) -> Any:
    """Call a router synchronously or asynchronously, like the caller."""
    asked = {"model": group, "messages": user(text), **kw}
    if isinstance(caller, AsyncCaller):
        return caller.run(lambda: router.acompletion(**asked))
    return router.completion(**asked)


def test_routed_call_is_a_route_with_an_attempt(
    tracing: Traces, caller: Caller, router: Routers
) -> None:
    """The attempt has the tokens; the route has the requested group and the deployment."""
    response = ask(router(), caller, "hello", metadata={"tags": ["team:blue"]})
    route, [attempt] = route_and_attempts(tracing)
    kind = caller.span_name.removeprefix("litellm-")
    assert (route.name, route.span_type) == (f"litellm-Router.{kind}", "CHAIN")
    assert (attempt.name, attempt.span_type) == (caller.span_name, "LLM")
    told = {"model_group": "good", "routing_strategy": "simple-shuffle", "model_id": "good-1"}
    assert told.items() <= route.attributes.items()
    assert route.attributes["inner_calls"] == 1
    assert route.inputs["messages"] == user("hello")
    assert answer_text(route) == answer_text(attempt) == response.choices[0].message.content
    assert attempt.attributes["model_id"] == "good-1"
    assert attempt.attributes["deployment"] == MODEL
    trace = tracing.one()
    assert trace.info.token_usage["total_tokens"] == response.usage.total_tokens
    assert trace.info.tags["team"] == "blue"
    assert "sk-very-secret" not in trace.to_json()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_fallback_shows_both_attempts(
    stream: bool, tracing: Traces, caller: Caller, router: Routers
) -> None:
    """The failed attempt has its error, and the successful one has the response."""
    routed = router(fallbacks=[{"lost": ["good"]}])
    result = ask(routed, caller, "hello", "lost", stream=stream)
    if stream:
        assert isinstance(result, litellm.CustomStreamWrapper)
        assert caller.read(result)
    route, [failed, answered] = route_and_attempts(tracing)
    states = [span.status.status_code for span in (route, failed, answered)]
    assert states == [OK, ERROR, OK]
    assert "NotFoundError" in exception_event(failed)["exception.type"]
    groups = [span.attributes["model_group"] for span in (route, failed, answered)]
    assert groups == ["lost", "lost", "good"]
    assert route.attributes["model_groups"] == ["lost", "good"]
    assert route.attributes["attempted_fallbacks"] == 1
    assert route.attributes["model_id"] == answered.attributes["model_id"] == "good-1"
    assert answer_text(route) == answer_text(answered) == "You said: hello"


def test_retries_are_attempts(tracing: Traces, caller: Caller, router: Routers) -> None:
    """Each attempt has a span of its own, also a failed one."""
    ask(router(num_retries=2), caller, f"/flaky 1 {uuid4()}")
    route, attempts = route_and_attempts(tracing)
    assert [span.status.status_code for span in attempts] == [ERROR, OK]
    assert (route.attributes["inner_calls"], route.attributes["attempted_retries"]) == (2, 1)
    assert route.status.status_code == OK


def test_route_fails_with_its_last_attempt(
    tracing: Traces, caller: Caller, router: Routers
) -> None:
    """All attempts are the route's children, and no token is counted."""
    routed = router(num_retries=1, fallbacks=[{"good": ["spare"]}])
    with pytest.raises(SERVER_ERROR):
        ask(routed, caller, "/error 500")
    route, attempts = route_and_attempts(tracing)
    assert route.status.status_code == ERROR
    assert {span.status.status_code for span in attempts} == {ERROR}
    assert route.attributes["model_groups"] == ["good", "spare"]
    assert route.attributes["inner_calls"] == len(attempts) >= 3
    assert tracing.one().info.token_usage is None


def test_fallback_in_the_middle_of_a_stream_is_below_the_route(
    tracing: Traces, caller: Caller, router: Routers
) -> None:
    """LiteLLM makes the second call while the stream is read, after the first call has returned."""
    kind = "acompletion" if isinstance(caller, AsyncCaller) else "completion"
    if not (IS_FACADE or hasattr(litellm.Router, f"_{kind}_streaming_iterator")):
        pytest.skip("LiteLLM has no fallbacks here")
    skip_hidden_break(caller)
    routed = router(fallbacks=[{"good": ["spare"]}])
    stream = ask(routed, caller, f"/break-once {uuid4()}", stream=True)
    assert mlflow.get_current_active_span() is None
    chunks = caller.read(stream)
    route, [broken, answered] = route_and_attempts(tracing)
    assert ending(broken) == ("failed", ERROR)
    assert ending(answered) == ending(route) == ("finished", OK)
    assert answer_text(route) == answer_text(answered) == "recovered"
    # Some versions of LiteLLM call the first group again before the other.
    groups = [attempt.attributes["model_group"] for attempt in (broken, answered)]
    assert route.attributes["model_groups"] == list(dict.fromkeys(groups))
    assert route.attributes["stream_chunks"] == len(chunks)


def test_dropped_stream_ends_the_route_and_its_attempt(
    tracing: Traces, caller: Caller, router: Routers
) -> None:
    """A stream that is not read to its end ends both spans."""
    if isinstance(caller, AsyncCaller) and not hasattr(litellm.CustomStreamWrapper, "aclose"):
        pytest.skip("LiteLLM closes no stream")
    stream = ask(router(), caller, "one two three", stream=True)
    caller.read(stream, most=2)
    caller.close(stream)
    del stream
    route, [attempt] = route_and_attempts(tracing)
    assert ending(route) == ending(attempt) == ("abandoned", OK)


def test_sync_router_in_a_running_loop_nests(tracing: Traces, router: Routers) -> None:
    """LiteLLM makes the attempts in a thread without context there."""

    async def main() -> None:
        with mlflow.start_span("agent"):
            router(fallbacks=[{"lost": ["good"]}]).completion("lost", user("hello"))

    asyncio.run(main())
    agent, route, failed, answered = tracing.one().data.spans
    assert (route.parent_id, agent.name) == (agent.span_id, "agent")
    assert failed.parent_id == answered.parent_id == route.span_id


@pytest.mark.parametrize("before", [True, False], ids=["built before", "built after"])
def test_routers_age_makes_no_difference(
    before: bool, traces: Traces, caller: Caller, router: Routers
) -> None:
    """A router may be older than the tracing, and its calls are not traced after it."""
    built = router() if before else None
    mlflow.litellm.autolog()
    built = built or router()
    ask(built, caller, "hello")
    assert len(route_and_attempts(traces)[1]) == 1
    mlflow.litellm.autolog(disable=True)
    ask(built, caller, "hello")
    assert len(traces.all()) == 1


@pytest.mark.skipif(IS_FACADE, reason="LiteLLM refuses a subclass of Router")
def test_router_below_a_subclass_is_traced(tracing: Traces, provider: LoopbackProvider) -> None:
    """A router of a user's subclass is traced."""

    class Mine(litellm.Router):
        pass

    params = {"model": MODEL, "api_key": "none", "api_base": provider.openai_base}
    Mine([{"model_name": "good", "litellm_params": params}]).completion("good", user("hello"))
    assert len(route_and_attempts(tracing)[1]) == 1


def tree(traces: Traces) -> tuple[Span, list[Span], list[Span]]:
    """Return the root of the only trace, its routes, and their attempts."""
    root, *below = traces.calls()
    routes = [span for span in below if span.name == "litellm-Router.acompletion"]
    attempts = [span for span in below if span.span_type == "LLM"]
    assert {span.parent_id for span in routes} == {root.span_id}
    assert {span.parent_id for span in attempts} == {span.span_id for span in routes}
    assert len(below) == len(routes) + len(attempts)
    return root, routes, attempts


def test_router_batch_is_a_tree(tracing: Traces, router: Routers) -> None:
    """The batch has a span, each of its calls a route, and each route its attempts."""
    asyncio.run(router().abatch_completion(models=["good", "spare"], messages=user("hello")))
    batch, _, attempts = tree(tracing)
    assert (batch.name, batch.span_type) == ("litellm-Router.abatch_completion", "CHAIN")
    assert batch.inputs["models"] == ["good", "spare"]
    assert len(batch.outputs) == len(attempts) == 2
    used = sum(span.attributes["mlflow.chat.tokenUsage"]["total_tokens"] for span in attempts)
    assert tracing.one().info.token_usage["total_tokens"] == used


def test_router_batch_of_requests_is_a_tree(tracing: Traces, router: Routers) -> None:
    """A batch of many requests to one group has the same tree."""
    asked = {"model": "good", "messages": [user("one"), user("two")]}
    asyncio.run(router().abatch_completion_one_model_multiple_requests(**asked))
    batch, _, attempts = tree(tracing)
    assert batch.name == "litellm-Router.abatch_completion_one_model_multiple_requests"
    assert batch.inputs["messages"] == asked["messages"]
    assert len(batch.outputs) == len(attempts) == 2


def test_fastest_of_a_router_is_a_tree(tracing: Traces, router: Routers) -> None:
    """A call that is cancelled because another was faster is an error."""
    asked = {"model": "good,spare", "messages": user("hello")}
    response = asyncio.run(router().abatch_completion_fastest_response(**asked))
    batch, routes, _ = tree(tracing)
    assert batch.name == "litellm-Router.abatch_completion_fastest_response"
    assert answer_text(batch) == response.choices[0].message.content
    assert {route.attributes["model_group"] for route in routes} == {"good", "spare"}
    assert OK in {route.status.status_code for route in routes}


def test_scheduled_call_of_a_router_is_a_tree(tracing: Traces, router: Routers) -> None:
    """The queued call has a span, and the call from the queue is its child."""
    asked = {"model": "good", "messages": user("hello"), "priority": 0}
    asyncio.run(router().schedule_acompletion(**asked))
    root, routes, attempts = tree(tracing)
    assert root.name == "litellm-Router.schedule_acompletion"
    assert (len(routes), len(attempts)) == (1, 1)


def test_secrets_of_a_deployment_are_not_in_the_routes_exception(
    tracing: Traces, caller: Caller, provider: LoopbackProvider
) -> None:
    """The route's exception is the attempt's, and may quote arguments of the deployment."""
    secret = "zz" + "9Qx7" * 6
    params = {
        "model": MODEL,
        "api_key": "none",
        "api_base": provider.openai_base,
        "extra_headers": {"z": secret},
        "max_retries": 0,
    }
    routed = litellm.Router([{"model_name": "good", "litellm_params": params}], num_retries=0)
    with pytest.raises(litellm.AuthenticationError, match=secret):
        ask(routed, caller, "/error 401 $REQUEST")
    route, [attempt] = route_and_attempts(tracing)
    assert {route.status.status_code, attempt.status.status_code} == {ERROR}
    assert secret not in tracing.one().to_json()


@pytest.mark.parametrize("name", ["acompletion", "completion", "aresponses"])
def test_method_is_to_everything_else_what_it_was(name: str, router: Routers) -> None:
    """A traced method can be copied, pickled, inspected and weakly referenced as before."""
    untraced = getattr(litellm.Router, name, None)
    mlflow.litellm.autolog()
    built = router()
    method = getattr(built, name)
    assert inspect.iscoroutinefunction(method) == name.startswith("a")
    if untraced is not None:
        assert inspect.signature(getattr(litellm.Router, name)) == inspect.signature(untraced)
        assert weakref.WeakMethod(method)() == method == copy.copy(method)
        assert pickle.loads(pickle.dumps(getattr(litellm.Router, name))) is not untraced


def test_users_parent_stays_the_parent(tracing: Traces, caller: Caller, router: Routers) -> None:
    """A later call is a sibling, not a child."""
    routed = router()
    with mlflow.start_span("agent"):
        ask(routed, caller, "one")
        ask(routed, caller, "two")
    agent, *_ = tracing.one().data.spans
    routes = [span for span in tracing.calls() if span.span_type == "CHAIN"]
    assert [span.parent_id for span in routes] == [agent.span_id] * 2


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("acompletion", ["good", user("hello")]),
        ("completion", ["good", user("hello")]),
        ("abatch_completion", [["good", "spare"], user("hello")]),
        ("abatch_completion_one_model_multiple_requests", ["good", [user("one"), user("two")]]),
        ("abatch_completion_fastest_response", ["good,spare", user("hello")]),
        ("schedule_acompletion", ["good", user("hello"), 0]),
    ],
)
def test_arguments_by_position_are_recorded_by_name(
    name: str, given: list[Any], tracing: Traces, router: Routers
) -> None:
    """Arguments are recorded by name even if the method's own signature has no names."""
    result = getattr(router(), name)(*given)
    if inspect.iscoroutine(result):
        asyncio.run(_awaited(result))
    asked, messages, *_ = given
    inputs = tracing.calls()[0].inputs
    assert (inputs.get("model", inputs.get("models")), inputs["messages"]) == (asked, messages)


async def _awaited(coroutine: Any) -> Any:
    return await coroutine


def test_methods_are_async_as_they_are_untraced(router: Routers) -> None:
    """Methods that Router defines, creates or looks up by name are async as untraced."""
    built = router()
    names = {patch.name for patch in _router_patches()} - {"invoke"}
    untraced = {name: inspect.iscoroutinefunction(getattr(built, name, None)) for name in names}
    mlflow.litellm.autolog()
    assert untraced == {
        name: inspect.iscoroutinefunction(getattr(built, name, None)) for name in names
    }


def test_router_is_as_it_was_after_tracing(router: Routers) -> None:
    """No method that is looked up by name stays on the class."""
    before = [dict(vars(patch.holder)) for patch in _router_patches()]
    mlflow.litellm.autolog()
    mlflow.litellm.autolog(disable=True)
    assert before == [dict(vars(patch.holder)) for patch in _router_patches()]


def _router_patches() -> list[Patch]:
    targets = [
        (target, Patch(litellm, target.name, wrapper_for(target, None), bool)) for target in TARGETS
    ]
    own = [
        router_module.router_patch(litellm, target)
        for target, _ in targets
        if "Router." in target.name
    ]
    return [patch for patch in own if patch.current] + router_module.router_patches(
        litellm, targets
    )


def test_methods_that_take_a_captured_function_are_where_they_were() -> None:
    """LiteLLM defines these names. If one is missing, find the method that Router calls instead."""
    for name in [router_module.LOOKUP] if IS_FACADE else router_module.METHODS:
        holder, method = holder_of(litellm, name)
        is_too_old = "search" in name and not hasattr(litellm, "asearch")
        assert method in vars(holder) or is_too_old, name
