"""A client of the LiteLLM Proxy: the proxy's spans are part of the client's trace."""

import os

import litellm
import mlflow

mlflow.litellm.autolog()


@mlflow.trace
def ask(question: str) -> str:
    # LiteLLM sends the span's traceparent to a proxy; the proxy's handler continues the trace.
    response = litellm.completion(
        model="litellm_proxy/gpt-4o-mini",
        api_base=os.environ.get("LITELLM_PROXY_API_BASE", "http://localhost:4000"),
        api_key=os.environ.get("LITELLM_PROXY_API_KEY", "none"),
        messages=[{"role": "user", "content": question}],
    )
    return response.choices[0].message.content


print(ask("Who are you?"))
mlflow.flush_trace_async_logging()
print(mlflow.get_last_active_trace_id())
