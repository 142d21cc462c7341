// The AI SDK: streamText and generateText with the models of its providers.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { BUDGET, CITY, DESCRIPTION, PROMPT, weather } from "./calls.mjs";

const tools = {
  weather: tool({ description: DESCRIPTION, inputSchema: z.object({ city: z.string() }), execute: () => weather() }),
};

const models = {
  "ai openai.chat": (call) => createOpenAI({ apiKey: "none", baseURL: call.url }).chat(call.model),
  "ai openai.responses": (call) => createOpenAI({ apiKey: "none", baseURL: call.url }).responses(call.model),
  "ai anthropic": (call) => createAnthropic({ apiKey: "none", baseURL: `${call.url}/v1` })(call.model),
  "ai google": (call) => createGoogleGenerativeAI({ apiKey: "none", baseURL: `${call.url}/v1beta` })(call.model),
};

const thinking = {
  openai: { reasoningEffort: "low", reasoningSummary: "auto", store: false, include: ["reasoning.encrypted_content"] },
  anthropic: { thinking: { type: "enabled", budgetTokens: BUDGET } },
  google: { thinkingConfig: { includeThoughts: true } },
};

const request = (call, model) => ({
  model: model(call),
  prompt: PROMPT,
  timeout: call.seconds * 1000,
  stopWhen: stepCountIs(3),
  ...(call.tools && { tools }),
  ...(call.thinks && { providerOptions: thinking }),
});

const driver = (model) => ({
  async *stream(call) {
    const controller = new AbortController(); // leaving the loop does not close the connection
    const options = { ...request(call, model), abortSignal: controller.signal, onError: () => {} };
    try {
      // `textStream` ends without an error. `fullStream` has the errors as parts.
      for await (const part of streamText(options).fullStream) {
        if (part.type === "error") throw part.error;
        if (part.type === "abort") throw new DOMException("The stream was aborted.", "AbortError");
        if (part.type === "reasoning-delta") call.think(part.text);
        if (part.type === "finish") call.count(part.totalUsage.inputTokens, part.totalUsage.outputTokens);
        if (part.type === "text-delta") yield part.text;
      }
    } finally {
      controller.abort();
    }
  },
  async whole(call) {
    const result = await generateText(request(call, model));
    for (const step of result.steps) call.think(step.reasoningText ?? "");
    call.count(result.totalUsage.inputTokens, result.totalUsage.outputTokens);
    return result.text;
  },
  async structured(call) {
    return (await generateText({ ...request(call, model), output: Output.object({ schema: CITY }) })).output;
  },
});

export default Object.fromEntries(Object.entries(models).map(([name, model]) => [name, driver(model)]));
