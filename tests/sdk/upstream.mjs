// A model server that is not ours: one pool of answers, spoken in the APIs of OpenAI and Anthropic alike.
// Prints its port, then serves until its input closes. Answers depend on the last words of the user.
import { LLMock } from "@copilotkit/aimock";

const mock = new LLMock({ port: 0, host: "127.0.0.1", chunkSize: 7, logLevel: "silent" });

const text = (content) =>
  typeof content === "string"
    ? content
    : (content ?? []).map((part) => part.text ?? "").join("");
const asked = (request) => text(request.messages.findLast((m) => m.role === "user")?.content);
const about = (word) => (request) => asked(request).includes(word);
const results = (request) => {
  const last = request.messages.findLastIndex((m) => m.role === "user" || m.role === "assistant");
  return request.messages.slice(last + 1).filter((m) => m.role === "tool");
};
const answered = (word) => (request) => about(word)(request) && results(request).length > 0;

const city = (name) => JSON.stringify({ city: name });

// Embeddings are left to the server, which makes them of the words.
function on(predicate, response) {
  const speaks = (request) => request.embeddingInput === undefined && predicate(request);
  mock.addFixture({ match: { predicate: speaks }, response });
}

// --- tools: first the calls, then, once the results are there, words made of the results

on(answered("weather"), (request) => ({
  content: `They say: ${results(request).map((m) => text(m.content)).join(" and ")}.`,
}));
on(about("weather here and there"), {
  toolCalls: [
    { id: "call_here", name: "get_weather", arguments: city("Oslo") },
    { id: "call_there", name: "get_weather", arguments: city("Rome") },
  ],
});
on(about("weather, politely"), {
  blocks: [
    { type: "text", text: "Let me look." },
    { type: "toolCall", id: "call_1", name: "get_weather", arguments: city("Oslo") },
  ],
});
on(about("weather"), {
  toolCalls: [{ id: "call_1", name: "get_weather", arguments: city("Oslo") }],
});

// --- the tools of command-line agents: first a call to read a file, then words made of its result

// An agent may say more after the question, as a user.
const everything = (request) =>
  request.messages.filter((m) => m.role === "user").map((m) => text(m.content)).join("\n");
const FILE = /what is in the file (\w+\.\w{3})/;
const reading = (request) => FILE.test(everything(request));
const told = (request) => request.messages.filter((m) => m.role === "tool");

// A tool of an MCP server has a name of several parts, of which this is the last. An agent with many
// tools shows the model one that searches and one that calls what was found.
const toolNames = (request) => (request.tools ?? []).map((tool) => tool.function?.name ?? tool.name);
const toOracle = (request) => /ask the oracle/.test(everything(request));
const called = (name, args) => ({
  toolCalls: [{ id: `call_${name}`, name, arguments: JSON.stringify(args) }],
});
on((request) => toOracle(request) && told(request).length === 0, (request) => {
  const names = toolNames(request);
  const name = names.find((name) => name?.endsWith("oracle"));
  if (name !== undefined) return called(name, {});
  if (names.includes("tool_search")) return called("tool_search", { query: "oracle" });
  return { content: `None of these is one: ${names.join(", ")}` };
});
on((request) => toOracle(request) && told(request).length === 1 && toolNames(request).includes("tool_call"), (request) => {
  const [id] = /[\w-]+__oracle/.exec(text(told(request)[0].content)) ?? [];
  if (id === undefined) return { content: `Nothing found: ${text(told(request)[0].content)}` };
  return called("tool_call", { id, args: {} });
});
on((request) => /ask the oracle/.test(everything(request)), (request) => ({
  content: `It says: ${told(request).map((m) => text(m.content)).join(" and ")}`,
}));
on((request) => reading(request) && told(request).length > 0, (request) => {
  const pictures = JSON.stringify(request.messages).split("iVBORw0KGgo").length - 1;
  const words = told(request).map((m) => text(m.content)).join(" and ");
  return { content: pictures > 0 ? `It shows ${pictures} picture(s).` : `It says: ${words}` };
});
on(reading, (request) => {
  const [, file] = FILE.exec(everything(request));
  const names = (request.tools ?? []).map((tool) => tool.function?.name ?? tool.name);
  const calls = {
    Read: { file_path: file },
    exec_command: { cmd: `cat ${file}` },
    shell_command: { command: `cat ${file}` },
    read: { path: file, filePath: file }, // the second is opencode's
  };
  const name = Object.keys(calls).find((name) => names.includes(name));
  if (name === undefined) return { content: `None of these reads files: ${names.join(", ")}` };
  return { toolCalls: [{ id: "call_file", name, arguments: JSON.stringify(calls[name]) }] };
});

// An agent without tools writes files by the form of its answers: here the name, and all of it.
on((request) => everything(request).includes("write a poem"), {
  content: "Here it is.\n\npoem.txt\n```\na heron stands\n```\n",
});

// --- the rest

on(about("think"), { reasoning: "Six sevens, so forty-two.", content: "It is 42." });
on(about("how many questions"), (request) => ({
  content: `You asked ${request.messages.filter((m) => m.role === "user").length}.`,
}));
on(about("as a call"), (request) => {
  const names = (request.tools ?? []).map((tool) => tool.function?.name ?? tool.name);
  const value = JSON.stringify({ name: "Ada", age: 36 });
  return { toolCalls: [{ id: "call_ada", name: names.at(-1), arguments: value }] };
});
on(about("as data"), { content: JSON.stringify({ name: "Ada", age: 36 }) });
on(about("see"), (request) => {
  const parts = request.messages.flatMap((m) => (Array.isArray(m.content) ? m.content : []));
  const images = parts.filter((part) => JSON.stringify(part).includes("iVBORw0KGgo"));
  return { content: `I see ${images.length} picture(s).` };
});
on(about("who are you"), (request) => {
  const system = request.messages.filter((m) => m.role === "system" || m.role === "developer");
  return { content: `I was told: ${system.map((m) => text(m.content)).join(" | ")}` };
});
on(about("long"), {
  content: "word ".repeat(400),
});
on(about("be cut short"), { content: "This is where it st", finishReason: "length" });
on(about("too many"), {
  error: { message: "Slow down.", type: "rate_limit_error" },
  status: 429,
  retryAfter: 0,
});
on(about("wrong"), {
  error: { message: "That is no request.", type: "invalid_request_error" },
  status: 400,
});
on(() => true, (request) => ({ content: `You said: ${asked(request)}` }));

await mock.start();
console.log(new URL(mock.url).port);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
