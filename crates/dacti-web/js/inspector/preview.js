// A preview of a region's content: a picture, text, or bytes in hexadecimal. Markup is shown as
// text, so a package cannot run code on this page or change it.

import { bytes, dump, element, visible } from "./text.js";

/** The maximum number of bytes of text, and of other contents, that are shown. */
const TEXT_MAX = 64 * 1024;
const DUMP_MAX = 4096;
/** The maximum number of bytes of a picture that is shown. */
const PICTURE_MAX = 16 * 1024 * 1024;

const PICTURES = new Map([
  ["avif", "image/avif"],
  ["gif", "image/gif"],
  ["jpeg", "image/jpeg"],
  ["jpg", "image/jpeg"],
  ["png", "image/png"],
  ["svg", "image/svg+xml"],
  ["webp", "image/webp"],
]);

/** Returns the media type of a picture by the ending of its path; undefined for other paths. */
export function pictureType(path) {
  return PICTURES.get(/\.([a-z]+)$/i.exec(path ?? "")?.[1].toLowerCase());
}

/** Returns content as text if it is UTF-8 without control characters; undefined if it is not. */
export function asText(content) {
  try {
    // The content may be cut in the middle of a character.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(content, { stream: true });
    return /[\x00-\x08\x0e-\x1f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

let shownPicture;

/** Returns elements that show the content of a region. */
export async function preview(opened, region, signal) {
  if (shownPicture) URL.revokeObjectURL(shownPicture);
  shownPicture = undefined;
  const name = region.path ?? region.id;
  const type = pictureType(region.path);
  const isPicture = type && (region.size ?? 0) <= PICTURE_MAX;
  const isLong = !isPicture && (region.size ?? Infinity) > TEXT_MAX;
  const span = isLong ? { start: 0, end: TEXT_MAX } : {};
  const content = await opened.get(name, { signal, ...span });
  if (isPicture) {
    shownPicture = URL.createObjectURL(new Blob([content], { type }));
    return [element("img", { src: shownPicture, alt: `Picture ${visible(name)}` })];
  }
  const text = asText(content);
  const shown = text === undefined ? dump(content.subarray(0, DUMP_MAX)) : text;
  const length = text === undefined ? Math.min(DUMP_MAX, content.length) : content.length;
  const label = `Content of ${visible(name)}`;
  const block = element("pre", { tabIndex: 0, role: "region", "aria-label": label }, shown);
  const rest = length < region.size ? `The first ${bytes(length)} of ${bytes(region.size)}` : "";
  return [block, rest && element("p", { textContent: rest })].filter(Boolean);
}
