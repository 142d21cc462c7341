// The calls of all clients: their prompt, their tool, and the output that they note.

import { z } from "zod";

export const PROMPT = "What is the weather in Ödenburg?";
export const BUDGET = 1024; // tokens of thinking
export const OUTPUT = 4096; // tokens of an output at most

export const CITY = z.object({ name: z.string(), population: z.number() });
export const CITY_SCHEMA = {
  type: "object",
  properties: { name: { type: "string" }, population: { type: "number" } },
  required: ["name", "population"],
  additionalProperties: false,
};

export const DESCRIPTION = "Return the weather in a city.";
export const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

export function weather() {
  return "18 °C";
}
