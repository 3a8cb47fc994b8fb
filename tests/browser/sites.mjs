// Sites that several tests use.

import { join } from "node:path";
import { dacti, folder, write } from "./lib.mjs";

/** The length of the video: longer than a page. Its bytes vary, so a wrong range is noticed. */
export const MEDIA = 3_000_000;

/** Returns a page with a title. */
export const page = (title, more = "") =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>` +
  `<link rel="stylesheet" href="/style.css"><h1>${title}</h1>${more}</html>`;

/** The files of a small site. */
export const files = {
  "index.html": page("Home", '<a href="about">About</a>'),
  "about.html": page("About"),
  "docs/index.html": page("Docs", '<img id="picture" src="dot.svg" alt="">'),
  "docs/dot.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="9"/>',
  "docs/a b.html": page("Blank"),
  "docs/café.html": page("Café"),
  "404.html": page("Nothing here"),
  "style.css": "h1 { color: rgb(1, 2, 3) }",
  "clip.mp4": Buffer.from(Array.from({ length: MEDIA }, (_, at) => (at * 7919) >> 3)),
  "frame.html": page("Frame", '<iframe src="about"></iframe>'),
};

/** Makes a site, signed if `key` is a file. */
export async function site(t, content = files, ...args) {
  const root = folder(t);
  await write(join(root, "in"), content);
  dacti("-q", "site", join(root, "in"), "-o", join(root, "out"), ...args);
  return { from: join(root, "in"), out: join(root, "out"), root };
}

/** Makes a key in a folder. Returns the file of the private key. */
export function newKey(root) {
  const file = join(root, "site.key");
  dacti("-q", "key", "new", "-o", file);
  return file;
}
