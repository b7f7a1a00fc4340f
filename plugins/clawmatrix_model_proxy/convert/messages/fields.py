"""What becomes of each field of a Messages request in another API; see ``request_fields``."""

from __future__ import annotations

from clawmatrix_model_proxy.neutral.request_fields import (
    Field,
    carried,
    dropped,
    refused,
    setting_fields,
)

__all__ = ["FIELDS"]

_RUNS_THERE = "it runs at the upstream, and no other API has one like it"
_BLOCKS_THERE = (
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "advisor_tool_result",
    "container_upload",
    "compaction",
    "fallback",
    "mcp_*",
    "tool_addition",
    "tool_removal",
    "tool_reference",
    "browser_*",
)
_TOOLS_THERE = (
    "advisor_*",
    "bash_*",
    "browser_*",
    "code_execution_*",
    "computer_*",
    "mcp_toolset",
    "memory_*",
    "text_editor_*",
    "tool_search_*",
    "web_fetch_*",
    "web_search_*",
)
_CONTENT = "messages[]<*>.content[]"
_MEDIA = (_CONTENT, f"{_CONTENT}<tool_result>.content[]")

FIELDS: tuple[Field, ...] = (
    *refused(_RUNS_THERE, *(f"messages*.content[]<{block}>" for block in _BLOCKS_THERE)),
    *refused(_RUNS_THERE, *(f"tools[]<{tool}>" for tool in _TOOLS_THERE)),
    *refused("no other API has one like it", "messages*.content[]<search_result>"),
    *refused(
        "what a user cannot say",
        *(
            f"messages[]<user>.content[]<{kind}>"
            for kind in ("thinking", "redacted_thinking", "tool_use")
        ),
    ),
    *refused(
        "what an assistant cannot say",
        *(
            f"messages[]<assistant>.content[]<{kind}>"
            for kind in ("image", "document", "tool_result")
        ),
    ),
    *refused(
        "only texts in a document are carried",
        "messages*<document>.source<content>.content[]<image>",
    ),
    *dropped("a hint to the cache", "messages*.cache_control", "system[].cache_control"),
    *dropped(
        "no other API has them in this form; the text that cites is kept",
        "messages*.citations",
        "system[].citations",
    ),
    *carried("model", "stream", "system", "system[].type", "system[].text"),
    *carried("messages[]<*>.role", "messages[]<*>.content"),
    *carried(f"{_CONTENT}.type", f"{_CONTENT}.text"),
    *carried(*(f"{place}<text>.{name}" for place in _MEDIA for name in ("type", "text"))),
    *refused("it changes a setting in the middle", "messages[]<system>.output_config"),
    *refused("it takes back what was said", "messages[]<system>.clear_at"),
    *(
        row
        for place in _MEDIA
        for row in (
            *refused("how a picture is made smaller", f"{place}<image>.transformations"),
            *refused("no other API has it", f"{place}<document>.context"),
            *carried(
                f"{place}<image>.type",
                f"{place}<image>.source<*>.type",
                f"{place}<image>.source<base64>.data",
                f"{place}<image>.source<base64>.media_type",
                f"{place}<image>.source<url>.url",
                f"{place}<image>.source<file>.file_id",
                f"{place}<document>.type",
                f"{place}<document>.title",
                f"{place}<document>.source<*>.type",
                f"{place}<document>.source<base64>.data",
                f"{place}<document>.source<base64>.media_type",
                f"{place}<document>.source<text>.data",
                f"{place}<document>.source<text>.media_type",
                f"{place}<document>.source<content>.content",
                f"{place}<document>.source<content>.content[]<text>.type",
                f"{place}<document>.source<content>.content[]<text>.text",
                f"{place}<document>.source<url>.url",
                f"{place}<document>.source<file>.file_id",
            ),
        )
    ),
    *carried(
        *(f"{_CONTENT}<thinking>.{name}" for name in ("type", "thinking", "signature")),
        *(f"{_CONTENT}<redacted_thinking>.{name}" for name in ("type", "data")),
        *(f"{_CONTENT}<tool_use>.{name}" for name in ("type", "id", "name", "input")),
        f"{_CONTENT}<tool_use>.caller<direct>.type",
        *(
            f"{_CONTENT}<tool_result>.{name}"
            for name in ("type", "tool_use_id", "content", "is_error")
        ),
    ),
    *refused("it is not the model's own", f"{_CONTENT}<tool_use>.caller<code*>"),
    *refused("no other API has sets of tools", f"{_CONTENT}<tool_*>.toolset_name"),
    *dropped(
        "hints to the cache, and to how the answer is sent",
        *(f"tools[]<custom>.{name}" for name in ("cache_control", "eager_input_streaming")),
    ),
    *refused("no other API has it", "tools[]<custom>.input_examples"),
    *refused("no other API has it", "tools[]<custom>.defer_loading", idle=(False,)),
    *refused("no other API has it", "tools[]<custom>.allowed_callers", idle=(["direct"],)),
    *carried(
        *(
            f"tools[]<custom>.{name}"
            for name in ("type", "name", "description", "strict", "input_schema")
        ),
        *(f"tools[]<custom>.input_schema.{name}" for name in ("type", "properties", "required")),
    ),
    *carried("tool_choice<*>.type", "tool_choice<*>.disable_parallel_tool_use"),
    *carried("tool_choice<tool>.name"),
    *carried("output_config.format.type", "output_config.format.schema"),
    *refused("no other API has it", "output_config.task_budget", "thinking<*>.block_binding"),
    *carried("thinking<*>.type", "thinking<*>.budget_tokens", "thinking<*>.display"),
    *refused(
        "no other API has it",
        "billing_policy",
        "compaction",
        "fallback_credit_token",
        "fallbacks",
        "thread",
        "user_profile_id",
        "workspace_id",
    ),
    *setting_fields("messages"),
)
