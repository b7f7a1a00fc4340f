"""llama.cpp's server with a model of random weights: llama_cpp.py FOLDER [embeddings].

Prints its port; serves until its input closes. What such a model says means nothing, yet it is
always the same, and with a grammar it is well formed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

CONTEXT = 2048
WIDTH, HEADS, INNER, BLOCKS = 64, 2, 128, 1
LETTERS = [chr(code) for code in range(0x21, 0x7F)]
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TEMPLATE = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- '# Tools\\n\\n<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '\\n</tools>\\n\\nFor a call:\\n<tool_call>\\n{"name": N, "arguments": A}\\n</tool_call>' }}
    {{- '<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first)
            or (message.role == 'assistant' and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for call in message.tool_calls %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- call.function.name }}
            {{- '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content }}
        {{- '\\n</tool_response><|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
"""Chats as models of Qwen have them."""
CALL = "<tool_call>\n"
TOKENS = [*SPECIAL, *BYTES, "\u2581", *LETTERS, CALL]


def write_model(file: Path) -> None:
    """Write a tiny model of the architecture of Llama whose tokens are letters and bytes."""
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    _write_tokens(writer)

    def tensor(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.normal(0, 0.05, shape).astype(np.float32))

    meaning = random.normal(0, 0.2, (len(TOKENS), WIDTH)).astype(np.float32)
    for letter in LETTERS:  # as a byte it means the same
        meaning[TOKENS.index(f"<0x{ord(letter):02X}>")] = meaning[TOKENS.index(letter)]
    writer.add_tensor("token_embd.weight", meaning)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensor(f"blk.0.{name}.weight", WIDTH, WIDTH)
    tensor("blk.0.ffn_gate.weight", INNER, WIDTH)
    tensor("blk.0.ffn_up.weight", INNER, WIDTH)
    tensor("blk.0.ffn_down.weight", WIDTH, INNER)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    # Special tokens and bytes have no weight of their own: letters always win, it never ends.
    output = random.normal(0, 1, (len(TOKENS), WIDTH)).astype(np.float32)
    output[: len(SPECIAL) + len(BYTES)] = 0
    # Where a line begins it begins a call, which a grammar completes where there are tools; and
    # it ends where the mark of a call's end does.
    for after, comes in (("<0x0A>", CALL), (">", SPECIAL[2])):
        direction = meaning[TOKENS.index(after)]
        output[TOKENS.index(comes)] = 8 * direction / np.linalg.norm(direction)
    writer.add_tensor("output.weight", output)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_tokens(writer: gguf.GGUFWriter) -> None:
    kinds = [
        gguf.TokenType.UNKNOWN,
        *[gguf.TokenType.CONTROL] * 2,
        *[gguf.TokenType.BYTE] * len(BYTES),
        *[gguf.TokenType.NORMAL] * (len(LETTERS) + 2),
    ]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)


def main(folder: str, *more: str) -> None:
    """Serve on a port of loopback."""
    file = Path(folder) / "random.gguf"
    write_model(file)
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT
    params.n_parallel = 2
    params.n_predict = 100
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.sampling.temp = 0.0
    params.use_jinja = True
    if more == ("embeddings",):
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    print(server.listening_address.rsplit(":", 1)[1], flush=True)
    sys.stdin.read()


main(*sys.argv[1:])
