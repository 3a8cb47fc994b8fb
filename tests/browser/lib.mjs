// The shared parts of the browser tests: the program, servers, a browser, and sites to serve.

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { launch } from "puppeteer-core";
import { remove } from "../web/remove.js";

/** The program under test. */
export const DACTI = process.env.DACTI ?? "dacti";
/** Whether to run the long forms of the tests. */
export const FULL = process.env.DACTI_WEB_FULL === "1";
/** The folder for screenshots and measurements. */
export const OUT = process.env.DACTI_WEB_OUT ?? join(tmpdir(), "dacti-web");

/** Makes a folder that is removed when the test ends. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "dacti-web-"));
  t.after(() => remove(path));
  return path;
}

/** Runs the program, and fails if the program fails. Returns its standard output. */
export function dacti(...args) {
  const { status, stdout, stderr, error } = spawnSync(DACTI, args, { encoding: "utf8" });
  if (status !== 0) throw error ?? new Error(`dacti ${args.join(" ")}: ${status}\n${stderr}`);
  return stdout;
}

/** Writes files into a folder. */
export async function write(root, files) {
  const made = new Set();
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    if (!made.has(dirname(file))) mkdirSync(dirname(file), { recursive: true });
    made.add(dirname(file));
    writeFileSync(file, content);
  }
}

/** Starts a program, and returns the first line that it prints. The program ends with the test. */
async function started(t, program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((done) => child.on("exit", done));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  t.after(stop);
  let text = "";
  for await (const piece of child.stdout) {
    text += piece;
    if (text.includes("\n")) break;
  }
  return { line: text.split("\n")[0], stop };
}

/** Serves a folder with `dacti serve`. */
export async function serveByDacti(t, root, ...args) {
  const { line, stop } = await started(t, DACTI, ["-q", "serve", root, "-l", "0", ...args]);
  return { url: line, stop };
}

/** Shows a file in the inspector. Returns the address of its page. */
export async function inspect(t, file) {
  const { line, stop } = await started(t, DACTI, ["-q", "inspect", "--serve", file]);
  return { url: line, stop };
}

/** Serves a folder with nginx, with the settings of docs/guide/browser.md. */
export async function serveByNginx(t, root) {
  const home = folder(t);
  const port = await freePort();
  const config = `
daemon off; master_process off; pid ${home}/pid; error_log ${home}/error.log;
events {}
http {
  types { text/html html; text/css css; text/javascript js; application/wasm wasm; }
  access_log off;
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy;
  fastcgi_temp_path ${home}/f; uwsgi_temp_path ${home}/u; scgi_temp_path ${home}/s;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    error_page 404 /404.html;
    location ~ \\.parts/ { add_header Cache-Control "public, max-age=31536000, immutable"; }
    location ~ \\.dacti-pack$ { add_header Cache-Control "public, max-age=60"; }
  }
}`;
  await writeFile(join(home, "nginx.conf"), config);
  const child = spawn("/usr/sbin/nginx", ["-c", join(home, "nginx.conf"), "-p", home], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = new Promise((done) => child.on("exit", done));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  t.after(stop);
  const url = `http://127.0.0.1:${port}/`;
  await until(() => answers(url));
  return { url, stop };
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const answers = (url) =>
  fetch(url).then(
    () => true,
    () => false,
  );

/** Waits until a condition holds. Fails after some seconds. */
export async function until(holds, ms = 10_000) {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${holds}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

const TYPES = {
  html: "text/html",
  css: "text/css",
  js: "text/javascript",
  wasm: "application/wasm",
};

/**
 * Serves a folder from this process, with ranges. `change(answer, request)` may change each answer
 * `{status, headers, body}` before it is sent, to act as a stale cache or a hostile server.
 */
export async function serveChanged(t, root, change = (answer) => answer) {
  const state = { change, requests: [] };
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    state.requests.push({ path, range: request.headers.range ?? null });
    let answer = await fromFolder(root, path, request.headers.range);
    answer = (await state.change(answer, { path, range: request.headers.range })) ?? answer;
    if (answer === "cut") return response.destroy();
    response.writeHead(answer.status, { "content-length": answer.body.length, ...answer.headers });
    response.end(request.method === "HEAD" ? undefined : answer.body);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  let stopped;
  state.stop = () => {
    stopped ??= new Promise((done) => {
      server.close(done);
      server.closeAllConnections();
    });
    return stopped;
  };
  t.after(state.stop);
  state.url = `http://127.0.0.1:${server.address().port}/`;
  return state;
}

async function fromFolder(root, path, range) {
  let file = join(root, path);
  if (path.endsWith("/")) file = join(file, "index.html");
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) {
    const page = await readFile(join(root, "404.html")).catch(() => Buffer.from("missing"));
    return { status: 404, headers: { "content-type": "text/html" }, body: page };
  }
  const content = await readFile(file);
  const type = TYPES[file.split(".").pop()] ?? "application/octet-stream";
  const headers = { "content-type": type, "accept-ranges": "bytes" };
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
  if (!asked) return { status: 200, headers, body: content };
  const start = Number(asked[1]);
  const end = Math.min(asked[2] === "" ? Infinity : Number(asked[2]) + 1, content.length);
  if (start >= content.length) {
    const none = { ...headers, "content-range": `bytes */${content.length}` };
    return { status: 416, headers: none, body: Buffer.alloc(0) };
  }
  const shown = { ...headers, "content-range": `bytes ${start}-${end - 1}/${content.length}` };
  return { status: 206, headers: shown, body: content.subarray(start, end) };
}

/** The browser under test: `chrome` or `firefox`. */
export const BROWSER = process.env.DACTI_WEB_BROWSER ?? "chrome";

const PROGRAMS = { chrome: "/usr/bin/chromium", firefox: "/usr/bin/firefox-esr" };

/** Starts a browser that ends with the test. */
export async function browser(t, ...args) {
  const started = await launch({
    browser: BROWSER,
    executablePath: PROGRAMS[BROWSER],
    args: BROWSER === "chrome" ? ["--no-sandbox", "--disable-gpu", ...args] : args,
    protocolTimeout: 120_000,
  });
  t.after(() => started.close());
  return started;
}

/** Opens a page whose errors fail the test. Tests check the status of answers themselves. */
export async function openPage(t, started) {
  const page = await started.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    const isStatus = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isStatus) errors.push(message.text());
  });
  t.after(() => {
    if (errors.length > 0) throw new Error(`the page told errors:\n${errors.join("\n")}`);
  });
  return page;
}

/** Opens a page of a site. If the page of the first visit appears, waits until it is gone. */
export async function visit(page, url) {
  await page.goto(url);
  await settled(page);
}

/** Waits until a page no longer shows the page of the first visit. */
export async function settled(page) {
  const ready = () =>
    document.readyState === "complete" &&
    !document.querySelector('script[src*="dacti-site/boot.js"]');
  await until(() => page.evaluate(ready).catch(() => false), 20_000);
}

/** Returns the text that a page shows. */
export const textOf = (page) => page.evaluate(() => document.body.innerText);
