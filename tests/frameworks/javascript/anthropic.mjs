// The client of Anthropic: messages.

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";

import { BUDGET, CITY, DESCRIPTION, OUTPUT, PARAMETERS, PROMPT, weather } from "./calls.mjs";

const client = (call) => new Anthropic({ apiKey: "none", baseURL: call.url, timeout: call.seconds * 1000 });

const tools = [{ name: "weather", description: DESCRIPTION, input_schema: PARAMETERS }];

const request = (call, messages) => ({
  model: call.model,
  max_tokens: OUTPUT,
  messages,
  ...(call.tools && { tools }),
  ...(call.thinks && { thinking: { type: "enabled", budget_tokens: BUDGET } }),
});

async function* stream(call) {
  const messages = [{ role: "user", content: PROMPT }];
  do {
    const events = client(call).messages.stream(request(call, messages));
    for await (const event of events) {
      if (event.type !== "content_block_delta") continue;
      if (event.delta.type === "thinking_delta") call.think(event.delta.thinking);
      if (event.delta.type === "text_delta") yield event.delta.text;
    }
    turn(call, messages, await events.finalMessage());
  } while (messages.at(-1).role === "user");
}

async function whole(call) {
  const messages = [{ role: "user", content: PROMPT }];
  let message;
  do {
    message = await client(call).messages.create(request(call, messages));
    for (const block of message.content) if (block.type === "thinking") call.think(block.thinking);
    turn(call, messages, message);
  } while (messages.at(-1).role === "user");
  return message.content.filter((block) => block.type === "text").map((block) => block.text).join("");
}

function turn(call, messages, message) {
  call.count(message.usage.input_tokens, message.usage.output_tokens);
  messages.push({ role: "assistant", content: message.content });
  const calls = message.content.filter((block) => block.type === "tool_use");
  const results = calls.map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: weather(input) }));
  if (results.length) messages.push({ role: "user", content: results });
}

async function structured(call) {
  const message = await client(call).messages.parse({
    ...request(call, [{ role: "user", content: PROMPT }]),
    output_config: { format: zodOutputFormat(CITY) },
  });
  return message.parsed_output;
}

export default { "@anthropic-ai/sdk messages": { stream, whole, structured } };
