// The regions that the path of a URL may name. A URL may leave out `index.html` or `.html`.

/**
 * Returns the region paths to try for a URL path, or null if the path cannot name a region.
 *
 * `path` is relative to the site and percent-encoded. Try `regions` in order. If none of them
 * exists, but `folder` does, redirect to `path/`, because the page has relative links.
 */
export function candidates(path) {
  const parts = [];
  for (const part of path.split("/")) {
    let decoded;
    try {
      decoded = decodeURIComponent(part).normalize("NFC");
    } catch {
      return null;
    }
    // If a part could contain a decoded slash, it could name the region of a different path.
    if (decoded.includes("/") || decoded.includes("\0") || decoded === "." || decoded === "..") {
      return null;
    }
    parts.push(decoded);
  }
  const last = parts.pop();
  if (parts.includes("")) return null;
  const folder = parts.map((part) => `${part}/`).join("");
  if (last === "") return { regions: [`${folder}index.html`], folder: null };
  const name = folder + last;
  return { regions: [name, `${name}.html`], folder: `${name}/index.html` };
}
