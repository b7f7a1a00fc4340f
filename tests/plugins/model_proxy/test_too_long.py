"""Which errors say that a prompt is too long, in the words of servers, and which do not."""

from __future__ import annotations

import re

import pytest

from clawmatrix_model_proxy.error_text import ErrorText
from clawmatrix_model_proxy.too_long import CODES, WORDS, says_too_long

SAID = (
    "This model's maximum context length is 65536 tokens. However, you requested 69135 tokens"
    " (61135 in the messages, 8000 in the completion).",
    "This endpoint's maximum context length is 262144 tokens. However, you requested about 264433"
    " tokens (188 of text input, 262144 in the output).",
    "This model's maximum context length is 2048 tokens. However, your request has 8 input tokens"
    " plus 2045 'max_tokens'. Please reduce one or the other.",
    "'max_tokens' or 'max_completion_tokens' is too large: 200000. This model's maximum context"
    " length is 131072 tokens and your request has 1000 input tokens.",
    "Requested token count exceeds the model's maximum context length of 202752 tokens.",
    "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "The prompt is too long: 40177, model maximum context length: 32767",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 289650.",
    "prompt is too long: 213462 tokens > 200000 maximum",
    "Prompt 超长",
    "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000",
    "request (13392 tokens) exceeds the available context size (8192 tokens), try increasing it",
    "input (9000 tokens) is too large to process. increase the physical batch size",
    "Prompt has 200000 tokens, but the configured context size is 131072 tokens",
    "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
    "The decoder prompt (length 21535) is longer than the maximum model length of 16384.",
    "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
    "prompt too long; exceeded max context length by 904 tokens",
    "the input length exceeds the context length",
    "The number of tokens to keep from the initial prompt is greater than the context length"
    " (n_keep: 13055>= n_ctx: 4096).",
    "Trying to keep the first 111490 tokens when context the overflows. However, the model is"
    " loaded with context length of only 32768 tokens, which is not enough.",
    "The input token count (2845475) exceeds the maximum number of tokens allowed (1048576).",
    "Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)",
    "invalid params, context window exceeds limit (2013)",
    "This model's maximum prompt length is 131072 but the request contains 136973 tokens.",
    "Input is too long for requested model.",
    "Too many input tokens. Max input tokens: 128000, request input token count: 140000",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 80125",
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 1244",
    "Please reduce the length of the messages or completion. Current length is 42328 while limit"
    " is 40000",
    "Prompt exceeds max length",
    "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 258048]",
    "length of prompt_tokens (68957) must be less than max_seq_len (65536).",
    "max_total_tokens (33802) must be less than or equal to max_seq_len (32768)",
    "Total tokens of image and text exceed max message tokens. Request id: 0217",
    "3010: AiError: The estimated number of input and maximum output tokens (35000) exceeded this"
    " model context window limit (24000)",
    "the number of input tokens 4098 cannot exceed the total tokens limit 4096 for this model",
    "too many tokens: total number of tokens (prompt and prediction) cannot exceed 2048",
    "Requested tokens (9437) exceed context window of 8192",
    "Request body too large for gpt-4o model. Max size: 8000 tokens.",
    "prompt token count of 391491 exceeds the limit of 128000",
    "Requested input length 140000 exceeds maximum input length 131072",
    "Prompt length (5056) exceeds maximum sequence length (2048)",
    "Request length 71599 + 2048 is greater than max_seq_len 65536",
    "litellm.BadRequestError: litellm.ContextWindowExceededError: XException - no",
    "输入内容超过模型最大上下文长度",
    "Request size exceeds model context window",
    "the conversation is too large for this model's context size",
    "context length exceeded",
)
NOT_SAID = (
    "max_tokens must be less than or equal to 8192",
    "`max_tokens` must be less than or equal to `16384`, the maximum value for `max_tokens` is less"
    " than the `context_window` for this model",
    "max_tokens is too large: 32000. This model supports at most 4096 completion tokens",
    "max_tokens (9000) must be at most the maximum context length (4096)",
    "too many tokens: max tokens must be less than or equal to 4096",
    "Range of max_tokens should be [1, 8192]",
    "The maximum tokens you requested exceeds the model limit of 2048. Try again with a maximum"
    " tokens value that is lower than 2048.",
    "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 14810,"
    " please reduce your message size and try again.",
    "Rate limit reached for input tokens: reduce the length of the messages",
    "ThrottlingException: Too many tokens, please wait before trying again.",
    "You exceeded your current quota, please check your plan",
    "Invalid 'user': string too long. Expected a string with maximum length 64.",
    "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64.",
    "messages: at least one message is required",
    "the context of this call is not known",
    "temperature: must be at most 2",
    "",
)


@pytest.mark.parametrize("said", SAID)
def test_the_words_of_servers_are_known(said: str) -> None:
    assert says_too_long(400, ErrorText(messages=["Provider returned error", said]))


def test_each_row_has_its_source_and_words_that_only_it_needs() -> None:
    for row in WORDS:
        assert any(re.search(row.pattern, said, re.IGNORECASE) for said in SAID), row.who
        assert row.source
        assert row.who
    assert all(CODES.values())


@pytest.mark.parametrize("said", NOT_SAID)
def test_other_words_about_tokens_are_not_taken_for_it(said: str) -> None:
    assert not says_too_long(400, ErrorText(messages=[said]))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", [400, 413, 429, 500, None])
def test_a_code_decides_whatever_the_words_and_the_status(code: str, status: int | None) -> None:
    assert says_too_long(status, ErrorText(codes=["x", code], messages=["no"]))


def test_a_code_may_be_a_number() -> None:
    assert says_too_long(400, ErrorText(numbers=[1261]))
    assert not says_too_long(400, ErrorText(numbers=[2013, 400]))


@pytest.mark.parametrize("status", [400, 413, 422, 500, 503, None])
def test_words_decide_with_these_statuses(status: int | None) -> None:
    assert says_too_long(status, ErrorText(messages=["prompt is too long"]))


@pytest.mark.parametrize("status", [401, 402, 403, 404, 407, 408, 429])
def test_words_decide_nothing_where_the_status_says_something_else(status: int) -> None:
    assert not says_too_long(status, ErrorText(messages=["prompt is too long"]))
