"""An agent: the model asks for a tool, the tool runs, the model answers. One trace."""

import json

import litellm
import mlflow
from mlflow.entities import SpanType

mlflow.litellm.autolog()

FUNCTION = {"name": "weather", "arguments": '{"city": "Oslo"}'}
ASKED = [{"id": "call-1", "type": "function", "function": FUNCTION}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]


@mlflow.trace(span_type=SpanType.TOOL)
def weather(city: str) -> str:
    return f"{city}: rain"


@mlflow.trace(span_type=SpanType.AGENT)
def agent(question: str) -> str:
    call = {"model": "gpt-4o-mini", "tools": TOOLS}
    messages = [{"role": "user", "content": question}]
    asked = litellm.completion(messages=messages, mock_tool_calls=ASKED, **call)
    messages.append(asked.choices[0].message.model_dump())
    for tool_call in asked.choices[0].message.tool_calls:
        result = weather(**json.loads(tool_call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": tool_call.id, "content": result})
    answer = litellm.completion(messages=messages, mock_response="Take an umbrella.", **call)
    return answer.choices[0].message.content


print(agent("Do I need an umbrella in Oslo?"))
mlflow.flush_trace_async_logging()
trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
print([span.name for span in trace.data.spans])
