"""One call, one span, with its messages, tokens and cost."""

import litellm
import mlflow

mlflow.litellm.autolog()

# Remove mock_response to call the provider.
response = litellm.completion(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "What is a trace?"}],
    mock_response="A trace is the record of one request.",
    metadata={"tags": ["example"], "session_id": "chat-1"},
)
print(response.choices[0].message.content)

mlflow.flush_trace_async_logging()
[span] = mlflow.get_trace(mlflow.get_last_active_trace_id()).data.spans
print(span.name, span.span_type, span.get_attribute("mlflow.chat.tokenUsage"))
