"""Configurations of the proxy."""

from __future__ import annotations

from typing import Any

from custom_auth import MASTER_KEY

VENDORS_KEY = "sk-deployment-secret-0123456789"
EXPERIMENT = "gateway"


def deployment(name: str, model: str, api_base: str) -> dict[str, Any]:
    """Return an entry of a configuration's model list."""
    given = {"model": model, "api_base": api_base, "api_key": VENDORS_KEY}
    return {"model_name": name, "litellm_params": given}


def configuration(**litellm_settings: Any) -> dict[str, Any]:
    """Return a proxy's configuration: models by name, one that is down, and the tracing."""
    openai, anthropic = "os.environ/PROVIDER_OPENAI", "os.environ/PROVIDER_ANTHROPIC"
    return {
        "model_list": [
            deployment("chat", "openai/gpt-4o-mini", openai),
            deployment("claude", "anthropic/claude-3-5-sonnet-20241022", anthropic),
            deployment("text", "text-completion-openai/gpt-3.5-turbo-instruct", openai),
            deployment("vectors", "openai/text-embedding-3-small", openai),
            deployment("down", "openai/gpt-4o-mini", "http://127.0.0.1:9/v1"),
            deployment("lost", "openai/gpt-4o-mini", "http://127.0.0.1:9/v1"),
        ],
        "litellm_settings": {
            "callbacks": ["mlflow_litellm.proxy.handler"],
            "num_retries": 0,
            **litellm_settings,
        },
        "router_settings": {"disable_cooldowns": True, "fallbacks": [{"down": ["chat"]}]},
        "general_settings": {
            "master_key": MASTER_KEY,
            "custom_auth": "custom_auth.user_api_key_auth",
            "pass_through_endpoints": [
                {
                    "path": "/own/path",
                    "target": "os.environ/PROVIDER_CHAT",
                    "headers": {"Authorization": f"Bearer {VENDORS_KEY}"},
                }
            ],
        },
    }
