// Updates that are published while pages are open: all files of a page are from one view.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  FULL,
  browser,
  dacti,
  folder,
  openPage,
  serveChanged,
  textOf,
  until,
  visit,
  write,
} from "./lib.mjs";

const NAVIGATIONS = FULL ? 1000 : 60;
/** Returns the files of a site. Four of them contain the version: the page and three files that it
 * loads. In one view, all four have the same version. */
const versioned = (version) => ({
  "index.html":
    `<!doctype html><meta charset="utf-8"><title>v</title><script src="version.js"></script>` +
    `<link rel="stylesheet" href="version.css"><p id="page">${version}</p>`,
  "version.js": `globalThis.version = "${version}";`,
  "version.css": `#page { --version: ${version} }`,
  "version.txt": `${version}`,
  // This file never changes, so an update is smaller than the site.
  "large.txt": "the same text in all versions\n".repeat(20_000),
});

/** Returns the version in each file of an open page. */
const versionsOf = (page) =>
  page.evaluate(async () => [
    document.getElementById("page").textContent,
    globalThis.version,
    getComputedStyle(document.getElementById("page")).getPropertyValue("--version").trim(),
    await fetch("version.txt").then((answer) => answer.text()),
  ]);

/** A site that can publish its next version. */
async function published(t, change) {
  const root = folder(t);
  const [from, out] = [join(root, "in"), join(root, "out")];
  const key = join(root, "key");
  dacti("-q", "key", "new", "-o", key);
  const publish = async (version) => {
    await write(from, versioned(version));
    dacti("-q", "site", from, "-o", out, "--sign", key);
  };
  await publish(1);
  // The worker checks for a later view before each navigation.
  const worker = async (answer, { path }) => {
    if (path !== "/dacti-worker.js") return answer;
    const text = answer.body.toString().replace(/dacti\.serve\(\{/, '$&"refreshMs":0,');
    return { ...answer, body: Buffer.from(text) };
  };
  const server = await serveChanged(t, out, async (answer, request) => {
    const changed = await worker(answer, request);
    return change ? change(changed, request) : changed;
  });
  return { publish, server, out };
}

test("a page is of one view while updates are published", async (t) => {
  const { publish, server } = await published(t);
  const started = await browser(t);
  const page = await openPage(t, started);
  await visit(page, server.url);
  let version = 1;
  const seen = new Set();
  let publishing = Promise.resolve();
  for (let at = 0; at < NAVIGATIONS; at += 1) {
    if (at % 3 === 1) {
      version += 1;
      publishing = publish(version);
    }
    await page.goto(server.url);
    const versions = await versionsOf(page);
    assert.equal(new Set(versions).size, 1, `navigation ${at}: ${versions}`);
    seen.add(versions[0]);
    await publishing;
  }
  t.diagnostic(`${NAVIGATIONS} navigations, ${version} versions, ${seen.size} of them seen`);
  assert.ok(seen.size > version / 2, `${seen.size} of ${version} versions were seen`);
});

test("an open page keeps its view, also in a worker that was started again", async (t) => {
  const { publish, server } = await published(t);
  const started = await browser(t);
  const page = await openPage(t, started);
  await visit(page, server.url);
  await publish(2);
  const other = await openPage(t, started);
  await other.goto(server.url);
  assert.deepEqual(await versionsOf(other), ["2", "2", "2", "2"]);
  assert.deepEqual(await versionsOf(page), ["1", "1", "1", "1"]);
  const client = await page.createCDPSession();
  await client.send("ServiceWorker.enable");
  await client.send("ServiceWorker.stopAllWorkers");
  assert.deepEqual(await versionsOf(page), ["1", "1", "1", "1"]);
  assert.deepEqual(await versionsOf(other), ["2", "2", "2", "2"]);
});

test("an update costs what changed and a head", async (t) => {
  const { publish, server, out } = await published(t);
  const started = await browser(t);
  const page = await openPage(t, started);
  await visit(page, server.url);
  await page.evaluate(() => fetch("large.txt").then((answer) => answer.text()));
  const parts = join(out, "dacti-site/site.dacti-pack.parts");
  const before = new Set(await readdir(parts));
  await publish(2);
  const added = (await readdir(parts)).filter((name) => !before.has(name));
  const block = (await readFile(join(parts, added[0]))).length;
  server.requests.length = 0;
  await page.goto(server.url);
  assert.deepEqual(await versionsOf(page), ["2", "2", "2", "2"]);
  const bytes = server.requests.reduce((sum, { range }) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [0, 0, -1];
    return sum + Number(to) - Number(from) + 1;
  }, 0);
  t.diagnostic(`${server.requests.length} requests, ${bytes} bytes, block of ${block}`);
  assert.ok(bytes <= block + 65_536, `${bytes} bytes for a block of ${block}`);
});

test("a cache that serves stale heads never mixes views", async (t) => {
  const heads = [];
  let turn = 0;
  // The server may answer each request for the head with any head that it has had so far.
  const stale = (answer, { path }) => {
    if (path !== "/dacti-site/site.dacti-pack" || answer.status !== 206) return answer;
    if (!heads.some((head) => head.body.equals(answer.body))) heads.push(answer);
    turn += 1;
    return heads[(turn * 7) % heads.length];
  };
  const { publish, server } = await published(t, stale);
  const started = await browser(t);
  const page = await openPage(t, started);
  await visit(page, server.url);
  let last = 1;
  for (let version = 2; version < (FULL ? 200 : 16); version += 1) {
    await publish(version);
    await page.goto(server.url);
    const versions = await versionsOf(page);
    assert.equal(new Set(versions).size, 1, `${versions}`);
    // The worker has used a later head, so it never accepts an older one.
    assert.ok(Number(versions[0]) >= last, `${versions[0]} after ${last}`);
    last = Number(versions[0]);
  }
  t.diagnostic(`${heads.length} heads, the last page was of version ${last}`);
  assert.ok(last > 1);
});
