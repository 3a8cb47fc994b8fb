// A table of any number of rows. Only the visible rows are elements.

import { element } from "./text.js";

/** Height of a row in CSS pixels. */
const ROW = 28;
/** The maximum height of all rows together, in pixels: far below the maximum of browsers. */
const HEIGHT_MAX = 8_000_000;
/** The number of extra rows that are drawn above and below the visible rows. */
const SPARE = 6;

/** A table of rows, with a current row that the keyboard moves. */
export class VirtualTable {
  #columns;
  #rows = [];
  #current = -1;
  #onCurrent;
  #scroller;
  #sizer;
  #body;
  #head;
  #drawn = false;

  /**
   * `columns` are `{title, cell(row), number?, grow?}`. `onCurrent(row)` is called when another row
   * becomes the current one.
   */
  constructor(label, columns, onCurrent = () => {}) {
    this.#columns = columns;
    this.#onCurrent = onCurrent;
    this.#head = element("div", { className: "row head", role: "row", "aria-rowindex": 1 });
    for (const column of columns) {
      this.#head.append(this.#cell(column, column.title, "columnheader"));
    }
    this.#body = element("div", { className: "rows", role: "rowgroup" });
    this.#sizer = element("div", { className: "sizer" }, this.#body);
    this.#scroller = element("div", { className: "scroller" }, this.#head, this.#sizer);
    this.element = element(
      "div",
      {
        className: "virtual",
        role: "grid",
        tabIndex: 0,
        "aria-label": label,
        "aria-readonly": "true",
        "aria-colcount": columns.length,
      },
      this.#scroller,
    );
    this.#scroller.addEventListener("scroll", () => this.#later(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.choose(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.#draw()).observe(this.#scroller);
  }

  #cell({ number, grow }, content, role = "gridcell") {
    const className = `cell${number ? " number" : ""}${grow ? " grow" : ""}`;
    return element("div", { className, role }, content);
  }

  /** Replaces the rows, and scrolls to the first one. */
  show(rows) {
    this.#rows = rows;
    this.#current = -1;
    this.element.removeAttribute("aria-activedescendant");
    this.element.setAttribute("aria-rowcount", rows.length + 1);
    this.#sizer.style.height = `${Math.min(rows.length * ROW, HEIGHT_MAX)}px`;
    this.#scroller.scrollTop = 0;
    this.#draw();
  }

  get rows() {
    return this.#rows;
  }

  /** Draws the rows again after a change of their contents or number. Keeps the scroll position. */
  update() {
    this.element.setAttribute("aria-rowcount", this.#rows.length + 1);
    this.#sizer.style.height = `${Math.min(this.#rows.length * ROW, HEIGHT_MAX)}px`;
    this.#later();
  }

  /** Makes a row the current row, and scrolls to it. */
  choose(at) {
    if (this.#rows.length === 0) return;
    this.#current = Math.max(0, Math.min(at, this.#rows.length - 1));
    this.#reveal();
    this.#draw();
    this.#onCurrent(this.#rows[this.#current]);
  }

  #visible() {
    return Math.max(1, Math.floor((this.#scroller.clientHeight - ROW) / ROW));
  }

  /** The height of a row in the scroll area. It is below `ROW` in tables of over 285,000 rows. */
  #scale() {
    return Math.min(this.#rows.length * ROW, HEIGHT_MAX) / Math.max(this.#rows.length, 1);
  }

  #reveal() {
    const first = this.#scroller.scrollTop / this.#scale();
    const visible = this.#visible();
    let wanted = first;
    if (this.#current < first) wanted = this.#current;
    if (this.#current > first + visible - 1) wanted = this.#current - visible + 1;
    if (wanted !== first) this.#scroller.scrollTop = wanted * this.#scale();
  }

  #key(event) {
    const page = this.#visible();
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    let to;
    if (event.key in steps) to = this.#current + steps[event.key];
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = this.#rows.length - 1;
    else return;
    event.preventDefault();
    this.choose(to);
  }

  #later() {
    if (this.#drawn) return;
    this.#drawn = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#drawn = false;
    const scale = this.#scale();
    const top = this.#scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / scale) - SPARE);
    const end = Math.min(this.#rows.length, first + this.#visible() + 2 * SPARE + 2);
    const made = [];
    for (let at = first; at < end; at += 1) made.push(this.#row(at));
    this.#body.replaceChildren(...made);
    const offset = scale === ROW ? first * ROW : top - (top / scale - first) * ROW;
    this.#body.style.transform = `translateY(${Math.max(0, offset)}px)`;
    const current = this.#current >= first && this.#current < end ? this.#rowId(this.#current) : "";
    if (current) this.element.setAttribute("aria-activedescendant", current);
    else this.element.removeAttribute("aria-activedescendant");
  }

  #rowId(at) {
    return `${this.element.getAttribute("aria-label").replace(/\W+/g, "-")}-${at}`;
  }

  #row(at) {
    const row = element("div", {
      className: at === this.#current ? "row current" : "row",
      id: this.#rowId(at),
      role: "row",
      "aria-rowindex": at + 2,
      "aria-selected": at === this.#current,
      "data-at": at,
    });
    for (const column of this.#columns) row.append(this.#cell(column, column.cell(this.#rows[at])));
    return row;
  }
}
