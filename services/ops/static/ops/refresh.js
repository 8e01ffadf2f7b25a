// A part with data-refresh is fetched anew every so many seconds, as long as somebody looks at it, nothing is being
// filled in there, and no text in it is selected.
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
    if (part && !isBusy(part)) await swap(location.href, `#${id}`, { keep: true, always: true }).catch(() => {});
  }, ms);
}
