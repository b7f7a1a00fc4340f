"""What becomes of each field of a chat request in another API; see ``request_fields``."""

from __future__ import annotations

from clawmatrix_model_proxy.neutral.request_fields import (
    Field,
    carried,
    dropped,
    refused,
    setting_fields,
)

__all__ = ["FIELDS"]

FIELDS: tuple[Field, ...] = (
    *refused("of an older API", "messages[]<function>"),
    *dropped("a hint to the cache", "messages*.prompt_cache_breakpoint", "messages*.cache_control"),
    *carried("model", "stream", "parallel_tool_calls", "max_tokens"),
    *carried("messages[]<*>.role", "messages[]<*>.name", "messages[]<*>.content"),
    *carried("messages[]<*>.content[].type", "messages[]<*>.content[].text"),
    *carried("messages[]<*>.content[]<text>.type", "messages[]<*>.content[]<text>.text"),
    *carried(
        "messages[]<user>.content[]<image_url>.type",
        "messages[]<user>.content[]<image_url>.image_url.url",
        "messages[]<user>.content[]<image_url>.image_url.detail",
        "messages[]<user>.content[]<input_audio>.type",
        "messages[]<user>.content[]<input_audio>.input_audio.data",
        "messages[]<user>.content[]<input_audio>.input_audio.format",
        "messages[]<user>.content[]<file>.type",
        "messages[]<user>.content[]<file>.file.file_data",
        "messages[]<user>.content[]<file>.file.file_id",
        "messages[]<user>.content[]<file>.file.filename",
    ),
    *carried(
        "messages[]<assistant>.content[]<refusal>.type",
        "messages[]<assistant>.content[]<refusal>.refusal",
        "messages[]<assistant>.refusal",
        "messages[]<assistant>.tool_calls[]<function>.id",
        "messages[]<assistant>.tool_calls[]<function>.type",
        "messages[]<assistant>.tool_calls[]<function>.function.name",
        "messages[]<assistant>.tool_calls[]<function>.function.arguments",
        "messages[]<assistant>.tool_calls[]<custom>.id",
        "messages[]<assistant>.tool_calls[]<custom>.type",
        "messages[]<assistant>.tool_calls[]<custom>.custom.name",
        "messages[]<assistant>.tool_calls[]<custom>.custom.input",
        "messages[]<tool>.tool_call_id",
    ),
    *refused("of an older API", "messages[]<assistant>.function_call"),
    *refused("audio of an earlier answer is the upstream's", "messages[]<assistant>.audio"),
    *refused("of an older API; `tools` and `tool_choice` are its", "functions", "function_call"),
    *carried(
        "response_format<*>.type",
        "response_format<json_schema>.json_schema.name",
        "response_format<json_schema>.json_schema.description",
        "response_format<json_schema>.json_schema.schema",
        "response_format<json_schema>.json_schema.strict",
    ),
    *carried(
        "tools[]<function>.type",
        "tools[]<custom>.type",
        "tools[]<function>.function.name",
        "tools[]<function>.function.description",
        "tools[]<function>.function.parameters",
        "tools[]<function>.function.strict",
        "tools[]<custom>.custom.name",
        "tools[]<custom>.custom.description",
        "tools[]<custom>.custom.format<*>.type",
        "tools[]<custom>.custom.format<grammar>.grammar.syntax",
        "tools[]<custom>.custom.format<grammar>.grammar.definition",
    ),
    *carried(
        "tool_choice",
        "tool_choice<*>.type",
        "tool_choice<allowed_tools>.allowed_tools.mode",
        "tool_choice<allowed_tools>.allowed_tools.tools",
        "tool_choice<function>.function.name",
        "tool_choice<custom>.custom.name",
    ),
    *carried("stream_options.include_usage", "stream_options.include_obfuscation"),
    *setting_fields("chat"),
)
"""Fields of the official SDK, and those that servers and clients have beside it."""
