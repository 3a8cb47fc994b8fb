// The inspector: opens a file and shows its bytes, tables, regions, seals and requests.

import { ByteMap, colours, fillLegend } from "./byte-map.js";
import { details } from "./details.js";
import { regionsPanel } from "./regions.js";
import { RequestLog } from "./request-log.js";
import { openSource } from "./source.js";
import { fillTabs } from "./tabs.js";
import { bytes, counted, element, number, terms, visible } from "./text.js";
import { requestsPanel } from "./requests.js";

const at = (id) => document.getElementById(id);

/** The start of the fragment of this page's address, if the fragment names a file. */
const GIVEN = "#url=";
/**
 * The start of the fragment if `dacti inspect --serve` opens the page. That program makes the map.
 */
const SERVED = "#served=";

const view = at("view");
const status = at("status");
let shown = 0;
let showRegionAt = () => {};

const map = new ByteMap(at("map"), at("overview"), at("map-place"), ({ region }) => {
  if (region) showRegionAt(region);
});
const requests = requestsPanel();
const log = new RequestLog(() => requests.update(log));

function say(text, isFault = false) {
  status.textContent = text;
  status.classList.toggle("fault", isFault);
}

/** Opens a file. Shows it, unless the user has opened another file by then. */
async function show(from, name, { keys = [], isServed = false } = {}) {
  const turn = (shown += 1);
  say(`Reading ${visible(name)}.`);
  log.clear();
  requests.update(log);
  const start = performance.now();
  try {
    const source = await openSource(from, keys, log, isServed);
    const regions = source.opened ? await source.opened.list() : [];
    if (turn !== shown) return;
    fill({ ...source, regions, from, name, keys, isServed });
    const time = Math.round(performance.now() - start);
    say(`${visible(name)}: ${bytes(source.map.length)}, read in ${time} ms.`);
  } catch (error) {
    if (turn !== shown) return;
    view.hidden = true;
    say(`${visible(name)} cannot be shown: ${visible(String(error?.message ?? error))}`, true);
  }
}

function fill(source) {
  const { map: found, regions, opened } = source;
  view.hidden = false;
  at("summary").replaceChildren(...terms(summary(source)));
  const faults = source.fault ? [String(source.fault.message)] : [];
  const findings = [...faults, ...found.diagnostics].map((line) => {
    return element("li", { textContent: visible(line) });
  });
  at("findings").replaceChildren(...findings);
  const kinds = colours(new Set(found.map.map(({ kind }) => kind)));
  map.show(found.length, found.map, regions, kinds, source.read);
  fillLegend(at("legend"), found.map, found.length, kinds, (position) => {
    map.goTo(position);
    at("map").focus();
  });
  const tabs = details(
    source,
    (position) => map.goTo(position),
    (keys) => {
      show(source.from, source.name, { keys, isServed: source.isServed });
    },
  );
  tabs.push({ name: "requests", title: "Requests", content: [requests.element] });
  showRegionAt = () => {};
  if (opened) {
    const panel = regionsPanel(source, (position) => map.goTo(position));
    showRegionAt = panel.showRegion;
    tabs.unshift({
      name: "regions",
      title: `Regions (${number(regions.length)})`,
      content: panel.content,
    });
  }
  fillTabs(at("tabs"), at("panels"), tabs);
}

function summary({ map: found, opened, regions, name }) {
  const { format, length, index, parts } = found;
  return [
    ["Name", name],
    ["Format", `${format.name ?? format.id}, version ${format.version}`],
    ["Length", `${bytes(length)} (${length} bytes)`],
    ["Regions", index && counted(opened ? regions.length : index.entries, "region", "regions")],
    ["Form", index && (parts ? counted(parts.list.length, "part", "parts") : "one file")],
    ["Version", parts?.version],
    ["Signed by", opened && (opened.signer ?? "not checked: give a key in the tab Seals")],
  ];
}

function showFile(file) {
  show(file, file.name);
}

function showUrl(text, isServed = false) {
  let url;
  try {
    url = new URL(text, location.href);
  } catch {
    return say(`${text} is not a URL`, true);
  }
  at("url").value = text;
  show(url.href, url.pathname.split("/").pop() || url.host, { isServed });
}

at("open").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("url").value.trim();
  if (!text) return;
  // The address of this page now names the file, so the user can keep it as a link.
  history.replaceState(null, "", GIVEN + text);
  showUrl(text);
});
at("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) showFile(target.files[0]);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("drop");
});
document.addEventListener("dragleave", () => document.body.classList.remove("drop"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("drop");
  const file = event.dataTransfer.files[0];
  const text = event.dataTransfer.getData("text/uri-list");
  if (file) showFile(file);
  else if (text) showUrl(text);
});
document.addEventListener("click", (event) => {
  const how = event.target.closest("[data-zoom]")?.dataset.zoom;
  if (how) map.zoom(how);
});

function theme() {
  const button = at("theme");
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", dark);
    map.redraw();
  };
  apply(system.matches);
  system.addEventListener("change", () => apply(system.matches));
  button.addEventListener("click", () => apply(root.dataset.theme !== "dark"));
}

theme();
const { hash } = location;
if (hash.startsWith(GIVEN)) showUrl(hash.slice(GIVEN.length));
if (hash.startsWith(SERVED)) showUrl(hash.slice(SERVED.length), true);
