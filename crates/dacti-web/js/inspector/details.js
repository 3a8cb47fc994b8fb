// The panels about the file's structure: tables, components, groups, parts, seals, runs of bytes.

import { bytes, counted, element, hex, number, terms, visible } from "./text.js";
import { VirtualTable } from "./virtual-table.js";

const placeOf = (place) => (place ? `${hex(place.at)}, ${bytes(place.len)}` : "");

function table(label, columns, rows, goTo) {
  const made = new VirtualTable(label, columns, (row) => goTo(row));
  made.show(rows);
  made.element.classList.add("short");
  return made.element;
}

/** Returns the tabs for a file. */
export function details({ map, opened, keys }, goTo, openWith) {
  const tabs = [{ name: "tables", title: "Tables", content: tables(map, goTo) }];
  if (map.index) tabs.push({ name: "index", title: "Index", content: groups(map, goTo) });
  if (map.parts) tabs.push({ name: "parts", title: "Parts", content: parts(map, goTo) });
  if (map.index) {
    tabs.push({ name: "seals", title: "Seals", content: seals(map, opened, keys, openWith) });
  }
  tabs.push({ name: "runs", title: "Bytes", content: runs(map, goTo) });
  return tabs;
}

function tables({ tables: found, components }, goTo) {
  const ofTables = [
    { title: "Table", cell: (row) => String(found.indexOf(row) + 1) },
    { title: "Place", grow: true, cell: ({ place }) => placeOf(place) },
    { title: "Entries", number: true, cell: (row) => number(row.components) },
  ];
  const ofComponents = [
    { title: "Component", grow: true, cell: ({ name, id }) => visible(name ?? id) },
    { title: "Version", cell: ({ version }) => version },
    { title: "Entry", number: true, cell: (row) => hex(row.at) },
    { title: "Data", cell: ({ data }) => element("code", { textContent: data }) },
    { title: "Region", grow: true, cell: ({ place }) => placeOf(place) },
  ];
  return [
    table("Tables", ofTables, found, ({ place }) => goTo(place.at)),
    table("Components", ofComponents, components, (row) => goTo(row.place?.at ?? row.at)),
  ];
}

function groups({ index, layout }, goTo) {
  const about = element("dl", {});
  about.append(
    ...terms([
      ["Place", placeOf(index.place)],
      ["Entries", number(index.entries)],
      ["Groups", number(index.groups.length)],
      ["File id", layout?.file_id],
      ["Slice", layout && bytes(layout.slice_len)],
      ["Fences", layout && placeOf(layout.fences)],
    ]),
  );
  const columns = [
    { title: "Group", number: true, cell: ({ at }) => hex(at) },
    { title: "Entries", number: true, cell: ({ length }) => number(length) },
    { title: "Group base", number: true, cell: ({ base }) => hex(base) },
    { title: "Encoding", grow: true, cell: ({ encoding }) => encoding || "empty" },
  ];
  return [about, table("Groups", columns, index.groups, ({ at }) => goTo(at))];
}

function parts({ parts: found }, goTo) {
  const expiry = found.expiry ? new Date(found.expiry * 1000).toISOString() : "never";
  const about = element("dl", {});
  about.append(
    ...terms([
      ["Version", number(found.version)],
      ["Prefix", found.prefix],
      ["Head", found.signed ? "has a signature" : "has no signature"],
      ["Expires", expiry],
      ["Next block", hex(found.end)],
    ]),
  );
  const columns = [
    { title: "Place", cell: ({ place }) => placeOf(place) },
    { title: "Pieces", number: true, cell: ({ pieces }) => number(pieces) },
    { title: "Digest", grow: true, cell: ({ digest }) => element("code", { textContent: digest }) },
  ];
  return [about, table("Parts", columns, found.list, ({ place }) => goTo(place.at))];
}

function seals({ seals: found }, opened, keys, openWith) {
  const about = element("dl", {});
  const claimed = (found?.keys ?? []).map((key) => element("li", {}, element("code", {}, key)));
  about.append(
    ...terms([
      ["Seals", found ? `each region has a ${found.kind}` : "none"],
      ["Publisher’s package", found?.package_id],
      ["Keys that the file names", claimed.length > 0 ? element("ul", {}, ...claimed) : "none"],
      ["Head", opened?.signer ? `signed by ${opened.signer}` : ""],
      ["Required key", keys.length > 0 ? element("code", { textContent: keys[0] }) : "none"],
    ]),
  );
  const note =
    "The keys that the file names prove nothing. To check signatures, give the key that you trust.";
  const input = element("textarea", { id: "key", rows: 3, spellcheck: false });
  const form = element(
    "form",
    {},
    element("p", { textContent: note }),
    element("label", {
      htmlFor: "key",
      textContent: "Public key, as in the publisher’s .pub file",
    }),
    input,
    element("button", { textContent: "Open again with this key" }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) openWith([input.value]);
  });
  return [about, form];
}

function runs({ map }, goTo) {
  const columns = [
    { title: "Place", number: true, cell: ({ place }) => hex(place.at) },
    { title: "Length", number: true, cell: ({ place }) => bytes(place.len) },
    { title: "Kind", grow: true, cell: ({ kind }) => visible(kind) },
    { title: "Count", number: true, cell: ({ count }) => counted(count, "item", "items") },
  ];
  return [table("Runs of bytes", columns, map, ({ place }) => goTo(place.at))];
}
