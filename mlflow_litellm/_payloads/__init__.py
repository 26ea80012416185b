"""What is recorded of LiteLLM's data: pure functions, which know neither MLflow nor patching."""
