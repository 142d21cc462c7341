// A process that calls the clients: it reads calls as JSON lines on stdin, and writes their output as JSON lines.

import { createInterface } from "node:readline";

import ai from "./ai.mjs";
import anthropic from "./anthropic.mjs";
import google from "./google.mjs";
import ollama from "./ollama.mjs";
import openai from "./openai.mjs";

const drivers = { ...openai, ...anthropic, ...google, ...ollama, ...ai };

globalThis.AI_SDK_LOG_WARNINGS = false;
console.log = console.error; // stdout has the output of the calls only

const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function run({ id, driver, form, leaves, ...options }) {
  const call = {
    ...options,
    think: (thought) => write({ id, thought }),
    count: (prompt, output) => write({ id, usage: [prompt ?? null, output ?? null] }),
  };
  try {
    if (form === "stream") {
      for await (const text of drivers[driver].stream(call)) {
        write({ id, text });
        if (leaves) break;
      }
    } else {
      write({ id, [form]: await drivers[driver][form](call) });
    }
    write({ id, end: true });
  } catch (error) {
    const name = error?.name && error.name !== "Error" ? error.name : error?.constructor?.name;
    write({ id, error: { name: name ?? typeof error, message: String(error?.message ?? error) } });
  }
}

process.on("unhandledRejection", () => {}); // an error that a client also raises elsewhere
for await (const line of createInterface({ input: process.stdin })) run(JSON.parse(line));
