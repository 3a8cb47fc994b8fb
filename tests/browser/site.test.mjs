// A site made by `dacti site`, in a browser, from the servers that people use.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  browser,
  folder,
  openPage,
  serveByDacti,
  serveByNginx,
  textOf,
  until,
  visit,
} from "./lib.mjs";
import { MEDIA, files, newKey, site } from "./sites.mjs";

async function checkPages(t, url) {
  const started = await browser(t);
  const shown = await openPage(t, started);
  // The first visit is to a page deep in the site.
  await visit(shown, `${url}docs/`);
  assert.match(await textOf(shown), /^Docs/);
  const size = await shown.$eval("#picture", (picture) => picture.naturalWidth);
  assert.equal(size, 7);
  const colour = await shown.$eval("h1", (title) => getComputedStyle(title).color);
  assert.equal(colour, "rgb(1, 2, 3)");
  for (const [path, title, at] of [
    ["", "Home", ""],
    ["about", "About", "about"],
    ["about.html", "About", "about.html"],
    ["about?q=1#f", "About", "about?q=1#f"],
    ["docs", "Docs", "docs/"],
    ["docs/a%20b", "Blank", "docs/a%20b"],
    ["docs/caf%C3%A9", "Café", "docs/caf%C3%A9"],
    ["docs/cafe%CC%81", "Café", "docs/cafe%CC%81"],
  ]) {
    const answer = await shown.goto(url + path);
    assert.match(await textOf(shown), new RegExp(`^${title}`), path);
    assert.equal(shown.url(), url + at);
    assert.equal(answer.status(), 200, path);
  }
  for (const path of ["nothing", "docs/nothing/", "%2e%2e%2fx", "docs%2Findex.html"]) {
    const answer = await shown.goto(url + path);
    assert.equal(answer.status(), 404, path);
    assert.match(await textOf(shown), /^Nothing here/);
  }
  await shown.goto(`${url}frame`);
  await until(() => shown.frames().some((frame) => frame.url() === `${url}about`));
  const frame = shown.frames().find((found) => found.url() === `${url}about`);
  assert.match(await frame.evaluate(() => document.body.innerText), /^About/);
  await checkRanges(shown);
}

/** Requests ranges of the video, as media elements do. */
async function checkRanges(shown) {
  const clip = files["clip.mp4"];
  const asked = (range) =>
    shown.evaluate(async (range) => {
      const answer = await fetch("/clip.mp4", { headers: { range } });
      const body = new Uint8Array(await answer.arrayBuffer());
      const sum = body.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 0);
      return { status: answer.status, of: answer.headers.get("content-range"), sum };
    }, range);
  const sumOf = (bytes) => bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 0);
  assert.deepEqual(await asked("bytes=1000000-1999999"), {
    status: 206,
    of: `bytes 1000000-1999999/${MEDIA}`,
    sum: sumOf(clip.subarray(1_000_000, 2_000_000)),
  });
  assert.deepEqual(await asked("bytes=-5"), {
    status: 206,
    of: `bytes ${MEDIA - 5}-${MEDIA - 1}/${MEDIA}`,
    sum: sumOf(clip.subarray(MEDIA - 5)),
  });
  assert.equal((await asked(`bytes=${MEDIA}-`)).status, 416);
  const whole = await shown.evaluate(() =>
    fetch("/clip.mp4").then(async (answer) => (await answer.arrayBuffer()).byteLength),
  );
  assert.equal(whole, MEDIA);
}

test("pages of a signed site by dacti serve", async (t) => {
  const key = newKey(folder(t));
  const { out } = await site(t, files, "--sign", key);
  const { url } = await serveByDacti(t, out);
  await checkPages(t, url);
});

test("pages of a signed site by nginx", async (t) => {
  const key = newKey(folder(t));
  const { out } = await site(t, files, "--sign", key);
  const { url } = await serveByNginx(t, out);
  await checkPages(t, url);
});

test("visited pages are readable offline", async (t) => {
  const { out } = await site(t);
  const server = await serveByDacti(t, out);
  const started = await browser(t);
  const shown = await openPage(t, started);
  await visit(shown, `${server.url}docs/`);
  await shown.goto(`${server.url}about`);
  await server.stop();
  for (const [path, title] of [
    ["docs/", "Docs"],
    ["about", "About"],
  ]) {
    const answer = await shown.goto(server.url + path);
    assert.equal(answer.status(), 200);
    assert.match(await textOf(shown), new RegExp(`^${title}`));
  }
  const answer = await shown.goto(`${server.url}docs/caf%C3%A9`);
  assert.equal(answer.status(), 503);
  assert.match(await textOf(shown), /^This page cannot be loaded/);
});

test("all pages are readable offline with --precache", async (t) => {
  const { out } = await site(t, files, "--precache");
  const server = await serveByDacti(t, out);
  const started = await browser(t);
  const shown = await openPage(t, started);
  await visit(shown, server.url);
  const isDone = () =>
    shown.evaluate(async () => {
      const kept = await caches.open("dacti-site /");
      for (const request of await kept.keys()) {
        if (!request.url.includes("/precached/")) continue;
        return (await (await kept.match(request)).text()) === '"all"';
      }
      return false;
    });
  await until(isDone);
  await server.stop();
  for (const [path, title] of [
    ["docs/", "Docs"],
    ["about", "About"],
    ["docs/a%20b", "Blank"],
  ]) {
    await shown.goto(server.url + path);
    assert.match(await textOf(shown), new RegExp(`^${title}`));
  }
  await checkRanges(shown);
});
