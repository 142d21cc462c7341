// The client of OpenAI: chat completions and responses.

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";

import { CITY, DESCRIPTION, PARAMETERS, PROMPT, weather } from "./calls.mjs";

const client = (call) => new OpenAI({ apiKey: "none", baseURL: call.url, timeout: call.seconds * 1000 });

const chatTools = [{ type: "function", function: { name: "weather", description: DESCRIPTION, parameters: PARAMETERS } }];
const tools = [{ type: "function", name: "weather", description: DESCRIPTION, parameters: PARAMETERS, strict: true }];

const chatRequest = (call, messages) => ({
  model: call.model,
  messages,
  ...(call.tools && { tools: chatTools }),
  ...(call.thinks && { reasoning_effort: "low" }),
});

async function* chatStream(call) {
  const messages = [{ role: "user", content: PROMPT }];
  while (messages.at(-1).role !== "assistant") {
    const stream = client(call).chat.completions.stream({
      ...chatRequest(call, messages),
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      const delta = chunk.choices[0]?.delta;
      if (delta?.reasoning_content) call.think(delta.reasoning_content);
      if (delta?.content) yield delta.content;
    }
    messages.push(...chatTurn(call, await stream.finalChatCompletion()));
  }
}

async function chatWhole(call) {
  const messages = [{ role: "user", content: PROMPT }];
  while (messages.at(-1).role !== "assistant") {
    const completion = await client(call).chat.completions.create(chatRequest(call, messages));
    call.think(completion.choices[0].message.reasoning_content ?? "");
    messages.push(...chatTurn(call, completion));
  }
  return messages.at(-1).content;
}

function chatTurn(call, completion) {
  const { message } = completion.choices[0];
  call.count(completion.usage?.prompt_tokens, completion.usage?.completion_tokens);
  const results = (message.tool_calls ?? []).map((each) => ({
    role: "tool",
    tool_call_id: each.id,
    content: weather(JSON.parse(each.function.arguments)),
  }));
  return [message, ...results];
}

async function chatStructured(call) {
  const completion = await client(call).chat.completions.parse({
    ...chatRequest(call, [{ role: "user", content: PROMPT }]),
    response_format: zodResponseFormat(CITY, "city"),
  });
  return completion.choices[0].message.parsed;
}

const request = (call, input) => ({
  model: call.model,
  input,
  ...(call.tools && { tools }),
  ...(call.thinks && {
    reasoning: { effort: "low", summary: "auto" },
    include: ["reasoning.encrypted_content"],
    store: false,
  }),
});

async function* responsesStream(call) {
  const input = [{ role: "user", content: PROMPT }];
  do {
    const stream = client(call).responses.stream(request(call, input));
    for await (const event of stream) {
      if (event.type === "response.reasoning_summary_text.delta") call.think(event.delta);
      if (event.type === "response.output_text.delta") yield event.delta;
    }
    turn(call, input, await stream.finalResponse());
  } while (input.at(-1).type === "function_call_output");
}

async function responsesWhole(call) {
  const input = [{ role: "user", content: PROMPT }];
  let response;
  do {
    response = await client(call).responses.create(request(call, input));
    for (const item of response.output) {
      for (const part of item.type === "reasoning" ? item.summary : []) call.think(part.text);
    }
    turn(call, input, response);
  } while (input.at(-1).type === "function_call_output");
  return response.output_text;
}

function turn(call, input, response) {
  call.count(response.usage?.input_tokens, response.usage?.output_tokens);
  // The helper adds the parsed arguments, which the API does not take.
  input.push(...response.output.map(({ parsed_arguments, ...item }) => item));
  for (const item of response.output.filter((each) => each.type === "function_call")) {
    const output = weather(JSON.parse(item.arguments));
    input.push({ type: "function_call_output", call_id: item.call_id, output });
  }
}

async function responsesStructured(call) {
  const response = await client(call).responses.parse({
    ...request(call, [{ role: "user", content: PROMPT }]),
    text: { format: zodTextFormat(CITY, "city") },
  });
  return response.output_parsed;
}

export default {
  "openai chat.completions": { stream: chatStream, whole: chatWhole, structured: chatStructured },
  "openai responses": { stream: responsesStream, whole: responsesWhole, structured: responsesStructured },
};
