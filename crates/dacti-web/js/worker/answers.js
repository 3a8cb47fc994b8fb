// Answers that are not regions of the package: a missing page, and a page that was refused.

/** The kinds of errors after which the server counts as unreachable. */
const UNREACHABLE = new Set(["unavailable", "io", "stale"]);
/** The kinds of errors after which the bytes are refused. */
const REFUSED = new Set(["corrupt", "truncated", "denied", "unsupported", "limit"]);

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (text) => text.replace(/[&<>"]/g, (character) => ESCAPES[character]);

const STYLE = `:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem}
code{overflow-wrap:anywhere}`;

function page(status, title, lines, retry) {
  const body = lines.map((line) => `<p>${escaped(line)}</p>`).join("\n");
  const html = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${STYLE}</style>
<main><h1>${escaped(title)}</h1>
${body}
${retry ? '<p><a href="">Try again</a></p>' : ""}</main></html>
`;
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'",
    "cache-control": "no-store",
  };
  return new Response(html, { status, headers });
}

/** Answers for a missing path, if the package has no 404 page of its own. */
export function missing() {
  return page(404, "Page not found", ["This site has no page under this address."], false);
}

/** Explains an error to a visitor: returns a status, a title and a reason. */
export function meaning(error) {
  const kind = error?.kind;
  if (UNREACHABLE.has(kind)) {
    return {
      status: 503,
      title: "This page cannot be loaded",
      why: "The server cannot be reached, and this browser has not stored this page.",
    };
  }
  if (REFUSED.has(kind)) {
    return {
      status: 502,
      title: "This page was refused",
      why:
        "The server sent bytes that the publisher did not sign, or that are damaged. " +
        "They are not shown.",
    };
  }
  return {
    status: 502,
    title: "This page cannot be shown",
    why: "The package of this site cannot be read.",
  };
}

/** Answers a request that failed: with a page that explains why, or with a status and one line. */
export function failure(error, isPage) {
  const { status, title, why } = meaning(error);
  const message = String(error?.message ?? error);
  if (isPage) return page(status, title, [why, message], true);
  const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };
  return new Response(`${title}: ${message}\n`, { status, headers });
}
