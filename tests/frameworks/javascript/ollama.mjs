// The client of Ollama: chat. Its requests have no timeout of their own.

import { Ollama } from "ollama";

import { CITY_SCHEMA, DESCRIPTION, PARAMETERS, PROMPT, weather } from "./calls.mjs";

const client = (call) => new Ollama({ host: call.url });

const tools = [{ type: "function", function: { name: "weather", description: DESCRIPTION, parameters: PARAMETERS } }];

const request = (call, messages) => ({
  model: call.model,
  messages,
  ...(call.tools && { tools }),
  ...(call.thinks && { think: true }),
});

async function* stream(call) {
  const messages = [{ role: "user", content: PROMPT }];
  do {
    const message = { role: "assistant", content: "", thinking: "", tool_calls: [] };
    const lines = await client(call).chat({ ...request(call, messages), stream: true });
    try {
      for await (const line of lines) {
        note(call, line);
        message.content += line.message.content;
        message.thinking += line.message.thinking ?? "";
        message.tool_calls.push(...(line.message.tool_calls ?? []));
        if (line.message.content) yield line.message.content;
      }
    } finally {
      lines.abort(); // leaving the loop does not close the connection
    }
    turn(messages, message);
  } while (messages.at(-1).role === "tool");
}

async function whole(call) {
  const messages = [{ role: "user", content: PROMPT }];
  let response;
  do {
    response = await client(call).chat(request(call, messages));
    note(call, response);
    turn(messages, response.message);
  } while (messages.at(-1).role === "tool");
  return response.message.content;
}

function note(call, line) {
  if (line.message.thinking) call.think(line.message.thinking);
  if (line.done) call.count(line.prompt_eval_count, line.eval_count);
}

function turn(messages, message) {
  messages.push(message);
  for (const { function: each } of message.tool_calls ?? []) {
    messages.push({ role: "tool", tool_name: each.name, content: weather(each.arguments) });
  }
}

async function structured(call) {
  const messages = [{ role: "user", content: PROMPT }];
  const response = await client(call).chat({ ...request(call, messages), format: CITY_SCHEMA });
  return JSON.parse(response.message.content);
}

export default { "ollama chat": { stream, whole, structured } };
