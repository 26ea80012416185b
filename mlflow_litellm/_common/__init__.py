"""What knows neither LiteLLM nor MLflow."""
