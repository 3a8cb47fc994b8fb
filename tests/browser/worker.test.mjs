// Tests the parts of the service worker that need no browser: paths, and the choice of views.

import assert from "node:assert/strict";
import { test } from "node:test";
import { candidates } from "../../crates/dacti-web/js/worker/paths.js";
import { meaning } from "../../crates/dacti-web/js/worker/answers.js";
import { Views } from "../../crates/dacti-web/js/worker/views.js";

test("a path means a page, a clean URL or a folder", () => {
  const check = (path, regions, folder) => assert.deepEqual(candidates(path), { regions, folder });
  check("", ["index.html"], null);
  check("docs/", ["docs/index.html"], null);
  check("about", ["about", "about.html"], "about/index.html");
  check("docs/a%20b", ["docs/a b", "docs/a b.html"], "docs/a b/index.html");
  check("cafe%CC%81", ["caf\u00e9", "caf\u00e9.html"], "caf\u00e9/index.html");
  for (const none of ["a%2Fb", "%", "a//b", "%2E%2E", "a%00", "%C3"]) {
    assert.equal(candidates(none), null, none);
  }
});

test("errors of the server and of the bytes are told apart", () => {
  for (const kind of ["unavailable", "io", "stale"]) assert.equal(meaning({ kind }).status, 503);
  for (const kind of ["corrupt", "denied", "truncated"]) {
    assert.match(meaning({ kind }).title, /refused/);
  }
  assert.equal(meaning(new TypeError("x")).status, 502);
});

/** The store of a worker, without a browser. */
class Memory {
  kept = new Map();
  async bytes(name) {
    return this.kept.get(name);
  }
  async json(name) {
    const text = this.kept.get(name);
    return text && JSON.parse(text);
  }
  async put(name, bytes) {
    this.kept.set(name, bytes);
  }
  async putJson(name, value) {
    this.kept.set(name, JSON.stringify(value));
  }
  async delete(name) {
    this.kept.delete(name);
  }
  async below(prefix) {
    const names = [...this.kept.keys()].filter((name) => name.startsWith(prefix));
    return names.map((name) => name.slice(prefix.length));
  }
}

/** Returns the views of a server. Its head is a single byte, the sequence. */
function worker(server, store, refreshMs = 0) {
  const open = async (head) => {
    if (!head && server.down) throw new Error("unreachable");
    const sequence = head ? head[0] : server.sequence;
    return { package: { sequence }, head: Uint8Array.of(sequence) };
  };
  return new Views(store, open, { refreshMs, patienceMs: 1000 });
}

const sequence = async (view) => (await view).package.sequence;

test("a page keeps its view, and the next page takes a later one", async () => {
  const [server, store] = [{ sequence: 1 }, new Memory()];
  let views = worker(server, store);
  await views.pin("a", await views.forNavigation(), "/a");
  server.sequence = 2;
  await views.pin("b", await views.forNavigation(), "/b");
  assert.equal(await sequence(views.ofPage("a")), 1);
  assert.equal(await sequence(views.ofPage("b")), 2);
  // The browser has ended the worker, and the server does not answer.
  server.down = true;
  views = worker(server, store);
  assert.equal(await sequence(views.ofPage("a")), 1);
  assert.equal(await sequence(views.ofPage("b")), 2);
  assert.equal(await sequence(views.forNavigation()), 2);
  // The worker remembers no view for this page. So the page gets the current view, and keeps it.
  assert.equal(await sequence(views.ofPage("c")), 2);
  assert.equal(await sequence(views.ofUrl("/a")), 1);
});

test("an older head is not taken, by a new worker either", async () => {
  const [server, store] = [{ sequence: 5 }, new Memory()];
  let views = worker(server, store);
  assert.equal(await sequence(views.forNavigation()), 5);
  server.sequence = 4;
  assert.equal(await sequence(views.forNavigation()), 5);
  views = worker(server, store);
  assert.equal(await sequence(views.forNavigation()), 5);
  server.sequence = 6;
  assert.equal(await sequence(views.forNavigation()), 6);
});

test("the network is not asked before its time", async () => {
  const [server, store] = [{ sequence: 1 }, new Memory()];
  const views = worker(server, store, 60_000);
  assert.equal(await sequence(views.forNavigation()), 1);
  server.sequence = 2;
  assert.equal(await sequence(views.forNavigation()), 1);
  assert.equal(await sequence(views.refresh()), 2);
});

test("views of closed pages are forgotten", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const [server, store] = [{ sequence: 1 }, new Memory()];
  const views = worker(server, store);
  await views.pin("a", await views.forNavigation(), "/a");
  server.sequence = 2;
  await views.pin("b", await views.forNavigation(), "/b");
  assert.equal((await store.below("view/")).length, 2);
  // No client is open, but the pages are recent. Their clients may still appear, so the worker
  // keeps their views.
  await views.forgetClosed(new Set());
  await views.forgetClosed(new Set());
  assert.deepEqual(await store.below("page/"), ["a", "b"]);
  assert.equal((await store.below("view/")).length, 2);
  t.mock.timers.tick(16 * 60_000);
  await views.forgetClosed(new Set(["b"]));
  assert.deepEqual(await store.below("page/"), ["b"]);
  // A new page may be about to use this view. So the worker deletes a view only when it looks
  // unused twice in a row.
  assert.equal((await store.below("view/")).length, 2);
  await views.forgetClosed(new Set(["b"]));
  assert.equal((await store.below("view/")).length, 1);
  assert.equal(await sequence(views.ofPage("b")), 2);
});

test("a page that takes a view while others are forgotten keeps it", async () => {
  const [server, store] = [{ sequence: 1 }, new Memory()];
  const views = worker(server, store);
  for (let turn = 2; turn < 50; turn += 1) {
    const forgotten = views.forgetClosed(new Set());
    server.sequence = turn;
    const view = await views.forNavigation();
    await forgotten;
    await views.pin(`page ${turn}`, view, "/");
    assert.ok(await store.bytes(`view/${view.name}`), `view ${turn}`);
  }
});
