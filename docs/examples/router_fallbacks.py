"""A Router whose first deployment fails: the trace has both attempts."""

import litellm
import mlflow

mlflow.litellm.autolog()

router = litellm.Router(
    model_list=[
        {
            "model_name": "fast",
            "litellm_params": {
                "model": "openai/gpt-4o-mini",
                "api_key": "none",
                "mock_response": "litellm.RateLimitError",
            },
        },
        {
            "model_name": "safe",
            "litellm_params": {
                "model": "anthropic/claude-sonnet-4-5",
                "api_key": "none",
                "mock_response": "Here I am.",
            },
        },
    ],
    fallbacks=[{"fast": ["safe"]}],
    num_retries=0,
)
response = router.completion(model="fast", messages=[{"role": "user", "content": "Hello?"}])
print(response.choices[0].message.content)

mlflow.flush_trace_async_logging()
for span in mlflow.get_trace(mlflow.get_last_active_trace_id()).data.spans:
    print(span.name, span.status.status_code.value, span.get_attribute("model"))
