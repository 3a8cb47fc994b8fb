// Lists the regions of a package, and shows the one that is chosen.

import { open } from "./dacti/dacti.js";

const [place, file, cost, paths, content] =
  ["place", "file", "cost", "paths", "content"].map((id) => document.getElementById(id));
let pack;
let reading = new AbortController();

async function show(given) {
  reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  paths.replaceChildren();
  content.textContent = "";
  try {
    pack?.close();
    pack = await open(given, { signal });
    for (const { path, id } of await pack.list("", { signal })) {
      const button = document.createElement("button");
      button.textContent = path ?? id;
      button.addEventListener("click", () => read(path ?? id));
      const item = document.createElement("li");
      item.append(button);
      paths.append(item);
    }
    tell();
  } catch (error) {
    fail(error);
  }
}

async function read(path) {
  reading.abort();
  reading = new AbortController();
  try {
    const bytes = await pack.get(path, { signal: reading.signal });
    content.textContent = new TextDecoder().decode(bytes);
    tell();
  } catch (error) {
    fail(error);
  }
}

function tell() {
  const { requests, bytes, cacheHits, roundTrips } = pack.stats;
  cost.textContent = `${requests} requests in ${roundTrips} round trips, ${bytes} bytes, ` +
    `${cacheHits} ranges from the cache`;
}

function fail(error) {
  if (error.name !== "AbortError") cost.textContent = `${error.kind ?? "error"}: ${error.message}`;
}

place.addEventListener("change", () => show(place.value));
file.addEventListener("change", () => show(file.files[0]));
show(place.value);
