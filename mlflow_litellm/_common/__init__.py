"""Code that depends on neither LiteLLM nor MLflow."""
