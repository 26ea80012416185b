"""Written programs: each does a user's task that drawn programs rarely do."""

from __future__ import annotations

from textwrap import dedent

CORPUS = {
    name: dedent(text).strip()
    for name, text in {
        "asks for a function's protocols": """
            def program(see):
                for name in ("completion", "acompletion", "embedding", "responses", "rerank",
                             "anthropic_messages", "text_completion", "moderation"):
                    see.function(getattr(litellm, name), name)
                    for protocol in ("__enter__", "__len__", "__iter__", "__await__"):
                        see(hasattr(getattr(litellm, name), protocol), protocol)
            """,
        "asks for a router's methods": """
            def program(see):
                router = ROUTER()
                for name in ("completion", "acompletion", "aembedding", "aresponses"):
                    method = getattr(router, name)
                    see([inspect.iscoroutinefunction(method), inspect.ismethod(method),
                         str(inspect.signature(method)), method.__name__, method.__doc__,
                         method.__self__ is router, method == getattr(router, name)], name)
                see(sorted(vars(router)), "attributes")
            """,
        "calls from an exception's handler, and chains": """
            def program(see):
                with see.step("inner"):
                    try:
                        try:
                            {}["key"]
                        except KeyError:
                            litellm.completion(**wire("/error 429 no"))
                    except litellm.RateLimitError as error:
                        error.mine = "set"
                        raise ValueError("outer") from error
                with see.step("with notes"):
                    try:
                        litellm.completion(**wire("/error 401 no"))
                    except Exception as error:
                        getattr(error, "add_note", str)("noted")
                        raise
            """,
        "is answered by a mock below LiteLLM": """
            async def program(see):
                from litellm.google_genai.main import base_llm_http_handler

                answer = mock.AsyncMock()
                with mock.patch.object(base_llm_http_handler, "generate_content_handler", answer):
                    result = await litellm.google_genai.agenerate_content_stream(
                        model="gemini/gemini-2.0-flash", contents="hi")
                see(result is answer.return_value, "the mock itself")
                see(len(answer.mock_calls), "asked so often")
                answer.assert_awaited_once()
            """,
        "generates a video with Azure through a mock": """
            def program(see):
                told = {"id": "video_1", "model": "sora-2", "object": "video",
                        "status": "queued", "created_at": 1, "progress": 0}
                given = dict(prompt="p", model="azure/sora-2", seconds="5", size="1x1")
                with mock.patch("litellm.videos.main.base_llm_http_handler") as handler:
                    handler.video_generation_handler.return_value = told
                    see(litellm.video_generation(**given, mock_response=told), "of LiteLLM")
                    see(litellm.video_generation(**given) is told, "of the handler")
                    see(len(handler.mock_calls), "calls")
            """,
        "generates a video with a router": """
            def program(see):
                router = litellm.Router(model_list=[{"model_name": "v", "litellm_params": {
                    "model": "azure/sora-2", "api_key": "k", "api_base": _base["openai"]}}])
                with see.step("sync"):
                    see(router.video_generation(model="v", prompt="p"))
                with see.step("async"):
                    see(asyncio.run(router.avideo_generation(model="v", prompt="p")))
            """,
        "draws random numbers from a seed": """
            def program(see):
                random.seed(1)
                for _ in range(3):
                    litellm.completion(**mocked())
                    see(random.random())
                router = litellm.Router(model_list=[
                    {"model_name": "m", "litellm_params": {"model": GPT, "mock_response": text}}
                    for text in "abcdefgh"])
                see([router.completion("m", user("hi")).choices[0].message.content
                     for _ in range(6)])
            """,
        "leaves coroutines unawaited": """
            async def program(see):
                for function in (litellm.acompletion, litellm.aembedding, litellm.aresponses,
                                 litellm.atext_completion):
                    coroutine = function(model=GPT)
                    see([coroutine.__name__, coroutine.__qualname__], "names")
                    see(inspect.iscoroutine(coroutine))
                    del coroutine
                    gc.collect()
                task = asyncio.create_task(litellm.acompletion(**mocked()), name="mine")
                see(str(task).partition(" at ")[0], "task")
                await task
            """,
        "peeks, then reads on": """
            async def program(see):
                stream = await litellm.acompletion(**wire("/long 6", stream=True))
                async for first in stream:
                    see(first)
                    break
                see([piece async for piece in stream], "rest")
                with see.step("exhausted"):
                    await stream.__anext__()
            """,
        "peeks, then reads on, sync": """
            def program(see):
                stream = litellm.completion(**wire("/long 6", stream=True))
                for first in stream:
                    see(first)
                    break
                see(list(stream), "rest")
                with see.step("exhausted"):
                    next(stream)
            """,
        "reads a stream from two threads in turns": """
            def program(see):
                stream = litellm.completion(**wire("/long 6", stream=True))
                for _ in range(8):
                    with ThreadPoolExecutor(1) as pool, see.step("turn"):
                        see(pool.submit(next, stream).result())
            """,
        "passes a stream on through generators": """
            def program(see):
                def passed():
                    stream = litellm.completion(**wire("/long 6", stream=True))
                    try:
                        yield from stream
                    finally:
                        see("left")
                for piece in passed():
                    see(piece)
                    break
                gc.collect()
            """,
        "streams of every kind": """
            async def program(see):
                for name, given in (
                    ("atext_completion", {**only(wire("")), "prompt": "hi there you"}),
                    ("aresponses", {**only(wire("")), "input": "hi there you"}),
                    ("anthropic_messages", {**wire("hi there you", CLAUDE), "max_tokens": 9}),
                    ("anthropic_messages", {**wire("hi there you"), "max_tokens": 9}),
                ):
                    with see.step(name):
                        stream = see(await getattr(litellm, name)(**given, stream=True), name)
                        see([piece async for piece in stream], name)
            """,
        "streams of every kind, sync": """
            def program(see):
                for name, given in (
                    ("text_completion", {**only(wire("")), "prompt": "hi there you"}),
                    ("responses", {**only(wire("")), "input": "hi there you"}),
                ):
                    with see.step(name):
                        stream = see(getattr(litellm, name)(**given, stream=True), name)
                        see(list(stream), name)
                        with see.step("again"):
                            see(next(stream))
            """,
        "drops a stream in a cycle": """
            def program(see):
                stream = litellm.completion(**wire("/long 6", stream=True))
                next(stream)
                cycle = [stream]
                cycle.append(cycle)
                watched = weakref.ref(stream)
                del stream, cycle
                gone = lambda: gc.collect() >= 0 and watched() is None
                see(see.until(gone), "gone")
            """,
        "is hung up on": """
            async def program(see):
                for text in ("/break 0", "/break 2", "/event-error 2 no", "/empty"):
                    with see.step(text):
                        stream = await litellm.acompletion(**wire(text, stream=True))
                        async for piece in stream:
                            see(piece)
            """,
        "has callbacks of its own, sync and async": """
            async def program(see):
                class Mine(CustomLogger):
                    heard = []
                    def log_pre_api_call(self, model, messages, kwargs):
                        self.heard.append(["pre", sorted(kwargs)])
                    async def async_log_success_event(self, kwargs, response, start, end):
                        self.heard.append(["success", sorted(kwargs), type(response).__name__])
                    async def async_log_failure_event(self, kwargs, response, start, end):
                        self.heard.append(["failure", sorted(kwargs)])
                litellm.callbacks = [Mine()]
                await litellm.acompletion(**mocked())
                with see.step("fails"):
                    await litellm.acompletion(**wire("/error 500"))
                for _ in range(100):
                    if len(Mine.heard) >= 4:
                        break
                    await asyncio.sleep(0.01)
                see(sorted(map(str, Mine.heard)), "heard")
            """,
        "caches": """
            def program(see):
                litellm.cache = litellm.Cache(type="local")
                for _ in range(2):
                    answer = litellm.completion(**wire("hello"), caching=True)
                    see(answer, "answer")
                    see(bool(answer._hidden_params.get("cache_hit")), "hit")
                stream = litellm.completion(**wire("hello"), caching=True, stream=True)
                see(list(stream), "streamed")
            """,
        "replaces names and puts them back": """
            def program(see):
                original = litellm.completion
                with mock.patch("litellm.completion") as fake:
                    fake.side_effect = original
                    see(litellm.completion(**mocked()), "through")
                    see(fake.call_count, "count")
                see(litellm.completion is original, "back")
                litellm.completion = lambda **given: original(**given)
                see(litellm.completion(**mocked()), "covered")
                router = ROUTER()
                see(router.completion("m0", user("hi")), "routed")
            """,
        "has its arguments kept as they were": """
            def program(see):
                messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
                metadata = {"tags": ["a"], "nested": {"list": [1]}}
                given = dict(messages=messages, metadata=metadata, tools=TOOLS,
                             extra_headers={"x-a": "b"}, **only(wire("")))
                litellm.completion(**given)
                # LiteLLM's logging adds hidden_params to the metadata, in a thread.
                own = {**given, "metadata": {key: metadata[key] for key in ("tags", "nested")}}
                see(own, "after")
                see([given["messages"] is messages, given["metadata"] is metadata], "same")
                see(list(litellm.completion(**given, stream=True)))
                see(own, "after a stream")
            """,
        "runs calls in contexts, pools and loops of its own": """
            def program(see):
                mine.set("outside")
                see(contextvars.copy_context().run(lambda: litellm.completion(**mocked())))
                with ThreadPoolExecutor(3) as pool:
                    see.unordered(pool.map(lambda t: litellm.completion(**mocked(t)), "abcdef"))
                loop = asyncio.new_event_loop()
                see(loop.run_until_complete(litellm.acompletion(**mocked())))
                loop.close()
                see(mine.get(), "mine")
            """,
        "cancels calls and streams": """
            async def program(see):
                for delay in (0, 0.05):
                    task = asyncio.create_task(litellm.acompletion(**mocked(mock_delay=9)))
                    await asyncio.sleep(delay)
                    task.cancel("reason")
                    with see.step("cancelled"):
                        await task
                    see(task.cancelled(), "state")
                stream = await litellm.acompletion(**wire("/hold-after 1", stream=True))
                task = asyncio.create_task(aread_some(stream, 9))
                await asyncio.sleep(0.1)
                task.cancel()
                with see.step("cancelled stream"):
                    await task
                with see.step("after it"):
                    await asyncio.wait_for(stream.__anext__(), 0.2)
            """,
        "is raised at by a signal in a call": """
            def program(see):
                def handler(*_):
                    raise TimeoutError("too long")
                signal.signal(signal.SIGALRM, handler)
                # The first call imports, for as long as it takes.
                litellm.completion(**mocked())
                with see.step("limited"):
                    signal.setitimer(signal.ITIMER_REAL, 0.5)
                    litellm.completion(**mocked(mock_delay=5))
            """,
        "passes its wrong arguments": """
            def program(see):
                for args, kwargs in (
                    ((), {}), ((GPT,), {}), ((GPT, None), {}), ((GPT, "text"), {}), ((None,), {}),
                    ((GPT, user("a"), 1, 2, 3), {"model": "twice"}), ((), {"messages": []}),
                    ((GPT, [{}]), {"mock_response": "x"}), ((GPT, [None]), {"mock_response": 1}),
                ):
                    with see.step(repr(args)):
                        see(litellm.completion(*args, **kwargs))
            """,
        "asks models by names that are not known": """
            def program(see):
                for model in ("no-such", "no/such", "", "ft:gpt-4:mine", "claude-x", GPT + "-x"):
                    for given in ({"mock_response": "x"}, {}):
                        with see.step(model):
                            see(litellm.completion(model, user("hi"), api_key="k", max_retries=0,
                                                   api_base=_base["openai"], **given))
            """,
        "asks in batches": """
            def program(see):
                see(litellm.batch_completion(GPT, [user("a"), user("b")], mock_response="x"))
                see(litellm.batch_completion_models(models=[GPT], messages=user("a"),
                                                    mock_response="x"))
                with see.step("one of them fails"):
                    see(litellm.batch_completion(messages=[user("/error 429 no"), user("a")],
                                                 **{k: v for k, v in only(wire("")).items()}))
            """,
        "makes calls in its provider": """
            async def program(see):
                see(litellm.completion("mine/a", user("hi")))
                see(await litellm.acompletion("mine/a", user("hi")))
                see(list(litellm.completion("mine/a", user("hi"), stream=True)))
                stream = await litellm.acompletion("mine/a", user("hi"), stream=True)
                see([piece async for piece in stream])
            """,
        "gives files, closed and read to some place": """
            def program(see):
                with open("sound.wav", "wb") as file:
                    file.write(b"RIFF" + bytes(60))
                with open("sound.wav", "rb") as file, see.step("transcribed"):
                    file.read(4)
                    see(litellm.transcription(model="openai/whisper-1", file=file,
                                              **without(wire(""))))
                    see(file.tell(), "place")
                    see(file.closed, "closed")
            """,
        "turns warnings into errors": """
            def program(see):
                # The first call imports, and SQLAlchemy and pydantic warn meanwhile.
                litellm.completion(**wire("hi"))
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    for given in (mocked(), wire("hi"), mocked(stream=True)):
                        with see.step("strict"):
                            see(texts(litellm.completion(**given)) if given.get("stream")
                                else litellm.completion(**given))
            """,
        "pickles and copies what it gets": """
            def program(see):
                answer = litellm.completion(**wire("/tools 1"))
                see(pickle.loads(pickle.dumps(answer)), "pickled")
                see(copy.deepcopy(answer), "copied")
                see(answer.model_dump(), "dumped")
                with see.step("error"):
                    try:
                        litellm.completion(**wire("/error 429 no"))
                    except Exception as error:
                        see(copy.copy(error), "copied")
                        see(pickle.dumps(error), "pickled")
                for function in (litellm.completion, litellm.acompletion):
                    see(pickle.dumps(function) and copy.deepcopy(function) is function, "function")
            """,
        "wraps functions by decorators": """
            async def program(see):
                calls = []
                def counted(function):
                    @functools.wraps(function)
                    def inner(*args, **kwargs):
                        calls.append(function.__name__)
                        return function(*args, **kwargs)
                    return inner
                see.function(counted(litellm.completion))
                see(counted(litellm.completion)(**mocked()))
                see(await counted(litellm.acompletion)(**mocked()))
                partial = functools.partial(litellm.acompletion, model=GPT)
                see([inspect.iscoroutinefunction(partial), str(inspect.signature(partial))])
                see(calls)
                class Holder:
                    call = litellm.completion
                    static = staticmethod(litellm.completion)
                see(inspect.ismethod(Holder().call), "bound")
                see(Holder.static(**mocked()), "static")
            """,
        "is told tokens in a shape that pydantic warns of": """
            def program(see):
                class Dicts(litellm.CustomLLM):
                    def completion(self, *args, model_response, **kwargs):
                        model_response.choices[0].message.content = "x"
                        usage = litellm.Usage(prompt_tokens=1, completion_tokens=2)
                        usage.completion_tokens_details = {"reasoning_tokens": 960}
                        model_response.usage = usage
                        return model_response
                litellm.custom_provider_map = [{"provider": "dicts", "custom_handler": Dicts()}]
                see(litellm.completion("dicts/x", user("hi")))
            """,
        "prints and logs as before": """
            def program(see):
                litellm.set_verbose = False
                print(litellm.completion(**mocked()).choices[0].message.content)
                with see.step("shown"):
                    litellm.completion(**wire("/error 400 no"))
                try:
                    ROUTER().completion("nothing", user("hi"))
                except Exception:
                    import traceback
                    traceback.print_exc()
            """,
    }.items()
}
