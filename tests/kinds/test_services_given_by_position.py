"""Calls with positional arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlflow
import pytest
from services import (
    EMBEDDING,
    IMAGE_VARIATION,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
    Service,
)

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

SERVICES = (EMBEDDING, IMAGE_VARIATION, RERANK, SPEECH, TRANSCRIPTION)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_positional_arguments_get_their_names(
    service: Service, tracing: Traces, caller: Caller
) -> None:
    """The names are also those of functions with ``*args`` and ``**kwargs``."""
    try:
        service.call(caller, *service.arguments.values())
    except TypeError:
        # LiteLLM 1.110 treats the first argument as the model, and an image is no model.
        mlflow.litellm.autolog(disable=True)
        with pytest.raises(TypeError):
            service.call(caller, *service.arguments.values())
    assert tracing.span().inputs.keys() == service.arguments.keys()
