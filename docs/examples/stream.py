"""A stream's span ends with the stream, and has the whole text."""

import asyncio

import litellm
import mlflow

mlflow.litellm.autolog()


async def main() -> None:
    stream = await litellm.acompletion(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Count to three."}],
        mock_response="One, two, three.",
        stream=True,
    )
    async for chunk in stream:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


asyncio.run(main())

mlflow.flush_trace_async_logging()
[span] = mlflow.get_trace(mlflow.get_last_active_trace_id()).data.spans
print(span.outputs["choices"][0]["message"]["content"])
print("time to first chunk, ms:", span.get_attribute("time_to_first_chunk_ms"))
