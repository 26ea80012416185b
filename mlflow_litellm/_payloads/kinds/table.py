"""
The table of all kinds of call.

`recorded` is an allowlist: providers take any further argument, such as keys and tokens, so that no
list of secrets is ever complete. Most kinds keep the format of one provider for all providers.
"""

from __future__ import annotations

from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.files import described, picture
from mlflow_litellm._payloads.kind import Argument, Kind
from mlflow_litellm._payloads.kinds import (
    anthropic_messages,
    chat,
    embedding,
    generate_content,
    interactions,
    mcp,
    responses,
    small,
    text_completion,
)
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.secrets import redact_named_secrets


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# https://docs.litellm.ai/docs/completion/input
CHAT = Kind(
    "chat",
    _names("""
        additional_drop_params allowed_openai_params assistant_continue_message audio
        bos_token cache_control_injection_points content_policy_fallbacks context_management
        context_window_fallback_dict context_window_fallbacks drop_params
        enable_json_schema_validation ensure_alternating_roles eos_token fallbacks
        final_prompt_value frequency_penalty function_call functions guardrails
        include_server_side_tool_invocations initial_prompt_value litellm_system_prompt
        logit_bias logprobs max_completion_tokens max_fallbacks max_rounds max_tokens
        merge_reasoning_content_in_choices messages min_p min_tokens modalities model
        model_list models n num_retries parallel_tool_calls prediction presence_penalty
        prompt_cache_key prompt_cache_retention prompt_id prompt_label prompt_variables
        prompt_version reasoning_effort repetition_penalty rerank response_format
        retrieval_config roles safety_identifier safety_settings seed service_tier stop
        store stream stream_options supports_system_message temperature thinking tool_choice
        tools top_a top_k top_logprobs top_p typical_p user user_continue_message verbosity
        web_search_options
    """),
    arguments={"messages": chat.MESSAGES},
    # The UI's chat view and the GenAI translation for OTLP read the format.
    message_format="openai",
    has_chat_tools=True,
    takes_headers=True,
    read_response=chat.read_response,
    accumulator=chat.ChatAccumulator,
)

# https://platform.openai.com/docs/api-reference/completions/create and
# https://docs.litellm.ai/docs/text_completion
TEXT_COMPLETION = Kind(
    "text_completion",
    _names("""
        additional_drop_params allowed_openai_params best_of drop_params echo engine
        fallbacks frequency_penalty guardrails logit_bias logprobs max_tokens min_p
        min_tokens model n num_retries presence_penalty prompt repetition_penalty seed stop
        stream stream_options suffix temperature top_k top_p user
    """),
    takes_headers=True,
    read_request=text_completion.read_request,
    read_response=text_completion.read_response,
    # LiteLLM gives no cost if it turned the call into a chat completion.
    is_priced_by_list=True,
    accumulator=text_completion.TextAccumulator,
)

# https://platform.openai.com/docs/api-reference/responses/create and
# https://docs.litellm.ai/docs/response_api
RESPONSES = Kind(
    "responses",
    _names("""
        additional_drop_params allowed_openai_params background context_management
        conversation drop_params fallbacks guardrails include input instructions
        max_output_tokens max_tool_calls model num_retries parallel_tool_calls
        partial_images previous_response_id prompt prompt_cache_key prompt_cache_retention
        prompt_id prompt_label prompt_variables prompt_version reasoning safety_identifier
        service_tier store stream stream_options temperature text text_format tool_choice
        tools top_logprobs top_p truncation use_chat_completions_api user
    """),
    arguments=responses.ARGUMENTS,
    message_format="openai",
    takes_headers=True,
    read_response=responses.read_response,
    accumulator=responses.ResponseAccumulator,
)

# https://docs.anthropic.com/en/api/messages and https://docs.litellm.ai/docs/anthropic_unified
ANTHROPIC_MESSAGES = Kind(
    "anthropic_messages",
    _names("""
        additional_drop_params cache_control container context_management drop_params
        fallbacks guardrails inference_geo max_tokens mcp_servers messages model num_retries
        output_config output_format reasoning_effort service_tier speed stop_sequences
        stream system temperature thinking tool_choice tools top_k top_p
    """),
    arguments={"messages": chat.MESSAGES},
    message_format="anthropic",
    takes_headers=True,
    read_response=anthropic_messages.read_response,
    # LiteLLM gives no cost for a dict.
    is_priced_by_list=True,
    accumulator=anthropic_messages.MessageAccumulator,
)

# https://ai.google.dev/api/generate-content#request-body and
# https://docs.litellm.ai/docs/generateContent
GENERATE_CONTENT = Kind(
    "generate_content",
    _names("""
        cachedContent config contents drop_params fallbacks generationConfig guardrails
        model num_retries safetySettings stream systemInstruction system_instruction
        toolConfig tools
    """),
    arguments=generate_content.ARGUMENTS,
    message_format="gemini",
    read_request=generate_content.read_request,
    usage=generate_content.usage_of,
    model_key="modelVersion",
    read_response=generate_content.read_response,
    # LiteLLM gives no cost for a dict.
    is_priced_by_list=True,
    accumulator=generate_content.ContentAccumulator,
)

# https://docs.litellm.ai/docs/interactions
INTERACTIONS = Kind(
    "interactions",
    _names("""
        agent background drop_params environment fallbacks generation_config guardrails
        input model num_retries previous_interaction_id response_format response_mime_type
        response_modalities store stream system_instruction tools user
    """),
    arguments=interactions.ARGUMENTS,
    usage=interactions.usage_of,
    read_response=interactions.read_response,
    accumulator=interactions.InteractionAccumulator,
)

# https://docs.litellm.ai/docs/embedding/supported_embedding
EMBEDDING = Kind(
    "embedding",
    _names("""
        additional_drop_params allowed_openai_params caching dimensions drop_params
        encoding_format fallbacks input input_type model num_retries output_dtype task
        task_type title truncate truncation user
    """),
    "EMBEDDING",
    arguments={"input": embedding.INPUT},
    takes_headers=True,
    outputs=embedding.outputs,
    read_response=embedding.read_response,
)

# https://docs.litellm.ai/docs/rerank in the format of https://docs.cohere.com/reference/rerank
RERANK = Kind(
    "rerank",
    _names("""
        documents fallbacks instruction max_chunks_per_doc max_tokens_per_doc
        max_tokens_per_query model num_retries query rank_fields return_documents top_n
        truncate_prompt_tokens truncation_side user
    """),
    "RERANKER",
    arguments={"documents": Argument(redact=redact_data)},
    usage=small.rerank_usage,
)

# https://docs.litellm.ai/docs/moderation
MODERATION = Kind(
    "moderation",
    _names("input model user"),
    "GUARDRAIL",
    arguments={"input": Argument(is_media=dicts, redact=redact_data)},
    provider=small.moderation_provider,
    read_response=small.read_moderation,
)

# https://docs.litellm.ai/docs/search
SEARCH = Kind(
    "search",
    _names("""
        country exclude_domains include_domains max_results max_tokens_per_page num_retries
        query search_depth search_domain_filter search_provider search_tool_name time_range
        topic
    """),
    "RETRIEVER",
    provider=small.search_provider,
    read_response=small.read_search,
)

# https://docs.litellm.ai/docs/vector_stores/search
VECTOR_STORES = Kind(
    "vector_stores",
    _names("""
        filters max_num_results num_retries query ranking_options rewrite_query
        vector_store_id
    """),
    "RETRIEVER",
    read_response=small.read_vector_store_search,
)

# https://docs.litellm.ai/docs/ocr in the format of https://docs.mistral.ai/api/#tag/ocr
OCR = Kind(
    "ocr",
    _names("""
        bbox_annotation_format document document_annotation_format extract_footer
        extract_header fallbacks image_limit image_min_size include_image_base64 model
        num_retries pages req_format table_format user
    """),
    "PARSER",
    arguments={"document": Argument(small.document, is_media=small.is_dict)},
    read_response=small.read_ocr,
)

# https://docs.litellm.ai/docs/image_generation and https://docs.litellm.ai/docs/image_edits
IMAGES = Kind(
    "images",
    _names("""
        additional_drop_params allowed_openai_params aspect_ratio background drop_params
        fallbacks guidance guidance_scale height image imageConfig image_prompt_strength
        input_fidelity mask model moderation n negative_prompt num_images num_retries
        output_compression output_format prompt prompt_upsampling quality response_format
        safety_tolerance seed size steps style user width
    """),
    arguments=dict.fromkeys(("image", "mask"), Argument(picture, is_media=bool)),
    read_response=small.read_images,
)

# https://docs.litellm.ai/docs/audio_transcription and https://docs.litellm.ai/docs/text_to_speech
AUDIO = Kind(
    "audio",
    _names("""
        additional_drop_params allowed_openai_params chunking_strategy diarize drop_params
        fallbacks file include input instructions language model num_retries prompt
        response_format speed temperature timestamp_granularities user voice
    """),
    arguments={"file": Argument(described)},
    outputs=small.audio_outputs,
    read_response=small.read_audio,
)

# Decisions, extractions, and videos: https://docs.litellm.ai/docs/videos
OTHER = Kind(
    "other",
    _names("""
        assets audio characters drop_params fallbacks fields guardrails image images input
        input_reference model num_retries options parameters prompt questions reference_date
        resolution safety_identifier seconds size state user video video_id videos
    """),
    arguments={
        **dict.fromkeys(("image", "input_reference", "video"), Argument(described)),
        # LiteLLM passes these to the provider unchanged.
        **dict.fromkeys(
            ("assets", "characters", "options", "parameters"),
            Argument(redact=redact_named_secrets),
        ),
    },
    has_large_data=True,
    read_response=small.drop_empty_usage,
)

# https://modelcontextprotocol.io/specification
MCP = mcp.McpKind(
    "mcp",
    _names("arguments cursor name uri"),
    "TOOL",
    accumulator=mcp.MessageAccumulator,
)
