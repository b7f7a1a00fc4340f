// The official SDKs of JavaScript against one model, whose name and whose place the environment gives.
import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const { URL_OF_NODE: url, TOKEN: token, MODEL: model } = process.env;
const openai = new OpenAI({ baseURL: url, apiKey: token, maxRetries: 0 });
const anthropic = new Anthropic({
  baseURL: url.replace(/\/v1$/, ""),
  apiKey: token,
  maxRetries: 0,
});

const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const weather = ({ city }) => `${city === "Oslo" ? "rain" : "sun"} in ${city}`;
const answer = "They say: rain in Oslo and sun in Rome.";
const question = "the weather here and there";
const Person = z.object({ name: z.string(), age: z.number() });

test("chat: the stream helper gathers an answer", async () => {
  const stream = openai.chat.completions.stream({
    model,
    messages: [{ role: "user", content: "something long" }],
    stream_options: { include_usage: true },
  });
  let deltas = "";
  stream.on("content", (delta) => (deltas += delta));
  const completion = await stream.finalChatCompletion();
  assert.equal(deltas, "word ".repeat(400));
  assert.equal(completion.choices[0].finish_reason, "stop");
  assert.ok(await stream.totalUsage());
});

test("chat: the helper runs tools to the end", async () => {
  const runner = openai.chat.completions.runTools({
    model,
    stream: true,
    messages: [{ role: "user", content: question }],
    tools: [
      {
        type: "function",
        function: { name: "get_weather", parameters, parse: JSON.parse, function: weather },
      },
    ],
  });
  assert.equal(await runner.finalContent(), answer);
});

test("chat: an answer is parsed", async () => {
  const completion = await openai.chat.completions.parse({
    model,
    messages: [{ role: "user", content: "Ada, as data" }],
    response_format: zodResponseFormat(Person, "person"),
  });
  assert.deepEqual(completion.choices[0].message.parsed, { name: "Ada", age: 36 });
});

test("responses: the stream helper gathers an answer", async () => {
  const stream = openai.responses.stream({ model, input: "something long" });
  let deltas = "";
  stream.on("response.output_text.delta", (event) => (deltas += event.delta));
  const response = await stream.finalResponse();
  assert.equal(deltas, "word ".repeat(400));
  assert.equal(response.output_text, deltas);
  assert.equal(response.status, "completed");
});

test("responses: a tool loop, by stream", async () => {
  const tools = [{ type: "function", name: "get_weather", strict: false, parameters }];
  const input = [{ role: "user", content: question }];
  const first = await openai.responses.stream({ model, input, tools }).finalResponse();
  for (const item of first.output) {
    const { parsed_arguments, ...rest } = item;
    input.push(rest);
  }
  for (const item of first.output.filter((item) => item.type === "function_call"))
    input.push({
      type: "function_call_output",
      call_id: item.call_id,
      output: weather(JSON.parse(item.arguments)),
    });
  const last = await openai.responses.create({ model, input, tools });
  assert.equal(last.output_text, answer);
});

test("responses: an answer is parsed", async () => {
  const response = await openai.responses.parse({
    model,
    input: "Ada, as data",
    text: { format: zodTextFormat(Person, "person") },
  });
  assert.deepEqual(response.output_parsed, { name: "Ada", age: 36 });
});

test("messages: the stream helper gathers an answer", async () => {
  const stream = anthropic.messages.stream({
    model,
    max_tokens: 1000,
    messages: [{ role: "user", content: "think hard" }],
  });
  let text = "";
  let thoughts = "";
  stream.on("text", (delta) => (text += delta));
  stream.on("thinking", (delta) => (thoughts += delta));
  const message = await stream.finalMessage();
  assert.equal(text, "It is 42.");
  assert.equal(thoughts, "Six sevens, so forty-two.");
  assert.equal(message.stop_reason, "end_turn");
});

test("messages: a tool loop, by stream", async () => {
  const asked = {
    model,
    max_tokens: 1000,
    tools: [{ name: "get_weather", input_schema: parameters }],
  };
  const messages = [{ role: "user", content: question }];
  const first = await anthropic.messages.stream({ ...asked, messages }).finalMessage();
  assert.equal(first.stop_reason, "tool_use");
  const calls = first.content.filter((block) => block.type === "tool_use");
  messages.push({ role: "assistant", content: first.content });
  messages.push({
    role: "user",
    content: calls.map((block) => ({
      type: "tool_result",
      tool_use_id: block.id,
      content: weather(block.input),
    })),
  });
  const last = await anthropic.messages.create({ ...asked, messages });
  assert.equal(last.content.map((block) => block.text ?? "").join(""), answer);
});

test("errors are of the right class", async () => {
  const chat = (content, more = {}) =>
    openai.chat.completions.create({ model, messages: [{ role: "user", content }], ...more });
  await assert.rejects(chat("something wrong"), OpenAI.BadRequestError);
  await assert.rejects(chat("too many"), OpenAI.RateLimitError);
  await assert.rejects(chat("hello", { model: "nobody" }), OpenAI.NotFoundError);
  const message = (content, more = {}) =>
    anthropic.messages.create({
      model,
      max_tokens: 9,
      messages: [{ role: "user", content }],
      ...more,
    });
  await assert.rejects(message("something wrong"), Anthropic.BadRequestError);
  await assert.rejects(message("too many"), Anthropic.RateLimitError);
  await assert.rejects(message("hello", { model: "nobody" }), Anthropic.NotFoundError);
});
