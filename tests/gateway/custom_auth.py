"""Checks keys in the proxy, in place of the virtual keys in LiteLLM's database."""

from __future__ import annotations

from typing import Any

import litellm
from litellm.proxy._types import ProxyException, UserAPIKeyAuth

MASTER_KEY = "sk-master-secret-0123456789"
VIRTUAL_KEY = "sk-virtual-secret-0123456789"
JUDGED_KEY = "sk-judged-secret-0123456789"
SPENT_KEY = "sk-spent-secret-0123456789"
PRIVATE_KEY = "sk-private-secret-0123456789"
TEAM_KEY = "sk-team-secret-0123456789"
OPEN_KEY = "sk-open-secret-0123456789"


async def user_api_key_auth(request: Any, api_key: str) -> UserAPIKeyAuth:
    """Return the owner of a key; refuse a key that has spent its budget, and any unknown key."""
    if api_key == JUDGED_KEY:
        judge = [{"role": "user", "content": "May they?"}]
        await litellm.acompletion("openai/gpt-4o-mini", judge, mock_response="They may.")
        return UserAPIKeyAuth(api_key=api_key)
    if api_key == SPENT_KEY:
        raise litellm.BudgetExceededError(current_cost=2.0, max_budget=1.0)
    if api_key == VIRTUAL_KEY:
        return UserAPIKeyAuth(
            api_key=api_key,
            key_alias="research-key",
            team_id="team-1",
            team_alias="Research",
            user_id="alice",
            metadata={"tags": ["of-the-key"]},
        )
    if api_key in {PRIVATE_KEY, TEAM_KEY}:
        told = {"callback_name": "none-such", "callback_vars": {"turn_off_message_logging": True}}
        holder = "metadata" if api_key == PRIVATE_KEY else "team_metadata"
        return UserAPIKeyAuth(api_key=api_key, **{holder: {"logging": [told]}})
    if api_key == OPEN_KEY:
        permitted = {"allow_client_message_redaction_opt_out": True}
        return UserAPIKeyAuth(api_key=api_key, metadata=permitted)
    if api_key == MASTER_KEY:
        return UserAPIKeyAuth(api_key=api_key, user_id="default_user_id", user_role="proxy_admin")
    message = f"Invalid key: {api_key}"
    raise ProxyException(message, type="auth_error", param=None, code=401)
