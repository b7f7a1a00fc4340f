"""Which errors say that a prompt is too long for a model: by a code, or by their words. Pure.

Most servers have no code for it, so this is the one table of what they write. Each row has the
server, a pattern of its words, and where these words were seen. The last rows are for servers that
nobody has listed yet.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from clawmatrix_model_proxy.error_text import ErrorText

__all__ = ["CODES", "TOO_LONG", "WORDS", "Words", "says_too_long"]

TOO_LONG = "context_length_exceeded"
"""OpenAI's code for it, which stands for all of them here."""

CODES = {
    "context_length_exceeded": "OpenAI, Azure, Groq, Cerebras: github.com/openai/openai-python",
    "context_window_exceeded": "gateways: github.com/BerriAI/litellm",
    "ContextWindowExceededError": "LiteLLM's proxy: github.com/BerriAI/litellm",
    "context_too_large": "gateways: github.com/router-for-me/CLIProxyAPI/pull/3476",
    "exceed_context_size_error": "llama.cpp: tools/server/server-context.cpp",
    "max_prompt_tokens_exceeded": "GitHub Copilot: github.com/earendil-works/pi",
    "max_tokens_exceeded": "OpenRouter: openrouter.ai/docs/api-reference/errors",
    "model_context_window_exceeded": "Z.ai and Anthropic: github.com/earendil-works/pi",
    "model_max_prompt_tokens_exceeded": "GitHub Copilot: github.com/earendil-works/pi",
    "prompt_too_long": "adapters in front of Copilot: github.com/earendil-works/pi",
    "token_quantity_exceeded": "watsonx: github.com/agno-agi/agno",
    "tokens_limit_reached": "GitHub Models: github.com/eslint/tsc-meetings/pull/593",
    "1261": "Zhipu: github.com/NousResearch/hermes-agent/pull/1877",
}
"""Codes that mean it, each with the server that writes it and a source."""


class Words(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        who: the servers that write so.
        pattern: matches their words, in lower or upper case.
        source: where they were seen.
    """

    who: str
    pattern: str
    source: str


WORDS = (
    Words(
        "OpenAI, Azure, vLLM, SGLang, DeepSeek, OpenRouter, Mistral, Fireworks, Ollama",
        r"maximum (?:model )?context (?:length|limit|window|size)",
        "github.com/vllm-project/vllm/issues/20409",
    ),
    Words(
        "OpenAI (Responses)",
        r"exceeds? (?:the|this) (?:model'?s? )?context window",
        "github.com/earendil-works/pi/issues/550",
    ),
    Words(
        "OpenAI, Azure (GPT-5)",
        r"input tokens exceed the configured limit",
        "github.com/cline/cline/issues/5474",
    ),
    Words(
        "Anthropic, Fireworks, Vertex, Ollama, Z.ai",
        r"prompt (?:is )?too long|prompt ?超长",
        "github.com/stackblitz/bolt.new/issues/2307",
    ),
    Words(
        "Anthropic",
        r"exceeds? (?:the )?context limit",
        "github.com/continuedev/continue/issues/6080",
    ),
    Words(
        "llama.cpp",
        r"exceeds? the available context size|is too large to process"
        r"|the configured context size is",
        "github.com/ggml-org/llama.cpp, tools/server/server-context.cpp",
    ),
    Words(
        "SGLang, Together, Novita",
        r"is longer than the model'?s context length",
        "github.com/anomalyco/opencode/pull/25230",
    ),
    Words(
        "vLLM",
        r"(?:longer than|exceeds?) the (?:maximum )?model(?:'s)? (?:maximum )?length"
        r"|prompt \([^)]{1,60}\) is (?:too long|longer)",
        "github.com/vllm-project/vllm/issues/12165, github.com/xorbitsai/inference/issues/3785",
    ),
    Words(
        "Ollama",
        r"exceeded (?:max )?context length|input length exceeds (?:the )?context length",
        "github.com/nano-step/nano-brain/issues/208",
    ),
    Words(
        "LM Studio",
        r"greater than the context length|loaded with (?:a )?context length of"
        r"|reached context length",
        "github.com/lmstudio-ai/lmstudio-bug-tracker/issues/546",
    ),
    Words(
        "Gemini",
        r"input token count.{0,80}exceeds the maximum",
        "github.com/google-gemini/gemini-cli/issues/4692",
    ),
    Words(
        "Moonshot",
        r"exceeded model token limit|model max length exceeded",
        "github.com/MoonshotAI/kimi-cli/issues/2011",
    ),
    Words(
        "MiniMax",
        r"context window exceeds limit",
        "github.com/MiniMax-AI/MiniMax-M2/issues/119",
    ),
    Words(
        "xAI",
        r"maximum prompt length is",
        "github.com/cline/cline/issues/3120",
    ),
    Words(
        "Bedrock",
        r"input is too long for|too many input tokens|number of input tokens exceeds maximum",
        "github.com/aws-samples/bedrock-chat/issues/95",
    ),
    Words(
        "Text Generation Inference, Together",
        r"inputs.? tokens \+ .?max_new_tokens.? must be|inputs.? must have less than",
        "github.com/BerriAI/litellm/issues/4934, github.com/h2oai/h2ogpt/issues/373",
    ),
    Words(
        "Groq, Cerebras",
        r"reduce the length of (?:the|your) (?:messages|prompt|input)",
        "github.com/OpenHands/OpenHands/issues/1902, github.com/cline/cline/issues/5140",
    ),
    Words(
        "Zhipu",
        r"prompt exceeds max(?:imum)? length",
        "github.com/zeroclaw-labs/zeroclaw/issues/4124",
    ),
    Words(
        "DashScope",
        r"range of input length should be",
        "help.aliyun.com, Model Studio, error codes",
    ),
    Words(
        "SiliconFlow",
        r"(?:prompt_tokens|max_total_tokens) \(\d+\) must be less than",
        "github.com/langgenius/dify/issues/19394, github.com/continuedev/continue/issues/10993",
    ),
    Words(
        "Volcengine",
        r"exceed max message tokens",
        "volcengine.com, Ark: error codes",
    ),
    Words(
        "Cloudflare",
        r"exceeded this model context window limit",
        "github.com/anomalyco/opencode",
    ),
    Words(
        "watsonx",
        r"cannot exceed the total tokens limit",
        "github.com/agno-agi/agno",
    ),
    Words(
        "Cohere",
        r"too many tokens: (?:size limit|total number)|total number of tokens.{0,60}cannot exceed",
        "github.com/cohere-ai/sandbox-topically/issues/4",
    ),
    Words(
        "llama-cpp-python",
        r"requested tokens \(\d+\) exceed context window of",
        "github.com/abetlen/llama-cpp-python, llama_cpp/llama.py",
    ),
    Words(
        "GitHub Models",
        r"request body too large for .{1,80} model",
        "github.com/cline/cline/issues/995",
    ),
    Words(
        "GitHub Copilot",
        r"prompt token count of \d+ exceeds",
        "github.com/earendil-works/pi",
    ),
    Words(
        "TensorRT-LLM, DeepInfra, Poolside",
        r"(?:prompt|input) length (?:\(?\d+\)? )?exceeds (?:the )?maximum",
        "github.com/triton-inference-server/tensorrtllm_backend/issues/565",
    ),
    Words(
        "ExLlama, TabbyAPI",
        r"length \d+(?: \+ \d+)? is greater than max_seq_len",
        "github.com/SillyTavern/SillyTavern/issues/3543",
    ),
    Words(
        "LiteLLM",
        r"ContextWindowExceededError",
        "github.com/BerriAI/litellm",
    ),
    Words(
        "servers in Chinese",
        r"超过[^\uff0c\u3002]{0,12}上下文|上下文长度超|输入(?:内容)?(?:长度超|过长)",
        "github.com/MoonshotAI, bigmodel.cn, volcengine.com: error codes",
    ),
    Words(
        "others: something exceeds a context",
        r"\b(?:prompt|input|request|messages?|conversation|tokens?)\b[^.\n]{0,80}"
        r"\b(?:exceed(?:s|ed|ing)?|too (?:long|large|big) for"
        r"|(?:longer|larger|greater|more) than)\b[^.\n]{0,60}"
        r"\bcontext[ _-]?(?:length|window|size|limit)",
        "the rows above",
    ),
    Words(
        "others: a context is exceeded",
        r"context[ _-]?(?:length|window|size|limit)(?: has been| was| is)?[ _-]?"
        r"(?:exceeded|overflow)",
        "the rows above",
    ),
)

_MARKS = (
    "context",
    "input",
    "length",
    "prompt",
    "request body",
    "token",
    "\u8d85",
    "\u8f93\u5165",
)
"""One of them is in all of these words. They are quick to look for, which spares the rest."""
_NOT = re.compile(
    r"rate.?limit|tokens? per (?:second|min|minute|hour|day)|\bTP[MD]\b|too many requests|throttl"
    r"|\bquota\b|please wait",
    re.IGNORECASE,
)
"""What is said of a rate, which counts tokens too."""
_ABOUT_THE_ANSWER = re.compile(
    r"^\W*max_?(?:completion_|output_|new_)?tokens\b(?!.*\b(?:input|prompt|messages)\b)",
    re.IGNORECASE | re.DOTALL,
)
"""What is said of the limit of an answer alone."""
_NEVER = frozenset({401, 402, 403, 404, 407, 408, 429})
"""Statuses that mean something else, whatever the words are."""


@cache
def _words() -> re.Pattern[str]:
    """Return what matches any row; it takes 2 ms to make, and most nodes get no such error."""
    return re.compile("|".join(f"(?:{row.pattern})" for row in WORDS), re.IGNORECASE)


def says_too_long(status: int | None, error: ErrorText) -> bool:
    """Say whether an error means that the prompt is too long for the model.

    Args:
        status: the HTTP status that it came with, None for an event of a stream.
        error: what it says.
    """
    if any(code in CODES for code in (*error.codes, *map(str, error.numbers))):
        return True
    if status in _NEVER:
        return False
    said = [words for words in error.messages if any(mark in words.lower() for mark in _MARKS)]
    if not said or _NOT.search(error.text):
        return False
    return any(_words().search(words) and not _ABOUT_THE_ANSWER.search(words) for words in said)
