function showTip(lines, x, y) {
  tip.replaceChildren(element("b", {}, lines[0]), ...lines.slice(1).flatMap((line) => ["\n", line]));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 8))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 18}px`;
}

// The list of tests

const streams = [];
const tests = data.tests.map((test) => {
  const inside = test.streams.map((facts) => new Stream(test, facts));
  streams.push(...inside);
  const good = test.outcome === "passed", bad = ["failed", "crashed"].includes(test.outcome);
  const card = element("section", { className: `test ${bad ? "failed" : ""}` },
    element("h2", {}, element("span", { className: `badge ${good ? "good" : bad ? "bad" : ""}` }, test.outcome),
      element("span", {}, visible(test.run ? `${test.run}: ${test.test}` : test.test)),
      element("span", { className: "time" }, duration(test.seconds * 1e6))));
  if (test.message) card.append(element("div", { className: "message" }, lines(test.message)));
  card.append(...inside.map((stream) => stream.card));
  if (test.requests) card.append(element("details", { className: "requests" }, element("summary", {}, "requests to provider servers"),
    element("div", { className: "message" }, lines(test.requests.join("\n")))));
  if (test.left_out) card.append(element("p", { className: "facts" }, `${plural(test.left_out, "more stream")} not kept`));
  list.append(card);
  return { card, inside, outcome: test.outcome };
});

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.stream.near = entry.isIntersecting;
    if (entry.isIntersecting) entry.target.stream.draw();
  }
}, { rootMargin: "300px" });
streams.forEach((stream) => seen.observe(stream.card));
const redraw = () => streams.forEach((stream) => { if (stream.near) stream.draw(); });
addEventListener("resize", redraw);

// The filter

const words = document.getElementById("words"), shown = document.getElementById("shown");
const chosen = { tests: new Set(), streams: new Set() };
function filter() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const test of tests) {
    let any = false;
    for (const stream of test.inside) {
      const fits = chosen.tests.has(test.outcome) && chosen.streams.has(stream.facts.outcome) && wanted.every((word) => stream.words.includes(word));
      stream.card.hidden = !fits;
      if (fits) { any = true; count++; }
    }
    test.card.hidden = !any && (test.inside.length > 0 || wanted.length > 0 || !chosen.tests.has(test.outcome));
  }
  shown.textContent = `${number(count)} of ${plural(streams.length, "stream")}`;
  tip.hidden = true;
}
function choices(id, outcomes, titles) {
  const counts = new Map();
  outcomes.forEach((outcome) => counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
  for (const [outcome, count] of counts) {
    chosen[id].add(outcome);
    const button = element("button", { type: "button", title: titles[outcome] ?? "" }, `${outcome} ${number(count)}`);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const on = !chosen[id].delete(outcome);
      if (on) chosen[id].add(outcome);
      button.setAttribute("aria-pressed", String(on));
      filter();
    });
    document.getElementById(id).append(button);
  }
}
choices("tests", data.tests.map((test) => test.outcome), {});
choices("streams", streams.map((stream) => stream.facts.outcome), data.outcomes);
words.addEventListener("input", filter);
document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
function changeAxis(to) {
  axis = to;
  document.querySelectorAll("#axis button").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.axis === axis)));
  redraw();
}
document.querySelectorAll("#axis button").forEach((button) => button.addEventListener("click", () => changeAxis(button.dataset.axis)));

// Mouse and keyboard

list.addEventListener("mousemove", (event) => {
  const stream = event.target.closest(".picture")?.closest(".stream").stream;
  if (stream) stream.point(event.clientX, event.clientY); else tip.hidden = true;
});
list.addEventListener("mouseout", (event) => event.target.closest(".stream")?.stream.leave());
list.addEventListener("focusout", (event) => event.target.closest(".stream")?.stream.leave());
function neighbour(stream, by) {
  for (let at = streams.indexOf(stream) + by; at >= 0 && at < streams.length; at += by) {
    if (!streams[at].card.hidden) { streams[at].card.focus(); return; }
  }
}
const KEYS = {
  ArrowRight: (stream, event) => stream.step(1, event.shiftKey),
  ArrowLeft: (stream, event) => stream.step(-1, event.shiftKey),
  Home: (stream) => stream.step(-Infinity),
  End: (stream) => stream.step(Infinity),
  ArrowDown: (stream) => neighbour(stream, 1),
  ArrowUp: (stream) => neighbour(stream, -1),
  Enter: (stream) => { stream.text.open = !stream.text.open; },
  Escape: (stream) => stream.leave(),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === words) {
    if (event.key === "Escape") { words.value = ""; filter(); words.blur(); }
    return;
  }
  if (event.key === "/") { words.focus(); event.preventDefault(); }
  else if (event.key === "a") changeAxis(axis === "time" ? "order" : "time");
  else if (event.target.stream && KEYS[event.key]) { KEYS[event.key](event.target.stream, event); event.preventDefault(); }
});
filter();
