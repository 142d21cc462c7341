// A stream

class Stream {
  constructor(test, facts) {
    this.test = test;
    this.facts = facts;
    this.cursor = -1;
    this.drawn = "";
    this.words = `${test.test}\n${test.run}\n${facts.asked}`.toLowerCase();
    this.ended = facts.outcome === "complete" || facts.outcome === "invalid";
    this.lanes = facts.lanes.slice(0, LANES);
    this.reads = facts.reads || [];
    this.rows = { // a page or a response without a run has no chunks
      chunks: facts.subject ? 0 : ROW.chunks, received: facts.subject ? 0 : ROW.received, browser: this.reads.length ? ROW.received : 0,
    };
    this.height = ROW.tokens + this.rows.chunks + this.lanes.length * ROW.lane + this.rows.received + this.rows.browser + ROW.axis;
    this.build();
  }

  build() {
    const { facts } = this;
    const bad = facts.outcome !== "complete";
    const chunks = facts.subject ? [] : [plural(facts.chunks.length, "chunk")], reads = this.reads.length ? [plural(this.reads.length, "read")] : [];
    const amount = [plural(facts.tokens, "token"), ...chunks, ...reads, duration(facts.span)].join(", ");
    this.picture = element("div", { className: "picture" });
    this.picture.style.minHeight = `${this.height}px`;
    this.text = element("details", {}, element("summary", { tabIndex: -1 }, "text"));
    this.text.addEventListener("toggle", () => this.fill(), { once: true });
    this.card = element("article", { className: "stream", tabIndex: 0 },
      element("div", { className: "about" },
        element("span", { className: `badge ${bad ? "bad" : "good"}` }, facts.outcome),
        ...(facts.subject ? [element("span", { className: "facts" }, facts.subject)] : []),
        element("q", {}, visible(facts.asked)), element("span", { className: "facts" }, amount)));
    this.card.setAttribute("aria-label", `${facts.outcome}: ${visible(facts.asked)}; ${amount}. ${visible(facts.why)}`);
    if (facts.why) this.card.append(element("div", { className: "why" }, visible(facts.why)));
    for (const deviation of facts.deviations || []) {
      this.card.append(element("div", { className: "facts" }, visible(`odd: ${deviation}`)));
    }
    if (facts.stop) {
      const unread = facts.stop[3] ? `${plural(facts.stop[3], "delta")} more sent by then and never read` : "no further delta sent";
      this.card.append(element("div", { className: "stopped" }, `stopped at ${duration(facts.stop[0])}, after token ${number(facts.stop[1])}; ${unread}`));
    }
    this.card.append(this.picture, this.text);
    this.card.stream = this;
  }

  /** The offsets of the tokens in the text, computed at the first use. */
  get starts() {
    if (!this._starts) {
      const { texts } = this.facts, starts = new Uint32Array(texts.length + 1);
      for (let i = 0; i < texts.length; i++) starts[i + 1] = starts[i] + size(texts[i]);
      this._starts = starts;
    }
    return this._starts;
  }

  /** The offset of the text that was read but not released. Infinity after a natural end. */
  get held() {
    if (this._held === undefined) {
      this._held = Infinity;
      if (!this.ended && this.facts.released < this.starts[this.facts.texts.length]) {
        const first = part(this.facts.texts.join(""), this.facts.released).search(/\S/);
        if (first >= 0) this._held = this.facts.released + first;
      }
    }
    return this._held;
  }

  /** The token that holds the character at an offset. */
  tokenAt(offset) {
    const { starts } = this;
    let low = 0, high = Math.max(0, this.facts.texts.length - 1);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle + 1] > offset) high = middle; else low = middle + 1;
    }
    return low;
  }

  fill() {
    const all = this.facts.texts.join(""), held = this.ended ? "" : part(all, this.facts.released);
    const pre = element("pre", {}, lines(held ? part(all, 0, this.facts.released) : all));
    if (held) pre.append(element("span", { className: "held", title: "not released" }, lines(held)));
    const missing = this.facts.characters - size(all);
    if (missing > 0) pre.append(element("em", {}, `\n${plural(missing, "more character")} not kept`));
    if (!all) pre.textContent = "(no text)";
    this.text.append(pre);
  }

  // Places

  get extent() { return axis === "time" ? Math.max(1, this.facts.span) : Math.max(1, this.facts.tokens); }
  x(value) { return LEFT + (Math.min(value, this.extent) / this.extent) * this.width; }
  /** The place of a moment on the axis of time, or of a number of tokens on the other axis. */
  moment(at, after) { return this.x(axis === "time" ? at : after); }
  tokenX(index) { return this.x(axis === "time" ? this.facts.times[index] ?? this.facts.span : index + 0.5); }
  /** The place of a piece of text: from its first token to the moment of its release or verdict. */
  piece(start, end, at) {
    const first = this.tokenAt(start);
    if (axis === "time") return [this.x(this.facts.times[first] ?? at), this.x(at)];
    return [this.x(first), this.x(this.tokenAt(Math.max(start, end - 1)) + 1)];
  }

  draw() {
    const wide = this.picture.clientWidth;
    if (!wide || this.drawn === `${wide} ${axis}`) return;
    this.drawn = `${wide} ${axis}`;
    this.width = Math.max(60, wide - LEFT - RIGHT);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${wide} ${this.height}`);
    svg.setAttribute("height", this.height);
    svg.setAttribute("aria-hidden", "true");
    this.places = new Set();
    let y = 0;
    this.drawTokens(svg, y); y += ROW.tokens;
    if (this.rows.chunks) this.drawChunks(svg, y);
    y += this.rows.chunks;
    for (const lane of this.lanes) { this.drawLane(svg, y, lane); y += ROW.lane; }
    if (this.rows.received) this.drawReceived(svg, y);
    y += this.rows.received;
    if (this.rows.browser) this.drawReads(svg, y);
    y += this.rows.browser;
    this.drawAxis(svg, y);
    this.drawStop(svg, y);
    this.line = shape(svg, "line", { class: "cursor", y1: 0, y2: y, visibility: "hidden" });
    this.picture.replaceChildren(svg);
    if (this.cursor >= 0) this.mark();
  }

  label(svg, y, height, text) {
    const shown = text.length > 24 ? text.slice(0, 23) + "…" : text;
    const made = shape(svg, "text", { x: 0, y: y + height / 2 + 4 }, visible(shown));
    shape(made, "title", {}, visible(text));
  }

  drawTokens(svg, y) {
    this.label(svg, y, ROW.tokens, "tokens");
    const { times } = this.facts, columns = Math.ceil(this.width) + 1;
    const bins = [new Uint32Array(columns), new Uint32Array(columns)];
    let top = 1;
    for (let i = 0; i < times.length; i++) {
      const column = Math.min(columns - 1, Math.floor(this.tokenX(i) - LEFT));
      const count = ++bins[this.starts[i + 1] > this.held ? 1 : 0][column];
      if (count > top) top = count;
    }
    bins.forEach((bin, kind) => {
      let path = "";
      bin.forEach((count, column) => {
        if (count) path += `M${(LEFT + column + 0.5).toFixed(1)} ${y + ROW.tokens - 4}v${-(6 + 14 * count / top).toFixed(1)}`;
      });
      const stroke = times.length * 5 < this.width ? 2.5 : 1;
      if (path) shape(svg, "path", { class: kind ? "tokens held" : "tokens", d: path, "stroke-width": stroke });
    });
  }

  /** Draw a bar, unless a narrow one of the same kind is there already: thousands would be too many. */
  bar(svg, y, height, [from, to], kind) {
    if (this.isThere(`${y} ${kind} ${Math.round(from)}`, to - from)) return;
    const made = { class: kind, x: from.toFixed(1), width: Math.max(2, to - from - 1).toFixed(1), y: y + 2, height: height - 4, rx: 2 };
    shape(svg, "rect", made);
  }

  /** Remember a narrow shape at a place, and return whether one was there already. */
  isThere(place, width) {
    if (width >= 2) return false;
    const size = this.places.size;
    return this.places.add(place).size === size;
  }

  /** The text that was read but not released, as a piece. Null if there is none. */
  get withheld() {
    const { facts, held } = this;
    return held === Infinity ? null : [held, this.starts[facts.texts.length], facts.stop ? facts.stop[0] : facts.span];
  }

  drawChunks(svg, y) {
    this.label(svg, y, ROW.chunks, "chunks");
    this.facts.chunks.forEach(([at, , start, end], index) => {
      const place = this.piece(start, end, at);
      this.bar(svg, y, ROW.chunks, place, this.verdict(index));
      if (place[1] - place[0] > 18) shape(svg, "text", { class: "inside", x: place[0] + 4, y: y + 14 }, String(index));
    });
    if (this.withheld) this.bar(svg, y, ROW.chunks, this.piece(...this.withheld), "withheld");
  }

  /** The most important verdict on a chunk: fail before pass, pass before unknown. */
  verdict(index) {
    const words = this.facts.lanes.map((lane) => lane[1][index]?.[0]);
    return ["fail", "pass", "unknown"].find((word) => words.includes(word)) ?? "plain";
  }

  drawLane(svg, y, [name, verdicts, final]) {
    this.label(svg, y, ROW.lane, name);
    verdicts.forEach(([word, , at], index) => {
      const chunk = this.facts.chunks[index];
      const place = chunk ? this.piece(chunk[2], chunk[3], at) : this.withheld ? this.piece(this.withheld[0], this.withheld[1], at) : null;
      if (!place) return;
      this.bar(svg, y, ROW.lane, place, word);
      if (word === "fail") shape(svg, "text", { class: "inside", x: place[0] + 3, y: y + 12 }, "✕"); // not by colour alone
    });
    if (final) shape(svg, "rect", { class: final[0], x: LEFT + this.width + 6, y: y + 2, width: 12, height: ROW.lane - 4, rx: 2 });
  }

  drawReceived(svg, y) {
    this.label(svg, y, ROW.received, "received");
    for (const [at, , , end] of this.facts.received) {
      const x = axis === "time" ? this.x(at) : this.x(this.tokenAt(end - 1) + 1);
      if (!this.isThere(`received ${Math.round(x)}`, 0)) shape(svg, "circle", { class: "received", cx: x.toFixed(1), cy: y + ROW.received / 2, r: 3 });
    }
  }

  drawReads(svg, y) {
    this.label(svg, y, ROW.received, "browser");
    let after = 0; // the number of tokens before a read
    for (const at of this.reads) {
      while (after < this.facts.times.length && this.facts.times[after] <= at) after++;
      const x = this.moment(at, after);
      if (!this.isThere(`browser ${Math.round(x)}`, 0)) shape(svg, "circle", { class: "received browser", cx: x.toFixed(1), cy: y + ROW.received / 2, r: 3 });
    }
  }

  drawAxis(svg, y) {
    shape(svg, "line", { class: "rule", x1: LEFT, x2: LEFT + this.width, y1: y + 1, y2: y + 1 });
    const rough = this.extent / Math.max(2, this.width / 110), power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, [1, 2, 5, 10].find((n) => n * power >= rough) * power);
    for (let value = 0; value <= this.extent; value += step) {
      const x = this.x(value);
      shape(svg, "line", { class: "rule", x1: x, x2: x, y1: y, y2: y + 4 });
      shape(svg, "text", { x, y: y + 15, "text-anchor": value ? "middle" : "start" }, axis === "time" ? duration(value) : number(value));
    }
  }

  drawStop(svg, y) {
    const { stop } = this.facts;
    if (!stop) return;
    const x = this.moment(stop[0], stop[1]), left = x > LEFT + this.width / 2;
    shape(svg, "line", { class: "stop", x1: x, x2: x, y1: 0, y2: y });
    shape(svg, "text", { class: "stoptext", x: x + (left ? -4 : 4), y: y - 5, "text-anchor": left ? "end" : "start" }, "stop");
  }

  // The pointer

  nearest(x) {
    const { times } = this.facts;
    let low = 0, high = times.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tokenX(middle) < x) low = middle + 1; else high = middle;
    }
    return low > 0 && x - this.tokenX(low - 1) < this.tokenX(low) - x ? low - 1 : low;
  }

  /** The lines about a token and about its chunk. */
  describe(index, row) {
    const { facts } = this, lines = [];
    if (!facts.times.length) return ["no tokens"];
    let first = index, last = index;
    const near = (other) => Math.abs(this.tokenX(other) - this.tokenX(index)) < 1;
    if (row !== undefined) { // the mouse cannot choose between the tokens of one column
      while (first > 0 && near(first - 1)) first--;
      while (last < facts.times.length - 1 && near(last + 1)) last++;
    }
    const at = facts.times[index], before = index ? facts.times[index - 1] : 0;
    const text = facts.texts.slice(first, Math.min(last + 1, first + SHOWN)).join("");
    lines.push(text ? visible(text) : "(no text)");
    const which = first === last ? `token ${number(index + 1)}` : `tokens ${number(first + 1)}–${number(last + 1)}`;
    lines.push(`${which} of ${number(facts.tokens)}, at ${duration(at)}, ${duration(Math.max(0, at - before))} after ${index ? "the one before" : "the start"}`);
    const chunk = facts.chunks.findIndex(([, , start, end]) => start < this.starts[index + 1] && end > this.starts[index]);
    const taken = chunk < 0 ? undefined : facts.received.find((bar) => bar[2] === facts.chunks[chunk][2]);
    if (chunk >= 0) {
      const at = duration(facts.chunks[chunk][0]), took = taken ? `received at ${duration(taken[0])}` : "never received";
      lines.push(this.test.outcome === "recorded" ? `sentence ${chunk}, complete at ${at}` : `chunk ${chunk}, released at ${at}, ${took}`);
    } else if (this.starts[index + 1] > this.held) lines.push("not released");
    const place = chunk < 0 ? facts.chunks.length : chunk;
    facts.lanes.forEach(([name, verdicts, final], lane) => {
      const verdict = chunk < 0 && this.starts[index + 1] <= this.held ? undefined : verdicts[place];
      if (verdict && (row === lane || verdict[0] !== "pass")) lines.push(`${visible(name)}: ${verdict[0]}${verdict[1] ? `, ${visible(verdict[1])}` : ""}`);
      if (final && (row === lane || final[0] === "fail")) lines.push(`${visible(name)}, complete output: ${final[0]}${final[1] ? `, ${visible(final[1])}` : ""}`);
    });
    return lines;
  }

  /** The number of the lane at a height, or -1 for another row. */
  row(y) {
    const lane = Math.floor((y - ROW.tokens - ROW.chunks) / ROW.lane);
    return lane >= 0 && lane < this.lanes.length ? lane : -1;
  }

  point(x, y) {
    const box = this.picture.getBoundingClientRect();
    const index = this.nearest(x - box.left);
    this.place(index);
    showTip(this.describe(index, this.row(y - box.top)), x, y);
  }

  place(index) {
    if (!this.line || !this.facts.times.length) return;
    const x = this.tokenX(index);
    for (const end of ["x1", "x2"]) this.line.setAttribute(end, x);
    this.line.setAttribute("visibility", "visible");
  }

  /** Show the token that the keyboard has selected. */
  mark() {
    this.place(this.cursor);
    const box = this.picture.getBoundingClientRect();
    if (this.card === document.activeElement) showTip(this.describe(this.cursor), box.left + this.tokenX(this.cursor), box.top + this.height - 14); // below the picture
  }

  step(by, chunks) {
    const last = this.facts.times.length - 1;
    if (last < 0) return;
    let next = this.cursor + by;
    if (chunks && Math.abs(by) === 1) {
      const firsts = this.facts.chunks.map((bar) => this.tokenAt(bar[2]));
      next = (by > 0 ? firsts.find((token) => token > this.cursor) : firsts.findLast((token) => token < this.cursor)) ?? (by > 0 ? last : 0);
    }
    this.cursor = Math.max(0, Math.min(last, next));
    this.mark();
  }

  leave() {
    tip.hidden = true;
    if (this.line) this.line.setAttribute("visibility", "hidden");
  }
}
