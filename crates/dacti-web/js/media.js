// Media types by the ending of a path, for pages and their parts.

const TEXT = "; charset=utf-8";
const TYPES = {
  avif: "image/avif", bin: "application/octet-stream", bmp: "image/bmp", css: "text/css",
  csv: "text/csv", gif: "image/gif", gz: "application/gzip", htm: "text/html", html: "text/html",
  ico: "image/x-icon", jpeg: "image/jpeg", jpg: "image/jpeg", js: "text/javascript",
  json: "application/json", map: "application/json", md: "text/markdown", mjs: "text/javascript",
  mp3: "audio/mpeg", mp4: "video/mp4", oga: "audio/ogg", ogg: "audio/ogg", ogv: "video/ogg",
  opus: "audio/ogg", otf: "font/otf", pdf: "application/pdf", png: "image/png",
  pbf: "application/x-protobuf", rss: "application/rss+xml", svg: "image/svg+xml",
  tif: "image/tiff", tiff: "image/tiff", ttf: "font/ttf", txt: "text/plain", wasm:
  "application/wasm", wav: "audio/wav", webm: "video/webm", webmanifest:
  "application/manifest+json", webp: "image/webp", woff: "font/woff", woff2: "font/woff2",
  xhtml: "application/xhtml+xml", xml: "application/xml", zip: "application/zip",
};

/** Returns the media type that the ending of a path means. */
export function mediaType(path) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  const type = dot > 0 ? TYPES[name.slice(dot + 1).toLowerCase()] : undefined;
  if (!type) return "application/octet-stream";
  return type.startsWith("text/") ? type + TEXT : type;
}
