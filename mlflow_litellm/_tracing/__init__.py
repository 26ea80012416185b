"""The code that uses MLflow: spans, traces, stores and exports."""
