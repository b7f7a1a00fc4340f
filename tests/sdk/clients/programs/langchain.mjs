// LangChain for JavaScript against one model: node langchain.mjs CLIENT MODEL EMBEDDINGS.
import assert from "node:assert/strict";

import { ChatAnthropic } from "@langchain/anthropic";
import { AIMessageChunk, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { createAgent, tool } from "langchain";
import { z } from "zod";

import { PNG, report, weather } from "./reporting.mjs";

const { URL_OF_NODE: baseURL, TOKEN: apiKey } = process.env;
const [kind, name, embeddings] = process.argv.slice(2);

function client(model) {
  if (kind === "ChatAnthropic")
    return new ChatAnthropic({
      model,
      apiKey,
      anthropicApiUrl: baseURL.replace(/\/v1$/, ""),
      maxRetries: 0,
    });
  const useResponsesApi = kind.includes("Responses");
  return new ChatOpenAI({
    model,
    apiKey,
    configuration: { baseURL },
    maxRetries: 0,
    useResponsesApi,
  });
}

const chat = client(name);
const plain = client(`plain-${name}`);
const Person = z.object({ name: z.string(), age: z.number() });
const ada = { name: "Ada", age: 36 };
const getWeather = tool(weather, {
  name: "get_weather",
  description: "Says what the weather is.",
  schema: z.object({ city: z.string() }),
});

async function streamed(model, said) {
  const chunks = [];
  for await (const chunk of await model.stream(said)) chunks.push(chunk);
  const whole = chunks.reduce((sum, chunk) => sum.concat(chunk));
  return { whole, parts: chunks.filter((chunk) => chunk.text).length };
}

async function generate() {
  assert.equal((await chat.invoke("hello there")).text, "You said: hello there");
  const told = await chat.invoke([new SystemMessage("Be kind."), new HumanMessage("who are you")]);
  assert.equal(told.text, "I was told: Be kind.");
}

async function stream() {
  const { whole, parts } = await streamed(chat, "something long");
  assert.ok(whole instanceof AIMessageChunk);
  assert.equal(whole.text, "word ".repeat(400));
  assert.ok(parts > 100);
}

async function usage() {
  const whole = await plain.invoke("hello");
  const { whole: live } = await streamed(plain, "hello");
  // Of a stream of Messages it takes the prompt's count from the first event alone, where a node
  // that converts cannot know it yet, and adds up both counts of the answer.
  for (const message of kind === "ChatAnthropic" ? [whole] : [whole, live]) {
    const { input_tokens, output_tokens, input_token_details } = message.usage_metadata;
    // what Anthropic cached is counted apart in some of its versions
    const apart = input_tokens === 14 ? input_token_details.cache_read : 0;
    assert.deepEqual([input_tokens + apart, output_tokens], [17, 5]);
  }
}

async function tools() {
  const bound = chat.bindTools([getWeather]);
  const said = [new HumanMessage("the weather here and there")];
  const turn = async (invoke) => {
    const message = await invoke();
    said.push(message);
    for (const call of message.tool_calls)
      said.push(new ToolMessage({ content: weather(call.args), tool_call_id: call.id }));
    return message;
  };
  const whole = () => bound.invoke(said);
  const live = async () => (await streamed(bound, said)).whole;
  assert.equal((await turn(whole)).tool_calls.length, 2);
  assert.equal((await turn(live)).text, "They say: rain in Oslo and sun in Rome.");
  said.push(new HumanMessage("the weather, politely"));
  assert.equal((await turn(live)).tool_calls.length, 1);
  assert.equal((await turn(whole)).text, "They say: rain in Oslo.");
  said.push(new HumanMessage("hello again"));
  assert.equal((await turn(whole)).text, "You said: hello again");
}

async function agents() {
  const agent = createAgent({ model: chat, tools: [getWeather] });
  const { messages } = await agent.invoke({
    messages: [new HumanMessage("the weather here and there")],
  });
  assert.equal(messages.at(-1).text, "They say: rain in Oslo and sun in Rome.");
}

async function objects() {
  const schema = chat.withStructuredOutput(Person, { method: "jsonSchema" });
  assert.deepEqual(await schema.invoke("Ada, as data"), ada);
  const called = chat.withStructuredOutput(Person, { method: "functionCalling" });
  assert.deepEqual(await called.invoke("Ada, as a call"), ada);
}

async function thoughts() {
  const said = [new HumanMessage("think hard")];
  const { whole } = await streamed(chat, said);
  assert.equal(whole.text, "It is 42.");
  said.push(whole, new HumanMessage("hello again"));
  assert.equal((await chat.invoke(said)).text, "You said: hello again");
}

async function pictures() {
  const url = `data:image/png;base64,${PNG}`;
  const content = [
    { type: "text", text: "what do you see" },
    { type: "image_url", image_url: { url } },
  ];
  const asked = [new HumanMessage({ content })];
  assert.equal((await plain.invoke(asked)).text, "I see 1 picture(s).");
  assert.equal((await streamed(plain, asked)).whole.text.trim(), "I see 1 picture(s).");
}

async function errors() {
  const refused = (status, words) => (error) => error.status === status && words.test(error.message);
  await assert.rejects(chat.invoke("something wrong"), refused(400, /That is no request/));
  await assert.rejects(chat.invoke("too many"), refused(429, /Slow down/));
  await assert.rejects(streamed(chat, "something wrong"), refused(400, /That is no request/));
}

async function embed() {
  const embedder = new OpenAIEmbeddings({ model: name, apiKey, configuration: { baseURL } });
  const one = await embedder.embedQuery("here");
  const many = await embedder.embedDocuments(["here", "there"]);
  assert.deepEqual(many[0], one);
  assert.notDeepEqual(many[0], many[1]);
}

await report(["langchain", "@langchain/core", "@langchain/openai", "@langchain/anthropic"], {
  generate,
  stream,
  usage,
  "tools over three turns": tools,
  agents,
  objects,
  "goes on after thoughts": thoughts,
  pictures,
  errors,
  ...(embeddings === "embeddings" ? { embeddings: embed } : {}),
});
