// Servers that change the files they serve. A signed site must then show either the right content
// or a page that reports the refusal.

import assert from "node:assert/strict";
import { copyFile, cp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { browser, dacti, folder, openPage, serveChanged, textOf, until } from "./lib.mjs";
import { newKey, page, site } from "./sites.mjs";

const RIGHT = "the right text";
const EVIL = "an evil text";
/** A filler of varied bytes, long enough that no file is stored in the head. */
const filler = (seed) => {
  let state = seed;
  return Array.from({ length: 1500 }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state.toString(36);
  }).join(" ");
};
const content = (text, seed) =>
  page("Page", `<p id="text">${text}</p><p hidden>${filler(seed)}</p>`);

const right = {
  "index.html": content(RIGHT, 1),
  "a.html": content(RIGHT, 2),
  "b.html": content("the text of b", 3),
  "404.html": page("Nothing here"),
  "style.css": "",
};

const PACKAGE = "dacti-site/site.dacti-pack";

/** Returns the parts of the package in a folder, with their first positions. */
async function parts(out) {
  const { parts } = JSON.parse(dacti("inspect", "--json", join(out, PACKAGE)));
  return parts.list.map(({ place, digest }) => {
    return {
      start: place.at,
      end: place.at + place.len,
      file: join(out, `${PACKAGE}.parts`, digest),
    };
  });
}

/** Changes stored bytes of a region in place. `change` gets a buffer to write into. */
async function changeStored(out, path, change) {
  const line = dacti("ls", "--json", join(out, PACKAGE)).split("\n");
  const { place } = line
    .filter(Boolean)
    .map(JSON.parse)
    .find((region) => region.path === path);
  const part = (await parts(out)).find(({ start, end }) => start <= place.at && place.at < end);
  const bytes = await readFile(part.file);
  await change(bytes.subarray(place.at - part.start, place.at - part.start + place.len), bytes);
  await writeFile(part.file, bytes);
}

/** Shows a page of a site for the first time. Returns its text. */
async function shows(t, started, url, path) {
  const context = await started.createBrowserContext();
  const shown = await openPage(t, context);
  await shown.goto(url + path).catch(() => undefined);
  const isDone = () =>
    document.readyState === "complete" &&
    (!document.querySelector('script[src*="dacti-site/boot.js"]') ||
      document.querySelector("main[role=alert]") !== null);
  await until(() => shown.evaluate(isDone).catch(() => false), 60_000);
  const text = await textOf(shown);
  await context.close();
  return text;
}

/** The changes of a hostile server to the files of a site, and the resulting texts of pages. */
const attacks = {
  async "a byte of a page is altered"({ out }) {
    await changeStored(out, "a.html", (stored) => {
      stored[stored.length >> 1] ^= 1;
    });
    return { "a.html": /This page was refused/, "": RIGHT };
  },
  async "two pages are swapped"({ out }) {
    // The stored bytes and seals of `b.html` overwrite those of `a.html`, up to the shorter length.
    let other;
    await changeStored(out, "b.html", (stored) => {
      other = Buffer.from(stored);
    });
    await changeStored(out, "a.html", (stored) => other.copy(stored));
    return { "a.html": /This page was refused/, "b.html": "the text of b" };
  },
  async "the old bytes of a page are served"({ out, from, key }) {
    let old;
    await changeStored(out, "a.html", (stored) => {
      old = Buffer.from(stored);
    });
    await writeFile(join(from, "a.html"), content(`${RIGHT} again`, 2));
    dacti("-q", "site", from, "-o", out, "--sign", key);
    await changeStored(out, "a.html", (stored) => old.copy(stored));
    return { "a.html": /This page was refused/, "": RIGHT };
  },
  async "a part is missing"({ out }) {
    for (const { file } of await parts(out)) await rm(file);
    return { "a.html": /cannot be (loaded|shown|started)/ };
  },
  async "a page of HTML stands in place of a part"({ out }) {
    for (const { file } of await parts(out)) await writeFile(file, `<p>${EVIL}</p>`);
    return { "a.html": /refused|cannot be/ };
  },
  async "a page of HTML stands in place of the module"({ out }) {
    for (const name of await readdir(join(out, "dacti-site"))) {
      if (name.endsWith(".wasm")) await writeFile(join(out, "dacti-site", name), `<p>${EVIL}</p>`);
    }
    return { "": /cannot be started/ };
  },
  async "a page of HTML stands in place of the head"({ out }) {
    await writeFile(join(out, PACKAGE), `<p>${EVIL}</p>`);
    return { "": /refused|cannot be/ };
  },
  async "the site of another publisher is served"({ t, out }) {
    const root = folder(t);
    const evil = { ...right, "index.html": content(EVIL, 1), "a.html": content(EVIL, 2) };
    const other = await site(t, evil, "--sign", newKey(root));
    await replacePackage(other.out, out);
    return { "": /This site was refused/, "a.html": /This site was refused/ };
  },
  async "an unsigned package is served"({ t, out }) {
    const evil = { ...right, "index.html": content(EVIL, 1) };
    const other = await site(t, evil);
    await replacePackage(other.out, out);
    return { "": /This site was refused/ };
  },
};

async function replacePackage(from, to) {
  await rm(join(to, `${PACKAGE}.parts`), { recursive: true });
  await cp(join(from, `${PACKAGE}.parts`), join(to, `${PACKAGE}.parts`), { recursive: true });
  await copyFile(join(from, PACKAGE), join(to, PACKAGE));
}

test("a first visit to a hostile server shows no wrong content", async (t) => {
  const started = await browser(t);
  for (const [name, attack] of Object.entries(attacks)) {
    await t.test(name, async (t) => {
      const key = newKey(folder(t));
      const { from, out } = await site(t, right, "--sign", key);
      const expected = await attack({ t, from, out, key });
      const server = await serveChanged(t, out);
      for (const [path, text] of Object.entries(expected)) {
        const found = await shows(t, started, server.url, path);
        assert.ok(!found.includes(EVIL), found);
        if (typeof text === "string") assert.ok(found.includes(text), `${path}: ${found}`);
        else assert.match(found, text, path);
      }
    });
  }
});

test("a replayed head is not taken, and the right site stays", async (t) => {
  const key = newKey(folder(t));
  const { from, out } = await site(t, right, "--sign", key);
  const old = await readFile(join(out, PACKAGE));
  await writeFile(join(from, "index.html"), content("the second text", 1));
  dacti("-q", "site", from, "-o", out, "--sign", key);
  const server = await serveChanged(t, out);
  const started = await browser(t);
  const shown = await openPage(t, started);
  await shown.goto(server.url);
  await until(async () => (await textOf(shown).catch(() => "")).includes("the second text"));
  await writeFile(join(out, PACKAGE), old);
  const client = await shown.createCDPSession();
  await client.send("ServiceWorker.enable");
  for (let turn = 0; turn < 3; turn += 1) {
    // For the next page, the browser starts the worker again, and the worker requests the head.
    await client.send("ServiceWorker.stopAllWorkers");
    await shown.goto(server.url);
    assert.ok((await textOf(shown)).includes("the second text"));
  }
});

test("a head that nobody signed locks nothing out", async (t) => {
  const key = newKey(folder(t));
  const { from, out } = await site(t, right, "--sign", key);
  const evil = await site(t, right);
  for (let turn = 0; turn < 5; turn += 1) {
    await writeFile(join(evil.from, "index.html"), content(`${EVIL} ${turn}`, 1));
    dacti("-q", "site", evil.from, "-o", evil.out);
  }
  const server = await serveChanged(t, out);
  const started = await browser(t);
  const shown = await openPage(t, started);
  await shown.goto(server.url);
  await until(async () => (await textOf(shown).catch(() => "")).includes(RIGHT));
  const client = await shown.createCDPSession();
  await client.send("ServiceWorker.enable");
  // The server now has a later version that the publisher did not sign.
  const [evilHead, rightHead] = [join(evil.out, PACKAGE), join(out, PACKAGE)];
  const saved = await readFile(rightHead);
  await copyFile(evilHead, rightHead);
  await client.send("ServiceWorker.stopAllWorkers");
  await shown.goto(server.url);
  assert.ok((await textOf(shown)).includes(RIGHT));
  // The publisher's next version has a lower sequence than the refused version. It must still be
  // accepted.
  await writeFile(rightHead, saved);
  await writeFile(join(from, "index.html"), content("the second text", 1));
  dacti("-q", "site", from, "-o", out, "--sign", key);
  await client.send("ServiceWorker.stopAllWorkers");
  await shown.goto(server.url);
  assert.ok((await textOf(shown)).includes("the second text"));
});

test("what is broken mid-way is refused, and the pages that were read stay", async (t) => {
  const key = newKey(folder(t));
  const { out } = await site(t, right, "--sign", key);
  const server = await serveChanged(t, out);
  const started = await browser(t);
  const shown = await openPage(t, started);
  await shown.goto(server.url);
  await until(async () => (await textOf(shown).catch(() => "")).includes(RIGHT));
  server.change = (answer, { path }) => {
    if (!path.includes(".parts/") || answer.status !== 206) return answer;
    const body = Buffer.from(answer.body);
    body[0] ^= 1;
    return { ...answer, body };
  };
  const answer = await shown.goto(`${server.url}b.html`);
  assert.equal(answer.status(), 502);
  assert.match(await textOf(shown), /This page was refused/);
  await shown.goto(server.url);
  assert.ok((await textOf(shown)).includes(RIGHT));
});

test("without HTTPS the first page says what is needed", async (t) => {
  const { out } = await site(t, right);
  const server = await serveChanged(t, out);
  const started = await browser(t, "--host-resolver-rules=MAP insecure.test 127.0.0.1");
  const shown = await openPage(t, started);
  await shown.goto(server.url.replace("127.0.0.1", "insecure.test"));
  assert.match(await textOf(shown), /This site needs HTTPS/);
});
