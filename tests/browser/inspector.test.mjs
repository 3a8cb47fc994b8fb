// The inspector shows any daicon file of any size, by mouse and by keyboard.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  BROWSER,
  OUT,
  browser,
  dacti,
  folder,
  inspect,
  openPage,
  textOf,
  until,
  write,
} from "./lib.mjs";
import { newKey, site } from "./sites.mjs";

const REGIONS = 100_000;
/** The maximum time in milliseconds from an input to the next picture. */
const INTERACTION_MS = 100;

/** A published package without regions: preamble and one table. */
const SMALLEST = new URL("../fixtures/package_published_80_bytes.bin", import.meta.url);

/** Waits until the inspector has read its file. */
const isShown = (page) =>
  until(
    () => page.evaluate(() => /, read in /.test(document.getElementById("status").innerText)),
    60_000,
  );

/** Returns the milliseconds from a change of the page to the next picture. */
const timed = (page, work, ...args) =>
  page.evaluate(
    async (text, args) => {
      const start = performance.now();
      await new Function("args", text)(args);
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      return performance.now() - start;
    },
    work,
    args,
  );

async function screenshot(page, name) {
  await mkdir(OUT, { recursive: true });
  await page.screenshot({ path: join(OUT, `${name}.png`), fullPage: true });
}

async function manyRegions(root) {
  const from = join(root, "in");
  const files = {};
  for (let at = 0; at < REGIONS; at += 1) {
    files[`folder-${at % 100}/page-${at}.txt`] = `the content of page ${at}\n`;
  }
  await write(from, files);
  const file = join(root, "many.dacti-pack");
  dacti("-q", "pack", from, "-o", file);
  return file;
}

test("100,000 regions: search, list and map answer within 100 ms", async (t) => {
  if (BROWSER !== "chrome") return t.skip("times are measured in Chromium");
  const file = await manyRegions(folder(t));
  const { url } = await inspect(t, file);
  const started = await browser(t, "--window-size=1280,900");
  const page = await openPage(t, started);
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(url);
  await isShown(page);
  await screenshot(page, "inspector-100000");
  assert.match(await textOf(page), /100,00[01] regions/);
  const rows = await page.$$eval(".rows .row", (found) => found.length);
  assert.ok(rows < 300, `${rows} rows are elements`);
  const input = `
    const search = document.getElementById("search");
    search.value = args[0];
    search.dispatchEvent(new Event("input"));`;
  const times = {};
  times.search = await timed(page, input, "page-7777");
  assert.match(await page.$eval(".count", (count) => count.innerText), /^11 regions/);
  times.searchAll = await timed(page, input, "");
  const scroll = 'document.querySelector(".scroller").scrollTop = 1e6;';
  times.scroll = await timed(page, scroll);
  const key = `
    const map = document.getElementById("map");
    map.dispatchEvent(new KeyboardEvent("keydown", { key: args[0] }));`;
  for (const name of ["ArrowRight", "+", "+", "ArrowDown", "End", "Enter", "0"]) {
    times[`map ${name}`] = await timed(page, key, name);
  }
  const choose = `
    const grid = document.querySelector("[role=grid]");
    grid.dispatchEvent(new KeyboardEvent("keydown", { key: args[0] }));`;
  times.choose = await timed(page, choose, "End");
  t.diagnostic(JSON.stringify(times, (_, value) => (value > 0 ? Math.round(value) : value)));
  for (const [name, time] of Object.entries(times)) {
    assert.ok(time <= INTERACTION_MS, `${name} took ${time} ms`);
  }
  await until(async () =>
    /the content of page \d+/.test(await page.$eval(".content", (e) => e.innerText)),
  );
  assert.match(await page.$eval(".detail", (detail) => detail.innerText), /digest is right/);
  await page.evaluate(() => {
    document.documentElement.dataset.theme = "dark";
  });
  await screenshot(page, "inspector-100000-dark");
});

test("the 80-byte file is shown byte by byte", async (t) => {
  const { url } = await inspect(t, SMALLEST.pathname);
  const started = await browser(t);
  const page = await openPage(t, started);
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(url);
  await isShown(page);
  const text = await textOf(page);
  assert.match(text, /dacti package, version 0\.0/);
  assert.match(text, /80 B/);
  await page.focus("#map");
  await page.keyboard.press("ArrowRight");
  assert.match(await page.$eval("#map-place", (place) => place.innerText), /0x0 to 0x1c, 28 B/);
  await page.keyboard.press("ArrowRight");
  assert.match(await page.$eval("#map-place", (place) => place.innerText), /0x1c to 0x50, 52 B/);
  await screenshot(page, "inspector-80-bytes");
});

test("a signed file is shown with its seals, and of another one the way to its map", async (t) => {
  const root = folder(t);
  const { from } = await site(t);
  const file = join(root, "site.dacti-pack");
  dacti("-q", "pack", from, "-o", file, "--sign", newKey(root));
  const { url } = await inspect(t, file);
  const started = await browser(t);
  const page = await openPage(t, started);
  await page.goto(url);
  await isShown(page);
  const tabs = await page.$$eval("[role=tab]", (found) => found.map((tab) => tab.innerText));
  assert.deepEqual(tabs, ["Regions (10)", "Tables", "Index", "Seals", "Bytes", "Requests"]);
  await page.click("#tab-seals");
  assert.match(
    await page.$eval("#panel-seals", (panel) => panel.innerText),
    /each region has a signature/,
  );
  // The inspector of the program shows only the file with which the program was started. For other
  // files, the npm package has a module.
  const input = await page.$("#file");
  await input.uploadFile(file);
  const told = () =>
    /only the map of its own file: run it with this file/.test(
      document.getElementById("status").innerText,
    );
  await until(() => page.evaluate(told));
});

test("a package in parts is shown with its parts and requests", async (t) => {
  const { out } = await site(t);
  const { url } = await inspect(t, join(out, "dacti-site/site.dacti-pack"));
  const started = await browser(t);
  const page = await openPage(t, started);
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(url);
  await isShown(page);
  await page.click("#tab-parts");
  assert.match(await page.$eval("#panel-parts", (e) => e.innerText), /[0-9a-f]{64}/);
  await page.click("#tab-requests");
  assert.match(await page.$eval("#panel-requests", (e) => e.innerText), /site\.dacti-pack/);
  await screenshot(page, "inspector-parts");
});

test("markup in a package does nothing on the page, and damage is told", async (t) => {
  const root = folder(t);
  const from = join(root, "in");
  const evil = '<img src=x onerror="document.title=1"><script>document.title = 2</script>';
  await write(from, {
    "<b>a.html": evil,
    "b.svg": `<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = 3</script></svg>`,
  });
  const file = join(root, "evil.dacti-pack");
  dacti("-q", "pack", from, "-o", file);
  const { url } = await inspect(t, file);
  const started = await browser(t);
  const page = await openPage(t, started);
  await page.goto(url);
  await isShown(page);
  await page.focus("[role=grid]");
  await page.keyboard.press("Home");
  await until(async () => (await page.$eval(".content", (e) => e.innerText)).includes("onerror"));
  await page.keyboard.press("ArrowDown");
  await until(() => page.$(".content img"));
  assert.equal(await page.title(), "dacti inspector");
  const broken = join(root, "broken.dacti-pack");
  await writeFile(broken, Buffer.concat([Buffer.from("daicon0"), Buffer.alloc(40, 255)]));
  const input = await page.$("#file");
  await input.uploadFile(broken);
  await until(() =>
    page.evaluate(() => /cannot be shown/.test(document.getElementById("status").innerText)),
  );
});
