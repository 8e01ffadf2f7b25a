// Toasts (what is said in a corner goes by itself; what the server says stands in the page until it is closed), copying, menus, checkboxes for all.

export function toast(text, href) {
  const box = document.querySelector("[data-toasts]");
  const each = document.createElement("div");
  each.className = "toast";
  each.innerHTML = '<svg aria-hidden="true"><use></use></svg><span></span><button type="button" data-close aria-label="Закрыть">✕</button>';
  const sprite = document.querySelector("use")?.getAttribute("href").split("#")[0] ?? "";
  each.querySelector("use").setAttribute("href", `${sprite}#info`);
  const said = each.querySelector("span");
  said.textContent = text;
  if (href) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = " Войти";
    link.style.color = "inherit";
    said.append(link);
  }
  box.replaceChildren(each);
  settle(box);
  fade(each);
}

// In the first corner where it lies over nothing that can be pressed or filled in.
const CORNERS = ["", "at-start", "at-top", "at-top at-start"];
function settle(box) {
  const isFree = () => {
    const own = box.getBoundingClientRect();
    return ![...document.querySelectorAll("a, button, input, select, textarea, summary")].some((each) => {
      if (box.contains(each) || !each.checkVisibility()) return false;
      const other = each.getBoundingClientRect();
      return other.width > 0 && other.left < own.right && own.left < other.right && other.top < own.bottom && own.top < other.bottom;
    });
  };
  for (const corner of CORNERS) {
    box.className = `toasts ${corner}`;
    if (isFree()) return;
  }
}

function fade(each) {
  let timer = setTimeout(() => each.remove(), 8_000);
  each.addEventListener("pointerenter", () => clearTimeout(timer));
  each.addEventListener("pointerleave", () => (timer = setTimeout(() => each.remove(), 4_000)));
}
// The word of what was done is in the address; a reload need not say it again.
const url = new URL(location.href);
if (url.searchParams.has("done")) {
  url.searchParams.delete("done");
  history.replaceState(history.state, "", url);
}

document.addEventListener("click", async (event) => {
  if (event.target.closest("[data-close]")) event.target.closest(".toast")?.remove();
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      toast("Скопировано.");
    } catch {
      toast("Браузер не дал скопировать: выделите и скопируйте сами.");
    }
  }
  if (event.target.closest("[data-print]")) print();
  const show = event.target.closest("[data-show-password]");
  if (show) {
    const field = document.getElementById(show.dataset.showPassword);
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    show.setAttribute("aria-pressed", shown);
    show.textContent = shown ? "Скрыть" : "Показать";
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A field that is being mended is no longer said to be wrong; the server looks at it again.
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.getAttribute?.("aria-invalid") !== "true" || field.dataset.inn !== undefined) return;
  field.removeAttribute("aria-invalid");
  document.getElementById(`${field.id}-error`)?.remove();
});
// Nor is it in the list above the form; the list goes with its last line.
function shorten() {
  for (const link of document.querySelectorAll("[data-mistakes] a")) {
    if (document.getElementById(link.hash.slice(1))?.getAttribute("aria-invalid") === "true") continue;
    const note = link.closest(".note");
    link.closest("li").remove();
    if (!note.querySelector("li")) note.remove();
  }
}
const mended = () => setTimeout(shorten); // after what else listens
["input", "change", "swapped"].forEach((each) => document.addEventListener(each, mended));
// On a phone the sections are wider than the page: the one that is open is brought into sight.
const here = document.querySelector(".nav [aria-current]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

// A branch chosen from the list fills the field beside it.
document.addEventListener("change", (event) => {
  const from = event.target.closest("[data-fills]");
  if (from) {
    const field = document.getElementById(from.dataset.fills);
    field.value = event.target.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const every = event.target.closest("[data-check-all]");
  if (every) {
    for (const each of document.querySelectorAll(`input[name="${every.dataset.checkAll}"]`)) each.checked = every.checked;
  }
});
