"""Pure functions that turn LiteLLM's data into recorded data, without MLflow or patching."""
