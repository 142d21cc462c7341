// The client of Google: models.

import { GoogleGenAI } from "@google/genai";

import { CITY_SCHEMA, DESCRIPTION, PARAMETERS, PROMPT, weather } from "./calls.mjs";

const client = (call) =>
  new GoogleGenAI({ apiKey: "none", httpOptions: { baseUrl: call.url, timeout: call.seconds * 1000 } });

const tools = [
  { functionDeclarations: [{ name: "weather", description: DESCRIPTION, parametersJsonSchema: PARAMETERS }] },
];

const request = (call, contents) => ({
  model: call.model,
  contents,
  config: { ...(call.tools && { tools }), ...(call.thinks && { thinkingConfig: { includeThoughts: true } }) },
});

function* texts(call, chunk, parts) {
  const usage = chunk.usageMetadata;
  if (usage) call.count(usage.promptTokenCount, usage.candidatesTokenCount);
  for (const part of chunk.candidates?.[0]?.content?.parts ?? []) {
    parts.push(part);
    if (part.text && part.thought) call.think(part.text);
    else if (part.text) yield part.text;
  }
}

async function* stream(call) {
  const contents = [{ role: "user", parts: [{ text: PROMPT }] }];
  const controller = new AbortController(); // leaving the loop does not close the connection
  try {
    do {
      const parts = [];
      const options = request(call, contents);
      options.config.abortSignal = controller.signal;
      for await (const chunk of await client(call).models.generateContentStream(options)) {
        yield* texts(call, chunk, parts);
      }
      turn(contents, parts);
    } while (contents.at(-1).role === "user");
  } finally {
    controller.abort();
  }
}

async function whole(call) {
  const contents = [{ role: "user", parts: [{ text: PROMPT }] }];
  let text;
  do {
    const parts = [];
    text = [...texts(call, await client(call).models.generateContent(request(call, contents)), parts)].join("");
    turn(contents, parts);
  } while (contents.at(-1).role === "user");
  return text;
}

function turn(contents, parts) {
  contents.push({ role: "model", parts });
  const results = parts
    .filter((part) => part.functionCall)
    .map(({ functionCall: { id, name, args } }) => ({
      functionResponse: { id, name, response: { output: weather(args) } },
    }));
  if (results.length) contents.push({ role: "user", parts: results });
}

async function structured(call) {
  const response = await client(call).models.generateContent({
    model: call.model,
    contents: PROMPT,
    config: { responseMimeType: "application/json", responseJsonSchema: CITY_SCHEMA },
  });
  return JSON.parse(response.text);
}

export default { "@google/genai models": { stream, whole, structured } };
