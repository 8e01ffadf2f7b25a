// A page that follows its request: the server says that something has happened, and the parts are fetched anew. Without
// a stream it asks now and then. Just after «Отправить» the request may not be in the cabinet yet: then it asks soon.
import { swap } from "./swap.js";

const POLL_MS = 5_000;
const SOON_MS = 300;
let stream;
let timer;
let busy = false;
let again = false;

const place = () => document.querySelector("[data-live]");
const version = () => document.querySelector("[data-version]")?.dataset.version;

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  const before = version();
  try {
    await swap(location.href, place().dataset.parts, { always: true, keep: true });
    if (version() !== before) {
      document.querySelector(".now")?.classList.add("is-live");
      document.querySelectorAll("[data-said] > .toast:not([id])").forEach((each) => each.remove()); // it has come
    }
  } catch {
    // The line is down; the next message or poll tries again.
  }
  busy = false;
  if (again) {
    again = false;
    refresh();
  }
}

function follow() {
  clearTimeout(timer);
  const here = place();
  if (!here) {
    stream?.close();
    return;
  }
  if (here.dataset.live === "") {
    // Nothing to listen to yet.
    timer = setTimeout(() => refresh().then(follow), SOON_MS);
    return;
  }
  if (stream) return;
  stream = new EventSource(here.dataset.live);
  stream.addEventListener("changed", (event) => {
    if (JSON.parse(event.data).version !== version()) refresh();
  });
  stream.addEventListener("error", () => {
    if (stream.readyState !== EventSource.CLOSED) return; // it connects again by itself
    stream = undefined;
    timer = setTimeout(() => refresh().then(follow), POLL_MS);
  });
}

follow();
addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  stream = undefined;
  follow();
});
