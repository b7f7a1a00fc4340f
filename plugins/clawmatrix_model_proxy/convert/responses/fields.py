"""What becomes of each field of a Responses request in another API; see ``request_fields``."""

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
_OF_AN_UPSTREAM = "what a tool at the upstream did; no other API has one like it"
_NAMES = "names and states that the upstream gave it"

_ALONE = "no other API has it"
_OURS = ("function", "custom")

FIELDS: tuple[Field, ...] = (
    *dropped("a hint to the cache", "input*.prompt_cache_breakpoint"),
    *carried("model", "stream", "parallel_tool_calls", "instructions", "input"),
    *dropped(_NAMES, "input[]<message*>.id", "input[]<message*>.status", "input[]<message*>.phase"),
    *dropped(
        "the words that they are of are kept",
        "input[]<message*>.content[]<output_text>.annotations",
        "input[]<message*>.content[]<output_text>.logprobs",
    ),
    *carried(
        *(f"input[]<message*>.{name}" for name in ("type", "role", "content")),
        *(f"input[]<message*>.content[]<output_text>.{name}" for name in ("type", "text")),
        "input[]<message*>.content[]<refusal>.type",
        "input[]<message*>.content[]<refusal>.refusal",
    ),
    *(
        row
        for place in ("input[]<message*>.content[]", "input[]<*_output>.output[]")
        for row in (
            Field(f"{place}<input_image>.detail", "carried", idle=("auto",)),
            *dropped("how finely the upstream looks at pages", f"{place}<input_file>.detail"),
            *carried(*(f"{place}<input_text>.{name}" for name in ("type", "text"))),
            *carried(*(f"{place}<input_image>.{n}" for n in ("type", "image_url", "file_id"))),
            *carried(
                *(
                    f"{place}<input_file>.{name}"
                    for name in ("type", "file_data", "file_id", "file_url", "filename")
                )
            ),
        )
    ),
    *(
        row
        for item in ("function_call", "custom_tool_call")
        for row in (
            *dropped(_NAMES, f"input[]<{item}>.id", f"input[]<{item}_output>.id"),
            *refused("it is not the model's own", f"input[]<{item}*>.caller<program>"),
            *carried(f"input[]<{item}*>.caller<direct>.type"),
            *refused("its result is not awaited", f"input[]<{item}>.async", idle=(False,)),
            *carried(
                *(f"input[]<{item}>.{name}" for name in ("type", "call_id", "name", "namespace")),
                *(f"input[]<{item}_output>.{name}" for name in ("type", "call_id", "output")),
            ),
        )
    ),
    *dropped(_NAMES, "input[]<function_call>.status", "input[]<function_call_output>.status"),
    *dropped(
        "its call has the same",
        "input[]<function_call_output>.name",
        "input[]<function_call_output>.namespace",
    ),
    *carried("input[]<function_call>.arguments", "input[]<custom_tool_call>.input"),
    *dropped(_NAMES, "input[]<reasoning>.status"),
    *carried(
        *(f"input[]<reasoning>.{name}" for name in ("type", "id", "encrypted_content")),
        *(f"input[]<reasoning>.summary[].{name}" for name in ("type", "text")),
        *(f"input[]<reasoning>.content[].{name}" for name in ("type", "text")),
    ),
    *refused("only the upstream has it: give the item", "input[]<item_reference>"),
    *refused(
        _OF_AN_UPSTREAM,
        *(
            f"input[]<{item}*>"
            for item in (
                "file_search_call",
                "computer_call",
                "web_search_call",
                "tool_search_",
                "additional_tools",
                "configuration_update",
                "compaction",
                "image_generation_call",
                "code_interpreter_call",
                "local_shell_call",
                "shell_call",
                "apply_patch_call",
                "mcp_",
                "program",
            )
        ),
    ),
    *refused(
        "its result is not awaited", "tools*<function>.async", "tools*<custom>.async", idle=(False,)
    ),
    *refused(_ALONE, "tools*<function>.output_schema"),
    *refused(_ALONE, *(f"tools*<{k}>.defer_loading" for k in _OURS), idle=(False,)),
    *refused(_ALONE, *(f"tools*<{k}>.allowed_callers" for k in _OURS), idle=(["direct"],)),
    *carried(
        *(
            f"tools*<function>.{name}"
            for name in ("type", "name", "description", "parameters", "strict")
        ),
        *(f"tools*<custom>.{name}" for name in ("type", "name", "description")),
        "tools*<custom>.format<*>.type",
        *(f"tools*<custom>.format<grammar>.{name}" for name in ("definition", "syntax")),
        *(f"tools[]<namespace>.{name}" for name in ("type", "name")),
    ),
    *dropped(
        "the name of each tool has the namespace's in front", "tools[]<namespace>.description"
    ),
    *refused(
        _RUNS_THERE,
        *(
            f"tools[]<{tool}*>"
            for tool in (
                "file_search",
                "computer",
                "web_search",
                "mcp",
                "code_interpreter",
                "programmatic_tool_calling",
                "image_generation",
                "local_shell",
                "shell",
                "tool_search",
                "apply_patch",
            )
        ),
    ),
    *carried(
        "tool_choice",
        *(f"tool_choice<function>.{name}" for name in ("type", "name")),
        *(f"tool_choice<custom>.{name}" for name in ("type", "name")),
        *(f"tool_choice<allowed_tools>.{name}" for name in ("type", "mode", "tools")),
    ),
    *refused(
        _RUNS_THERE,
        *(f"tool_choice<{kind}" for kind in ("file_search>", "mcp>", "apply_patch>", "shell>")),
        "tool_choice<programmatic_tool_calling>",
    ),
    *carried(
        "text.format<*>.type",
        *(
            f"text.format<json_schema>.{name}"
            for name in ("name", "schema", "description", "strict")
        ),
    ),
    *carried("reasoning.generate_summary", "stream_options.include_obfuscation"),
    *refused(_ALONE, "reasoning.context", idle=("auto",)),
    *refused(_ALONE, "reasoning.mode", idle=("standard",)),
    *refused(
        _ALONE,
        "access_programs",
        "background_options",
        "image",
    ),
    *setting_fields("responses"),
)
