// A large site from another project: the documentation of the Rust toolchain.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, cp, mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";
import {
  FULL,
  OUT,
  browser,
  dacti,
  folder,
  openPage,
  serveByDacti,
  settled,
  until,
  visit,
} from "./lib.mjs";
import { newKey } from "./sites.mjs";

const sysroot = execFileSync("rustc", ["--print", "sysroot"], { encoding: "utf8" }).trim();
const documentation = join(sysroot, "share/doc/rust/html");

/** Ten pages, in the order in which a reader opens them. */
const PAGES = [
  "std/index.html",
  "std/vec/struct.Vec.html",
  "std/collections/index.html",
  "std/collections/struct.HashMap.html",
  "std/io/index.html",
  "std/io/trait.Read.html",
  "std/fs/struct.File.html",
  "std/option/enum.Option.html",
  "std/primitive.str.html",
  "std/string/struct.String.html",
];

/** Returns the milliseconds that each page took to load, with its scripts, styles and fonts. */
async function walk(started, url) {
  const context = await started.createBrowserContext();
  const page = await context.newPage();
  const times = [];
  for (const path of PAGES) {
    const start = performance.now();
    await page.goto(url + path, { waitUntil: "load" }).catch(() => undefined);
    await settled(page);
    await page.evaluate(() => document.fonts.ready.then(() => true));
    times.push(performance.now() - start);
  }
  return { context, page, times };
}

test("the toolchain's documentation as a signed site", async (t) => {
  if (!existsSync(documentation)) {
    t.skip(`${documentation} is not installed: rustup component add rust-docs`);
    return;
  }
  const root = folder(t);
  const from = FULL ? join(sysroot, "share/doc") : join(root, "in");
  if (!FULL) {
    // Some modules of one crate, and the files that their pages load.
    const wanted =
      /^(static\.files|search\.index|crates.*\.js|std(\/(vec|collections|io|fs|option|string)|\/[^/]*\.(html|js))?)(\/|$)/;
    await cp(documentation, from, {
      recursive: true,
      filter: (file) => file === documentation || wanted.test(relative(documentation, file)),
    });
  }
  const prefix = FULL ? "rust/html/" : "";
  const started = performance.now();
  const out = join(root, "out");
  const made = dacti(
    "-q",
    "site",
    from,
    "-o",
    out,
    "--sign",
    newKey(root),
    "--symlinks",
    "skip",
    "--json",
  );
  const { files, bytes } = JSON.parse(made);
  const took = performance.now() - started;
  const [site, plain] = [await serveByDacti(t, out), await serveByDacti(t, from)];
  const chromium = await browser(t);
  const asFiles = await walk(chromium, plain.url + prefix);
  await asFiles.context.close();
  const asSite = await walk(chromium, site.url + prefix);
  const { page } = asSite;
  const shown = (times) => `first ${Math.round(times[0])} ms, tenth ${Math.round(times[9])} ms`;
  const figures =
    `${files} files, ${bytes} bytes in parts, made in ${Math.round(took / 1000)} s; ` +
    `as a site: ${shown(asSite.times)}; as files: ${shown(asFiles.times)}`;
  t.diagnostic(figures);
  await mkdir(OUT, { recursive: true });
  await appendFile(join(OUT, "documentation.txt"), `${figures}\n`);
  const fonts = await page.evaluate(
    () => [...document.fonts].filter((font) => font.status === "loaded").length,
  );
  assert.ok(fonts > 0, "fonts are loaded");
  await searches(page);
  await site.stop();
  // Offline, the visited pages and their search still work.
  for (const path of PAGES) {
    const answer = await page.goto(site.url + prefix + path);
    assert.equal(answer.status(), 200, path);
  }
  assert.match(await page.title(), /String in std::string/);
  await searches(page);
});

/** Searches in the documentation. Scripts load the index for it. */
async function searches(page) {
  await page.goto(`${page.url().split("?")[0]}?search=binary_heap`);
  const found = () => document.querySelectorAll(".search-results a").length > 0;
  await until(() => page.evaluate(found).catch(() => false), 30_000);
}
