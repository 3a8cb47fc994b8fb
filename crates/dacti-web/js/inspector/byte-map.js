// The map of all bytes: rows of the file from top to bottom, coloured by use, at any scale.

import { bytes, counted, element, hex, number, visible } from "./text.js";

/** The number of rows of the map, and the height of each in CSS pixels. */
const ROWS = 24;
const ROW = 18;
/** The number of bytes in a row if single bytes are shown. */
const ROW_BYTES = 16;
/** Regions narrower than this, in CSS pixels, are not drawn as separate areas. */
const NARROW = 2;

/** Returns the first index of `sorted` at which `isAfter` holds. */
export function firstAt(sorted, isAfter) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAfter(sorted[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Returns whether a kind of bytes has no content: zeros, or room for later use. */
const isEmpty = (kind) => /^(room|padding)|zeros$/.test(kind);

/**
 * Returns a colour for each kind of bytes, in the order of the kinds in the file. Red is reserved
 * for unclaimed bytes. Black text is readable on all colours.
 */
export function colours(kinds) {
  const found = new Map();
  let step = 0;
  for (const kind of kinds) {
    if (isEmpty(kind)) {
      found.set(kind, "hsl(220 8% 68%)");
    } else if (kind.startsWith("unclaimed")) {
      found.set(kind, "hsl(0 85% 66%)");
    } else {
      // Each step is near the golden ratio of the 260 degrees in use, so consecutive hues differ.
      found.set(kind, `hsl(${Math.round(40 + ((step * 161) % 260))} 58% 64%)`);
      step += 1;
    }
  }
  return found;
}

/** The map, and the strip above it that shows the whole file. */
export class ByteMap {
  #canvas;
  #overview;
  #place;
  #length = 0;
  #runs = [];
  #regions = [];
  #colours = new Map();
  #from = 0;
  #to = 1;
  #part;
  #read;
  #window;
  #planned = false;
  #onPart;

  /** `onPart(part)` is called for each part that the user selects. */
  constructor(canvas, overview, place, onPart) {
    this.#canvas = canvas;
    this.#overview = overview;
    this.#place = place;
    this.#onPart = onPart;
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("click", (event) => this.#go(this.#at(event)));
    canvas.addEventListener("dblclick", () => this.zoomTo(this.#part));
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    overview.addEventListener("click", (event) => {
      this.#centre((event.offsetX / overview.clientWidth) * this.#length);
    });
    new ResizeObserver(() => this.#later()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#later());
  }

  /**
   * Shows a file. Takes its runs of bytes in ascending order, its regions, the colours of the
   * kinds, and a function that reads bytes.
   */
  show(length, runs, regions, kinds, read) {
    this.#length = length;
    this.#runs = runs;
    this.#regions = regions.filter(({ stored }) => stored > 0).sort((a, b) => a.offset - b.offset);
    this.#colours = kinds;
    this.#read = read;
    this.#window = undefined;
    this.#part = undefined;
    this.#place.textContent = "";
    this.#look(0, length);
  }

  /** Zooms: `in`, `out`, `head` or `all`. */
  zoom(how) {
    const centre = this.#part
      ? (this.#part.start + this.#part.end) / 2
      : (this.#from + this.#to) / 2;
    const length = this.#to - this.#from;
    if (how === "all") this.#look(0, this.#length);
    if (how === "head") this.#look(0, Math.min(65_536, this.#length));
    if (how === "in") this.#look(centre - length / 4, centre + length / 4);
    if (how === "out") this.#look(centre - length, centre + length);
  }

  /** Shows a part in full, with some bytes around it. */
  zoomTo(part) {
    if (!part) return;
    const around = (part.end - part.start) / 8;
    this.#look(part.start - around, part.end + around);
  }

  /** Shows the part at a position. */
  goTo(position) {
    this.#go(position);
    if (this.#part && (position < this.#from || position >= this.#to)) this.#centre(position);
  }

  redraw() {
    this.#later();
  }

  #look(from, to) {
    const least = Math.min(ROW_BYTES * ROWS, this.#length);
    const length = Math.max(least, Math.min(to - from, this.#length));
    const start = Math.max(0, Math.min((from + to - length) / 2, this.#length - length));
    this.#from = Math.floor(start);
    this.#to = Math.min(this.#length, Math.ceil(start + length));
    this.#later();
  }

  #centre(position) {
    const half = (this.#to - this.#from) / 2;
    this.#look(position - half, position + half);
  }

  #rowBytes() {
    const length = this.#to - this.#from;
    return Math.max(Math.ceil(length / ROWS), Math.min(ROW_BYTES, Math.max(1, this.#length)));
  }

  #at(event) {
    const row = Math.floor(event.offsetY / ROW);
    const across = event.offsetX / this.#canvas.clientWidth;
    return Math.floor(this.#from + (row + across) * this.#rowBytes());
  }

  /** Returns the region at a position, with its seal, or the run of bytes if there is no region. */
  partAt(position) {
    const run = this.#runs[firstAt(this.#runs, ({ place }) => place.at + place.len > position)];
    if (!run) return undefined;
    const [start, end] = [run.place.at, run.place.at + run.place.len];
    const after = firstAt(this.#regions, ({ offset }) => offset > position);
    const region = this.#regions[after - 1];
    if (!region || region.offset < start) return { start, end, run };
    // In a run of regions, the bytes between two regions are the seal of the first region.
    const next = Math.min(this.#regions[after]?.offset ?? end, end);
    return { start: region.offset, end: next, run, region };
  }

  #go(position) {
    if (!(position >= 0 && position < this.#length)) return;
    this.#part = this.partAt(position);
    this.#place.textContent = this.describe(this.#part);
    this.#later();
    this.#onPart(this.#part);
  }

  describe({ start, end, run, region }) {
    const where = `${hex(start)} to ${hex(end)}, ${bytes(end - start)}`;
    if (region) return `${visible(region.path ?? region.id)}: region and seal, ${where}`;
    const count = run.count > 1 ? `, ${counted(run.count, "item", "items")} of this kind` : "";
    return `${visible(run.kind)}: ${where}${count}`;
  }

  #key(event) {
    const length = this.#to - this.#from;
    const part = this.#part;
    const steps = {
      ArrowRight: () => this.#step(part ? part.end : this.#from),
      ArrowLeft: () => this.#step(part ? part.start - 1 : this.#from),
      ArrowDown: () => this.#look(this.#from + length / 8, this.#to + length / 8),
      ArrowUp: () => this.#look(this.#from - length / 8, this.#to - length / 8),
      PageDown: () => this.#look(this.#from + length, this.#to + length),
      PageUp: () => this.#look(this.#from - length, this.#to - length),
      Home: () => this.#step(0),
      End: () => this.#step(this.#length - 1),
      Enter: () => this.zoomTo(part),
      "+": () => this.zoom("in"),
      "=": () => this.zoom("in"),
      "-": () => this.zoom("out"),
      0: () => this.zoom("all"),
    };
    const step = !event.ctrlKey && !event.metaKey && !event.altKey && steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  }

  #step(position) {
    const to = Math.max(0, Math.min(position, this.#length - 1));
    this.#go(to);
    if (to < this.#from || to >= this.#to) this.#centre(to);
  }

  /** Zooms at the pointer if Ctrl is held or the user pinches. The wheel alone scrolls the page. */
  #wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const at = this.#at(event);
    const factor = Math.exp(event.deltaY / 200);
    this.#look(at - (at - this.#from) * factor, at + (this.#to - at) * factor);
  }

  #later() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      if (this.#length > 0) this.#draw();
    });
  }

  #begin(canvas, height) {
    const scale = devicePixelRatio || 1;
    const width = canvas.clientWidth;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const to = canvas.getContext("2d");
    to.scale(scale, scale);
    to.clearRect(0, 0, width, height);
    return [to, width];
  }

  #draw() {
    const rowBytes = this.#rowBytes();
    const rows = Math.min(ROWS, Math.ceil((this.#to - this.#from) / rowBytes));
    this.#canvas.style.height = `${rows * ROW}px`;
    const [to, width] = this.#begin(this.#canvas, rows * ROW);
    for (let row = 0; row < rows; row += 1) {
      const start = this.#from + row * rowBytes;
      const end = Math.min(start + rowBytes, this.#length);
      this.#drawRow(to, row * ROW, width / rowBytes, start, end);
    }
    if (rowBytes <= ROW_BYTES) this.#drawBytes(to, width, rowBytes);
    this.#mark(to, width, rowBytes, rows);
    this.#drawOverview();
    const shown = `Map of all bytes: ${hex(this.#from)} to ${hex(this.#to)} of ${hex(this.#length)}`;
    this.#canvas.setAttribute("aria-label", shown);
  }

  #drawRow(to, y, scale, start, end) {
    let at = firstAt(this.#runs, ({ place }) => place.at + place.len > start);
    let drawn = -1;
    for (; at < this.#runs.length && this.#runs[at].place.at < end; at += 1) {
      const { place, kind } = this.#runs[at];
      const left = (Math.max(place.at, start) - start) * scale;
      const right = (Math.min(place.at + place.len, end) - start) * scale;
      // Skips a part that ends less than 0.3 pixels after the last drawn part.
      if (right - drawn < 0.3) continue;
      drawn = right;
      to.fillStyle = this.#colours.get(kind) ?? "#888";
      to.fillRect(left, y, Math.max(right - left, 0.7), ROW - 2);
    }
    this.#drawBorders(to, y, scale, start, end);
  }

  /** Shades every second region if regions are wide enough to distinguish them. */
  #drawBorders(to, y, scale, start, end) {
    const first = Math.max(0, firstAt(this.#regions, ({ offset }) => offset > start) - 1);
    const last = firstAt(this.#regions, ({ offset }) => offset >= end);
    if (last === first || ((end - start) * scale) / (last - first) < NARROW) return;
    to.fillStyle = "rgb(255 255 255 / 0.28)";
    for (let at = first; at < last; at += 1) {
      const { offset, stored } = this.#regions[at];
      const [from, until] = [Math.max(offset, start), Math.min(offset + stored, end)];
      if (at % 2 === 1 && until > from) {
        to.fillRect((from - start) * scale, y, (until - from) * scale, ROW - 2);
      }
    }
  }

  /** Writes single bytes into their cells. If they are not read yet, reads them first. */
  #drawBytes(to, width, rowBytes) {
    const { from, content } = this.#window ?? {};
    if (from !== this.#from) {
      this.#readWindow();
      return;
    }
    to.font = `${ROW - 7}px ui-monospace, monospace`;
    to.textAlign = "center";
    to.textBaseline = "middle";
    to.fillStyle = "#000";
    const cell = width / rowBytes;
    for (const [at, byte] of content.entries()) {
      const x = ((at % rowBytes) + 0.5) * cell;
      const y = (Math.floor(at / rowBytes) + 0.5) * ROW - 1;
      const digits = byte.toString(16).padStart(2, "0");
      const shown =
        byte > 32 && byte < 127 && cell > 40 ? `${digits} ${String.fromCharCode(byte)}` : digits;
      to.fillText(shown, x, y);
    }
  }

  async #readWindow() {
    const from = this.#from;
    const end = Math.min(from + ROWS * ROW_BYTES, this.#length);
    this.#window = { from, content: new Uint8Array(0) };
    const content = await this.#read?.(from, end).catch(() => undefined);
    if (content && this.#from === from) {
      this.#window = { from, content };
      this.#later();
    }
  }

  #mark(to, width, rowBytes, rows) {
    if (!this.#part) return;
    const { start, end } = this.#part;
    to.strokeStyle = getComputedStyle(this.#canvas).color;
    to.lineWidth = 2;
    for (let row = 0; row < rows; row += 1) {
      const first = this.#from + row * rowBytes;
      const left = Math.max(start, first);
      const right = Math.min(end, first + rowBytes);
      if (left >= right) continue;
      const scale = width / rowBytes;
      const wide = Math.max((right - left) * scale, 3);
      to.strokeRect((left - first) * scale + 1, row * ROW + 1, wide - 2, ROW - 4);
    }
  }

  #drawOverview() {
    const height = 14;
    const [to, width] = this.#begin(this.#overview, height);
    const scale = width / this.#length;
    let drawn = -1;
    for (const { place, kind } of this.#runs) {
      const right = (place.at + place.len) * scale;
      if (right - drawn < 0.3) continue;
      const left = Math.max(place.at * scale, drawn);
      drawn = right;
      to.fillStyle = this.#colours.get(kind) ?? "#888";
      to.fillRect(left, 3, Math.max(right - left, 0.7), height - 6);
    }
    to.strokeStyle = getComputedStyle(this.#canvas).color;
    to.lineWidth = 2;
    const wide = Math.max((this.#to - this.#from) * scale - 2, 2);
    to.strokeRect(this.#from * scale + 1, 1, wide, height - 2);
  }
}

/** Fills the legend: each kind of bytes with its colour, its length, its share and its count. */
export function fillLegend(table, runs, length, kinds, goTo) {
  const sums = new Map();
  for (const { kind, place, count } of runs) {
    const sum = sums.get(kind) ?? { len: 0, count: 0, first: place.at };
    sums.set(kind, { ...sum, len: sum.len + place.len, count: sum.count + count });
  }
  const titles = ["Kind", "Bytes", "Share", "Count"];
  const head = titles.map((title) => element("th", { scope: "col", textContent: title }));
  const largest = [...sums].sort(([, a], [, b]) => b.len - a.len);
  const rows = largest.map(([kind, { len, count, first }]) => {
    const swatch = element("span", { className: "swatch", "aria-hidden": "true" });
    swatch.style.backgroundColor = kinds.get(kind);
    const title = "Go to the first bytes of this kind";
    const button = element("button", { type: "button", title }, visible(kind));
    button.addEventListener("click", () => goTo(first));
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, swatch, button),
      element("td", { textContent: number(len) }),
      element("td", { textContent: `${((100 * len) / length).toFixed(1)} %` }),
      element("td", { textContent: number(count) }),
    );
  });
  table.replaceChildren(
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows),
  );
}
