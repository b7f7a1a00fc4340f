// Vercel's AI SDK, versions 5 to 7, against one model: node ai_sdk.mjs PROVIDER MODEL EMBEDDINGS.
import assert from "node:assert/strict";

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import * as ai from "ai";
import { z } from "zod";

import { PNG, report, weather } from "./reporting.mjs";

const { URL_OF_NODE: baseURL, TOKEN: apiKey } = process.env;
const [kind, name, embeddings] = process.argv.slice(2);
globalThis.AI_SDK_LOG_WARNINGS = false;

const openai = createOpenAI({ baseURL, apiKey });
const anthropic = createAnthropic({ baseURL, apiKey });
const compatible = createOpenAICompatible({
  name: "clawmatrix",
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const PROVIDERS = {
  openai: (model) => openai(model),
  "openai.chat": (model) => openai.chat(model),
  "openai-compatible": (model) => compatible(model),
  anthropic: (model) => anthropic(model),
};
const model = PROVIDERS[kind](name);
const asked = { model, maxRetries: 0 };

const schema = z.object({ name: z.string(), age: z.number() });
const ada = { name: "Ada", age: 36 };
const tools = {
  get_weather: ai.tool({
    description: "Says what the weather is.",
    inputSchema: z.object({ city: z.string() }),
    execute: weather,
  }),
};
const stopWhen = (ai.stepCountIs ?? ai.isStepCount)(5);
const user = (content) => ({ role: "user", content });

async function streamed(more) {
  const errors = [];
  const result = ai.streamText({ ...asked, ...more, onError: ({ error }) => errors.push(error) });
  const parts = [];
  for await (const part of result.textStream) parts.push(part);
  if (errors.length > 0) throw errors[0];
  return { result, parts, text: parts.join("") };
}

async function generate() {
  const result = await ai.generateText({ ...asked, prompt: "hello there" });
  assert.equal(result.text, "You said: hello there");
  assert.equal(result.finishReason, "stop");
  const told = await ai.generateText({
    ...asked,
    [ai.isStepCount ? "instructions" : "system"]: "Be kind.",
    prompt: "who are you",
  });
  assert.equal(told.text, "I was told: Be kind.");
}

async function stream() {
  const { result, parts, text } = await streamed({ prompt: "something long" });
  assert.equal(text, "word ".repeat(400));
  assert.ok(parts.length > 100);
  assert.equal(await result.finishReason, "stop");
}

// The two SDK servers differ: this one counts, sees pictures, and takes no field that is unknown.
const plain = { model: PROVIDERS[kind](`plain-${name}`) };

async function usage() {
  const whole = await ai.generateText({ ...asked, ...plain, prompt: "hello there" });
  const live = await streamed({ ...plain, prompt: "hello there" });
  for (const usage of [whole.usage, await live.result.usage]) {
    // version 5 counts what Anthropic cached apart
    const apart = usage.inputTokens === 14 ? usage.cachedInputTokens : 0;
    assert.equal(usage.inputTokens + apart, 17);
    assert.equal(usage.outputTokens, 5);
  }
}

async function runTools() {
  const messages = [user("the weather here and there")];
  const first = await ai.generateText({ ...asked, tools, stopWhen, messages });
  assert.equal(first.text, "They say: rain in Oslo and sun in Rome.");
  assert.equal(first.steps.length, 2);
  assert.equal(first.steps[0].finishReason, "tool-calls");
  messages.push(...(await said(first)), user("the weather, politely"));
  const second = await streamed({ tools, stopWhen, messages });
  assert.ok(second.text.endsWith("They say: rain in Oslo."), second.text);
  assert.equal((await second.result.steps).length, 2);
  messages.push(...(await said(second.result)), user("hello again"));
  const third = await ai.generateText({ ...asked, tools, stopWhen, messages });
  assert.equal(third.text, "You said: hello again");
}

// What a turn adds to the conversation, of all of its steps.
async function said(result) {
  return (await result.responseMessages) ?? (await result.response).messages;
}

async function objects() {
  const output = ai.Output.object({ schema });
  const wanted = { output, experimental_output: output }; // the second is version 5's name
  const whole = await ai.generateText({ ...asked, ...wanted, prompt: "Ada, as data" });
  assert.deepEqual(whole.output ?? whole.experimental_output, ada);
  if (ai.generateObject !== undefined) {
    const { object } = await ai.generateObject({ ...asked, schema, prompt: "Ada, as data" });
    assert.deepEqual(object, ada);
  }
  if (ai.streamObject !== undefined) {
    const result = ai.streamObject({ ...asked, schema, prompt: "Ada, as data" });
    for await (const _ of result.partialObjectStream);
    assert.deepEqual(await result.object, ada);
  }
}

async function thoughts() {
  const messages = [user("think hard")];
  const first = await streamed({ messages });
  assert.equal(first.text, "It is 42.");
  // OpenAI's chat completions have no field for thoughts; its Responses show summaries of them,
  // which no other API has.
  const hidden = kind === "openai.chat" || (kind === "openai" && name !== "responses");
  const seen = hidden ? "" : "Six sevens, so forty-two.";
  assert.equal((await first.result.reasoningText) ?? "", seen);
  messages.push(...(await said(first.result)), user("hello again"));
  const second = await ai.generateText({ ...asked, messages });
  assert.equal(second.text, "You said: hello again");
}

async function pictures() {
  const content = [
    { type: "text", text: "what do you see" },
    { type: "image", image: Buffer.from(PNG, "base64") },
  ];
  const messages = [user(content)];
  const whole = await ai.generateText({ ...asked, ...plain, messages });
  assert.equal(whole.text, "I see 1 picture(s).");
  assert.equal((await streamed({ ...plain, messages })).text.trim(), "I see 1 picture(s).");
}

async function cut() {
  const short = { ...plain, prompt: "be cut short", maxOutputTokens: 20 };
  const whole = await ai.generateText({ ...asked, ...short });
  assert.equal(whole.finishReason, "length");
  const { result } = await streamed(short);
  assert.equal(await result.finishReason, "length");
}

async function errors() {
  const call = (prompt) => ai.generateText({ ...asked, prompt });
  const refused = (statusCode, words) => (error) =>
    ai.APICallError.isInstance(error) && error.statusCode === statusCode && words.test(error.message);
  await assert.rejects(call("something wrong"), refused(400, /That is no request/));
  await assert.rejects(call("too many"), refused(429, /Slow down/));
  await assert.rejects(streamed({ prompt: "something wrong" }), refused(400, /That is no request/));
}

async function embed() {
  const embedder = {
    openai: () => (openai.embeddingModel ?? openai.textEmbeddingModel)(name),
    "openai-compatible": () => (compatible.embeddingModel ?? compatible.textEmbeddingModel)(name),
  }[kind];
  const model = embedder();
  const one = await ai.embed({ model, value: "here", maxRetries: 0 });
  const many = await ai.embedMany({ model, values: ["here", "there"], maxRetries: 0 });
  assert.equal(many.embeddings.length, 2);
  assert.deepEqual(many.embeddings[0], one.embedding);
  assert.notDeepEqual(many.embeddings[0], many.embeddings[1]);
}

const packages = ["ai", "@ai-sdk/openai", "@ai-sdk/openai-compatible", "@ai-sdk/anthropic"];
await report(packages, {
  generate,
  stream,
  usage,
  "tools over three turns": runTools,
  objects,
  "goes on after thoughts": thoughts,
  pictures,
  "cut answers": cut,
  errors,
  ...(embeddings === "embeddings" ? { embeddings: embed } : {}),
});
