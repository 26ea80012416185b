"""Draws programs that use LiteLLM as users do. Their text reads like a user's."""

# ruff: noqa: ISC004 - A step of several lines is one text.

from __future__ import annotations

from textwrap import indent

from hypothesis import strategies as st

TEXTS = [
    "hello", "/say | three short words", "/long 4", "/tools 2", "/choices | a", "/reason",
    "/refuse", "/empty", "/logprobs | b", "/error 429 slow down", "/error 500", "/error 401 who",
    "/break 2", "/event-error 1 oh no", "/usage-each", "/cached",
]  # fmt: skip
OPTIONS = [
    "", "", "temperature=0.5", "metadata={'tags': ['a'], 'k': 1}", "user='u'", "n=2",
    "tools=TOOLS", "timeout=5", "num_retries=1", "max_tokens=7", "caching=True",
    "extra_headers={'x-a': 'b'}", "stream_options={'include_usage': True}", "logprobs=True",
    "response_format={'type': 'json_object'}", "fallbacks=['openai/gpt-4o']", "stop=('a', 'b')",
    "no_such=1", "seed=7", "custom_llm_provider='openai'", "messages=None", "drop_params=True",
]  # fmt: skip
MOCKS = ["one two three", "", "litellm.RateLimitError", "litellm.InternalServerError", "ü 😀"]


@st.composite
def arguments(draw: st.DrawFn, *, streamed: bool = False) -> str:
    """Draw the arguments of a chat, as text in a call."""
    if draw(st.booleans()):
        given = [repr(draw(st.sampled_from(TEXTS)))]
        if draw(st.integers(0, 3)) == 0:
            given.append("model=CLAUDE")
        function = "wire"
    else:
        given, function = [repr(draw(st.sampled_from(MOCKS)))], "mocked"
    if option := draw(st.sampled_from(OPTIONS)):
        given.append(option)
    if streamed:
        given.append("stream=True")
    return f"**{function}({', '.join(given)})"


def _call(kind: str, given: str) -> str:
    return f"litellm.acompletion({given})" if kind == "async" else f"litellm.completion({given})"


def _await(kind: str) -> str:
    return "await " if kind == "async" else ""


@st.composite
def called(draw: st.DrawFn, kind: str) -> str:
    """Draw a call whose arguments are inspected afterwards."""
    given = draw(arguments())
    lines = [f"given = dict({given})", "see(given, 'before')"]
    lines += [f"see({_await(kind)}{_call(kind, '**given')}, 'answer')"]
    return "\n".join(["try:", *(f"    {line}" for line in lines), "finally:",
                      "    see(given, 'after')"])  # fmt: skip


@st.composite
def opened(draw: st.DrawFn, kind: str) -> str:
    """Draw a call that streams."""
    given = draw(arguments(streamed=True))
    return f"stream = {_await(kind)}{_call(kind, given)}\nsee(stream, 'stream')"


# Operations on a stream, sync and async.
READING = {
    "sync": [
        "see(list(stream), 'rest')",
        "see(read_some(stream, {n}), 'some')",
        "see(next(stream), 'one')",
        "see(next(stream, None), 'one or none')",
        "see(texts(stream), 'text')",
        "one, other = itertools.tee(stream)\nsee(list(one), 'one'); see(list(other), 'other')",
        "see(list(itertools.islice(stream, {n})), 'slice')",
        "see(list(zip(stream, range({n}))), 'zipped')",
        "for number, piece in enumerate(stream):\n    see(piece)\n    if number == {n}:\n"
        "        raise KeyError('of the reader')",
        "def passed_on():\n    yield from stream\nsee(list(passed_on()), 'passed on')",
        "with contextlib.closing(stream):\n    see(next(stream), 'in a block')",
        "with stream as inside:\n    see(list(inside), 'inside')",
        "stream.close()",
        "thread = threading.Thread(target=lambda: see(list(stream), 'in a thread'))\n"
        "thread.start(); thread.join()",
        "with ThreadPoolExecutor(1) as pool:\n    see(pool.submit(list, stream).result(), 'pool')",
        "see(litellm.stream_chunk_builder(list(stream)), 'built')",
    ],
    "async": [
        "see([piece async for piece in stream], 'rest')",
        "see(await aread_some(stream, {n}), 'some')",
        "see(await stream.__anext__(), 'one')",
        "see(await anext(stream, None), 'one or none')",
        "async for piece in stream:\n    see(piece)\n    raise KeyError('of the reader')",
        "async def passed_on():\n    async for piece in stream:\n        yield piece\n"
        "see([piece async for piece in passed_on()], 'passed on')",
        "async with contextlib.aclosing(stream):\n    see(await anext(stream), 'in a block')",
        "async with stream as inside:\n    see([piece async for piece in inside], 'inside')",
        "await stream.aclose()",
        "see(await asyncio.create_task(aread_some(stream, {n})), 'in a task')",
        "see(await asyncio.wait_for(anext(stream), 5), 'waited for')",
        "task = asyncio.create_task(aread_some(stream, 99))\ntask.cancel()\nawait task",
        "see(list(stream), 'by a loop that is not async')",
        "see(litellm.stream_chunk_builder([p async for p in stream]), 'built')",
    ],
    "any": [
        "del stream",
        "see(copy.copy(stream), 'copy')",
        "see(pickle.dumps(stream), 'pickle')",
        "stream.mark = 1\nsee(stream.mark, 'mark')\nsee(stream, 'marked')",
        "see(stream.response_id, 'id'); see(stream._hidden_params, 'hidden')",
        "see(len(stream), 'length')",
        "see(bool(stream), 'truth'); see(stream == stream, 'equal'); see({stream: 1}, 'key')",
        "see(isinstance(stream, litellm.CustomStreamWrapper), 'kind')",
        "see(str(stream), 'text'); see(stream.no_such, 'no such')",
        "see(weakref.ref(stream)() is stream, 'weak')",
        "held.append(stream)",
        "see(vars(stream).keys() == vars(stream).keys(), 'vars')",
        "see(stream.chunks, 'chunks')",
    ],
}
# Operations without streams. {c}: completion or acompletion; {w}: await, if it is async.
DOING = {
    "any": [
        "see({w}ROUTER().{c}('m0', user('hi'), {n1}), 'routed')",
        "stream = {w}ROUTER().{c}('m1', user('hi'), stream=True)\nsee(stream, 'routed stream')",
        "litellm.cache = litellm.Cache(type='local')",
        "litellm.callbacks = [Logger()]",
        "litellm.input_callback = [lambda told: see(sorted(told) and 'input callback')]",
        "litellm.success_callback = [fresh := Loud()]\nsee({w}litellm.{c}(**mocked()), 'heard')\n"
        "see(see.until(lambda: fresh.heard[:1]), 'heard')",
        "litellm.failure_callback = [loud]",
        "with mock.patch('litellm.{c}', return_value='mocked') as fake:\n"
        "    see(litellm.{c}(1, a=2), 'by a mock'); see(fake.call_args, 'how')",
        "with mock.patch.object(litellm, '{c}', autospec=True) as fake:\n"
        "    fake.return_value = 'mocked'\n"
        "    see({w}litellm.{c}('m', messages=[]), 'by a spec')\n"
        "    litellm.{c}(no_such=1, model='m')\n    see(fake.mock_calls, 'calls')",
        "with mock.patch.object(litellm, '{c}', wraps=litellm.{c}) as fake:\n"
        "    see({w}litellm.{c}(**mocked()), 'by a spy'); see(fake.call_count, 'count')",
        "litellm.{c} = functools.partial(litellm.{c}, temperature=0.1)",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    {w}litellm.{c}(**wire('/error 429 no'))",
        "try:\n    {w}litellm.{c}(**wire('/error 400 no'))\nexcept Exception as error:\n"
        "    raise RuntimeError('mine') from error",
        "{w}litellm.{c}()",
        "{w}litellm.{c}('no-such-model', user('hi'))",
        "see({w}litellm.{c}(GPT, user('hi'), mock_response='by position'), 'answer')",
        "see({w}litellm.{c}(GPT, [litellm.Message(role='user', content='m')],"
        " mock_response='x'), 'of objects')",
        "see({w}litellm.{c}(GPT, collections.deque(user('hi')), mock_response='x'), 'of a deque')",
        "see({w}litellm.{c}(GPT, (m for m in user('hi')), mock_response='x'), 'of a generator')",
        "see({w}litellm.{e}(**{{**wire(''), 'messages': None, 'input': ['a', 'b'],"
        " 'model': 'openai/text-embedding-3-small'}}), 'embedded')",
        "see({w}litellm.{t}(**only(wire('')), prompt='hi'), 'text')",
        "see({w}litellm.{r}(**only(wire('')), input='hi'), 'response')",
        "see({w}litellm.{c}_with_retries(**wire('/flaky 1 ' + KEY)), 'retried')",
        "see({w}litellm.{m}(model=GPT, **without(wire('')), input='hi'), 'moderated')",
        "see.function(litellm.{c}); see.function(litellm.{e}); see.function(litellm.{r})",
        "see.function(functools.partial(litellm.{c}, model=GPT).func)",
        "see(pickle.loads(pickle.dumps(litellm.{c})) is litellm.{c}, 'pickled')",
        "see([litellm.{c} is litellm.main.{c}, litellm.{c} == litellm.{c}], 'same')",
        "see(random.random(), 'drawn'); random.seed(3)",
        "mine.set('set'); see({w}litellm.{c}(**mocked()), 'answer'); see(mine.get(), 'mine')",
        "with warnings.catch_warnings():\n    warnings.simplefilter('error')\n"
        "    see({w}litellm.{c}(**mocked()), 'strictly')",
        "see(litellm.completion_cost({w}litellm.{c}(**mocked())), 'cost')",
        "signal.signal(signal.SIGUSR1, raising)\n"
        "litellm.input_callback = [lambda told: os.kill(os.getpid(), signal.SIGUSR1)]\n"
        "see({w}litellm.{c}(**mocked()), 'despite a signal')",
        "see(litellm.batch_completion(GPT, [user('a'), user('b')], mock_response='x'), 'batch')",
        "see({w}litellm.{c}('mine/model', user('hi')), 'of a provider')",
        "stream = {w}litellm.{c}('mine/model', user('hi'), stream=True)\nsee(stream, 'provided')",
        "see({w}Mine().{c}('m0', user('hi')), 'of a subclass')",
        "see({w}litellm.{c}(**mocked(mock_timeout=True, timeout=0.01)), 'in time')",
        "see({w}decorated(litellm.{c})(**mocked()), 'decorated')",
    ],
    "sync": [
        "with ThreadPoolExecutor(2) as pool:\n    see.unordered(pool.map(\n"
        "        lambda text: litellm.completion(**mocked(text)), ['a', 'b', 'c']), 'pooled')",
        "context = contextvars.copy_context()\n"
        "see(context.run(litellm.completion, **mocked()), 'in a context')",
        "see(asyncio.run(litellm.acompletion(**mocked())), 'by run')",
        "list(litellm.completion(**wire('/hold-after 2', stream=True, timeout=0.3)))",
    ],
    "async": [
        "see(await asyncio.gather(*(litellm.acompletion(**mocked(t)) for t in 'abc')), 'gathered')",
        "see(await asyncio.gather(litellm.acompletion(**mocked()),"
        " litellm.acompletion(**wire('/error 500')), return_exceptions=True), 'gathered')",
        "await asyncio.wait_for(litellm.acompletion(**mocked(mock_delay=9)), 0.05)",
        "task = asyncio.create_task(litellm.acompletion(**mocked(mock_delay=9)))\n"
        "await asyncio.sleep(0.05)\nsee(task.cancel('why'), 'cancel')\nawait task",
        "task = asyncio.create_task(litellm.acompletion(**mocked()))\ntask.cancel()\nawait task",
        "coroutine = litellm.acompletion(**mocked())\n"
        "see([coroutine.__name__, coroutine.__qualname__, inspect.iscoroutine(coroutine)])\n"
        "coroutine.close()",
        "litellm.acompletion(**mocked())",
        "see(await asyncio.to_thread(litellm.completion, **mocked()), 'in a thread')",
        "see(litellm.completion(**mocked()), 'blocking')",
        "async with asyncio.timeout(0.05):\n    await litellm.acompletion(**mocked(mock_delay=9))",
        "async for piece in await litellm.acompletion(**wire('/hold-after 2', stream=True,"
        " timeout=0.3)):\n    see(piece)",
        "see(await ROUTER().abatch_completion(['m0', 'm2'], user('hi')), 'batch')",
        "see(await litellm.anthropic_messages(**{**wire('hi', CLAUDE), 'max_tokens': 9}), 'one')",
    ],
}


@st.composite
def step(draw: st.DrawFn, kind: str) -> str:
    """Draw an operation of a program."""
    sort = draw(st.sampled_from(["call", "open", "read", "read", "do", "do"]))
    if sort == "call":
        return draw(called(kind))
    if sort == "open":
        return draw(opened(kind))
    table = READING if sort == "read" else DOING
    text = draw(st.sampled_from([*table[kind], *table["any"]]))
    number = draw(st.integers(1, 4))
    a = "a" if kind == "async" else ""
    names = {
        "{n1}": draw(st.sampled_from(["temperature=0.1", "metadata={'a': 1}", "num_retries=1"])),
        "{n}": str(number), "{w}": _await(kind), "{c}": f"{a}completion", "{e}": f"{a}embedding",
        "{t}": f"{a}text_completion", "{r}": f"{a}responses", "{m}": f"{a}moderation",
        "{{": "{", "}}": "}",
    }  # fmt: skip
    for name, put in names.items():
        text = text.replace(name, put)
    return text


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Draw a program: a sync or async function that does operations and records their results."""
    kind = draw(st.sampled_from(["sync", "async"]))
    # Most operations need a stream, so that opening one first makes more of them useful.
    steps = [draw(opened(kind)), *draw(st.lists(step(kind), min_size=2, max_size=6))]
    head = "async def program(see):" if kind == "async" else "def program(see):"
    lines = [head, "    stream, held, loud = None, [], Loud()"]
    for number, text in enumerate(steps):
        lines += [f"    with see.step({number}):", indent(text, " " * 8)]
    return "\n".join(lines)
