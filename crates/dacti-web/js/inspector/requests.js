// The panel with the log of requests.

import { bytes, counted, element, visible } from "./text.js";
import { VirtualTable } from "./virtual-table.js";

const last = (url) => decodeURIComponent(new URL(url).pathname.split("/").pop());

/** Returns the panel and a function that shows the current log. */
export function requestsPanel() {
  const sum = element("p", { className: "count", role: "status" });
  const table = new VirtualTable("Requests", [
    { title: "Object", grow: true, cell: ({ url }) => visible(last(url)) },
    { title: "Range", grow: true, cell: ({ range }) => range },
    { title: "Status", number: true, cell: ({ status }) => status },
    { title: "Bytes", number: true, cell: ({ length }) => (length === null ? "?" : bytes(length)) },
    {
      title: "Time",
      number: true,
      cell: ({ took }) => (took === null ? "…" : `${took.toFixed(1)} ms`),
    },
  ]);
  table.element.classList.add("short");
  const panel = element("div", {}, sum, table.element);
  const update = (log) => {
    if (table.rows !== log.requests) table.show(log.requests);
    table.update();
    const { length } = log.requests;
    sum.textContent =
      length === 0
        ? "No requests were sent, because a file on this machine is read directly."
        : `${counted(length, "request", "requests")}, ${bytes(log.bytes)}`;
  };
  return { element: panel, update };
}
