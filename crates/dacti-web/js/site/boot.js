// The first visit to a site: registers the service worker that serves it, and loads the page again.

const script = document.currentScript.src;
const worker = new URL("../dacti-worker.js", script);
const folder = new URL("./", worker);
const status = document.querySelector("main");

/** This page gives up after this many loads in a row without a worker. */
const LOADS_MAX = 3;
/** A load counts as one of these loads if it is at most this many milliseconds old. */
const IN_A_ROW_MS = 15_000;
const LOADS = `dacti-site loads ${folder.pathname}`;

/** The longest wait for the worker's message after a failure, in milliseconds. */
const PATIENCE_MS = 2000;

function show(title, ...lines) {
  const heading = document.createElement("h1");
  heading.textContent = title;
  const paragraphs = lines.map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  });
  status.replaceChildren(heading, ...paragraphs);
  status.setAttribute("role", "alert");
}

/** Counts the recent loads of this page in this tab. Returns 0 if the tab has no storage. */
function loadsInARow() {
  try {
    const now = Date.now();
    const before = JSON.parse(sessionStorage.getItem(LOADS)) ?? [];
    const recent = before.filter((time) => now - time < IN_A_ROW_MS);
    sessionStorage.setItem(LOADS, JSON.stringify([...recent, now]));
    return recent.length;
  } catch {
    return 0;
  }
}

function activated(registration) {
  return new Promise((resolve, reject) => {
    if (registration.active) return resolve();
    const found = registration.installing ?? registration.waiting;
    found.addEventListener("statechange", () => {
      if (found.state === "activated") resolve();
      if (found.state === "redundant") reject(new Error("the worker could not be installed"));
    });
  });
}

async function start() {
  const told = new Promise((resolve) => {
    navigator.serviceWorker.addEventListener("message", ({ data }) => {
      if (data?.dacti === "failed") resolve(data);
    });
  });
  navigator.serviceWorker.startMessages();
  try {
    // Servers may let caches keep scripts for a long time, but the worker's script changes.
    const registration = await navigator.serviceWorker.register(worker, {
      scope: folder,
      updateViaCache: "none",
    });
    await activated(registration);
  } catch (error) {
    // The worker's message may arrive a little after its installation has failed.
    const nothing = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, error));
    const { kind, message } = await Promise.race([told, nothing]);
    const refused = ["corrupt", "truncated", "denied"].includes(kind);
    show(refused ? "This site was refused" : "This site cannot be started", message);
    return;
  }
  location.reload();
}

if (!window.isSecureContext) {
  show(
    "This site needs HTTPS",
    "A service worker checks its pages. Browsers allow service workers only over HTTPS, or from a " +
      "server on this machine. Open the address with https:// in front.",
  );
} else if (!("serviceWorker" in navigator)) {
  show(
    "This browser has no service workers",
    "A service worker serves and checks the pages of this site. Some browsers turn off service " +
      "workers in private windows: use an ordinary window, or a current browser.",
  );
} else if (loadsInARow() >= LOADS_MAX) {
  show(
    "This site does not start",
    "Its service worker is registered, but the browser does not use it. Close all tabs of this " +
      "site and open it again.",
  );
} else {
  start();
}
