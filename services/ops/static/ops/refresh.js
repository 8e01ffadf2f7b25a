// A part with data-refresh is fetched anew every so many seconds, as long as somebody looks at it, nothing is being
// filled in there, and no text in it is selected. The server is told which: it may leave out what is looked up for others.
import { swap } from "../js/swap.js";

// A part that comes back without data-refresh has come to rest.
const parts = [...document.querySelectorAll("[data-refresh]")].map(({ id, dataset }) => ({ id, ms: dataset.refresh * 1000 }));

function isBusy(part) {
  return document.hidden || part.contains(document.activeElement) || part.contains(getSelection()?.anchorNode ?? null)
    || part.matches("[aria-busy='true']") || !part.dataset.refresh;
}

for (const { id, ms } of parts) {
  setInterval(async () => {
    const part = document.getElementById(id);
    const options = { keep: true, always: true, headers: { "X-Part": id } };
    if (part && !isBusy(part)) await swap(location.href, `#${id}`, options).catch(() => {});
  }, ms);
}
