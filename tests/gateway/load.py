"""Loads a proxy, bounded in count and concurrency, and times it."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from gateways import Gateway

REQUESTS = 200
CONCURRENT = 20
# One request in this many is for a stream.
STREAMED = 4


@dataclass(frozen=True)
class Timing:
    """
    The times of one load.

    Attributes:
        throughput: Requests per second.
        p95_ms: The 95th percentile of the request times, in milliseconds.
    """

    throughput: float
    p95_ms: float


def load(gateway: Gateway, key: dict[str, str], count: int = REQUESTS) -> Timing:
    """Send `count` requests, twenty at a time, some for streams; fail if a response is an error."""
    began = time.perf_counter()
    taken = asyncio.run(_ask_all(gateway, key, count))
    throughput = count / (time.perf_counter() - began)
    return Timing(throughput, statistics.quantiles(taken, n=20)[-1] * 1000)


async def _ask_all(gateway: Gateway, key: dict[str, str], count: int) -> list[float]:
    turns = asyncio.Semaphore(CONCURRENT)
    # A proxy with a blocked loop closes connections on which a request is being sent.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=gateway.url, headers=key, timeout=60, limits=limits
    ) as client:

        async def ask(number: int) -> float:
            async with turns:
                began = time.perf_counter()
                await _ask(client, is_streamed=number % STREAMED == 0)
                return time.perf_counter() - began

        return await asyncio.gather(*map(ask, range(count)))


async def _ask(client: httpx.AsyncClient, *, is_streamed: bool) -> None:
    messages = [{"role": "user", "content": "/long 20"}]
    body = {"model": "chat", "messages": messages, "stream": is_streamed}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert "w19" in answer.text


def median(timings: list[Timing]) -> Timing:
    """Return the median of each figure."""
    return Timing(
        statistics.median(timing.throughput for timing in timings),
        statistics.median(timing.p95_ms for timing in timings),
    )
