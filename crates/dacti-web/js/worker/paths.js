// The regions that the path of a URL may mean: index pages and clean URLs.

/**
 * Returns the region paths to try for a URL path, or null if the path can name no region.
 *
 * `path` is relative to the site and percent-encoded. `regions` are tried in order. `folder` is a
 * region whose page stands at `path/`, so that its relative links need a redirect to there.
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
    // A decoded slash would name another region than the same path without the escape.
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
