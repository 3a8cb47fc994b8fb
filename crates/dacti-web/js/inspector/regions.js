// The list of regions, with search and previews.

import { preview } from "./preview.js";
import { bytes, counted, element, hex, terms, visible } from "./text.js";
import { VirtualTable } from "./virtual-table.js";

/** The sort orders that the list offers. */
const ORDERS = [
  ["path", "Path", (a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)],
  ["place", "Place in the file", (a, b) => a.offset - b.offset],
  ["size", "Largest first", (a, b) => b.stored - a.stored],
];

const nameOf = (region) => region.path ?? region.id;

/** Returns the elements of the panel, and a function that selects a region in the list. */
export function regionsPanel(source, goTo) {
  const { regions } = source;
  const search = element("input", {
    id: "search",
    type: "search",
    placeholder: "Part of a path or of an id",
    autocomplete: "off",
    spellcheck: false,
  });
  const options = ORDERS.map(([value, title]) => element("option", { value, textContent: title }));
  const order = element("select", { id: "order" }, ...options);
  const count = element("p", { className: "count", role: "status" });
  const detail = element("div", { className: "detail" });
  const table = new VirtualTable(
    "Regions",
    [
      { title: "Path", grow: true, cell: (region) => visible(nameOf(region)) },
      { title: "Content", number: true, cell: (region) => sizeOf(region) },
      { title: "Stored", number: true, cell: (region) => bytes(region.stored) },
      { title: "Encoding", cell: (region) => region.encoding },
      { title: "Place", number: true, cell: (region) => hex(region.offset) },
    ],
    (region) => showDetail(source, detail, region, goTo),
  );
  // The texts become lower case only once, so a search of 100,000 regions takes milliseconds.
  const searchable = regions.map((region) => `${region.path ?? ""}\n${region.id}`.toLowerCase());
  const filter = () => {
    const text = search.value.trim().toLowerCase();
    const found = text ? regions.filter((_, at) => searchable[at].includes(text)) : [...regions];
    found.sort(ORDERS.find(([value]) => value === order.value)[2]);
    table.show(found);
    count.textContent = counted(found.length, "region", "regions");
  };
  search.addEventListener("input", filter);
  order.addEventListener("change", filter);
  filter();
  const bar = element(
    "div",
    { className: "bar" },
    element("label", { htmlFor: "search", textContent: "Search" }),
    search,
    element("label", { htmlFor: "order", textContent: "Order" }),
    order,
    count,
  );
  const content = [bar, element("div", { className: "split" }, table.element, detail)];
  return { content, showRegion: (region) => chooseIn(table, region) };
}

function chooseIn(table, region) {
  const at = table.rows.findIndex(({ id }) => id === region.id);
  if (at >= 0) table.choose(at);
}

const sizeOf = ({ size }) => (size === null || size === undefined ? "?" : bytes(size));

let reading = new AbortController();

/** Shows the properties of a region, and then reads and shows its content. */
async function showDetail(source, detail, region, goTo) {
  reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  const content = element("div", { className: "content", textContent: "Reading." });
  const verdict = element("span", { textContent: "…" });
  const show = element("button", { type: "button", textContent: "Show on the map" });
  show.addEventListener("click", () => goTo(region.offset));
  const about = element("dl", {});
  about.append(
    ...terms([
      ["Path", region.path],
      ["Id", region.id],
      ["Place", `${hex(region.offset)} to ${hex(region.offset + region.stored)}`],
      ["Stored", `${bytes(region.stored)}, ${region.encoding}`],
      ["Content", sizeOf(region)],
      ["Check", verdict],
    ]),
  );
  detail.replaceChildren(about, show, content);
  // If the user moves through the list quickly, the regions on the way are not read.
  await new Promise((done) => setTimeout(done, 60));
  if (signal.aborted) return;
  try {
    const shown = await preview(source.opened, region, signal);
    if (signal.aborted) return;
    verdict.textContent = checkOf(source);
    content.replaceChildren(...shown);
  } catch (error) {
    if (signal.aborted) return;
    verdict.textContent = "failed";
    content.replaceChildren(
      element("p", { className: "fault", role: "alert" }, visible(String(error?.message ?? error))),
    );
  }
}

/** Names the checks that the reader made before it returned the content of a region. */
function checkOf({ map, keys }) {
  if (!map.seals) return "not sealed: damage would not be noticed";
  if (keys.length > 0) return "signature and digest are right";
  return "digest is right";
}
