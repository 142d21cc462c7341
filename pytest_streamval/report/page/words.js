"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const list = document.getElementById("list"), tip = document.getElementById("tip");
const LEFT = 150, RIGHT = 24, ROW = { tokens: 26, chunks: 20, lane: 16, received: 16, axis: 18 }, LANES = 12;
const SHOWN = 300; // characters of a text in the tip
const SVG = "http://www.w3.org/2000/svg";
let axis = "time";

// Words

const UNSEEN = /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]/gu;
const NAMED = { "\n": "⏎", "\t": "⇥", "\r": "␍" };
/** Replace invisible characters, and those that change the direction of the text after them. */
const escaped = (text) => text.replace(UNSEEN, (c) => NAMED[c] ?? "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));
const visible = (text) => escaped(text.length > SHOWN ? text.slice(0, SHOWN) + "…" : text);
/** The same for a text of several lines, unshortened. */
const lines = (text) => text.split("\n").map(escaped).join("\n");
const number = (n) => n.toLocaleString("en");
const plural = (n, noun) => `${number(n)} ${noun}${n === 1 ? "" : "s"}`;
/** Microseconds with a unit that suits them. */
function duration(us) {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${digits(us / 1e3)} ms`;
  if (us < 120e6) return `${digits(us / 1e6)} s`;
  if (us < 7200e6) return `${digits(us / 60e6)} min`;
  return `${digits(us / 3600e6)} h`;
}
const digits = (n) => String(Number(n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0)));

// Offsets count characters as in Python, but strings are UTF-16 here

const PAIR = /[\ud800-\udbff][\udc00-\udfff]/;
const size = (text) => (PAIR.test(text) ? Array.from(text).length : text.length);
const part = (text, from, to) => (PAIR.test(text) ? Array.from(text).slice(from, to).join("") : text.slice(from, to));

// Elements

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
function shape(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}
