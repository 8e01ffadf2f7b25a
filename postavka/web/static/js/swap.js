// Parts of a page are fetched and put in place: filters, paging, the look-up. The server always sends the whole page,
// so that the same links and buttons work without this.
import { toast } from "./small.js";

let latest = 0;

// What somebody has opened stays open, and what they have begun to fill in stays as it is: text, files and all.
function keepBegun(old, fresh) {
  const named = (root) =>
    [...root.querySelectorAll("details")].map((each) => [each.querySelector("summary")?.textContent.trim(), each]);
  const twins = named(fresh);
  for (const [name, each] of named(old)) {
    const place = twins.findIndex(([other]) => other === name);
    if (place < 0) continue;
    const [[, twin]] = twins.splice(place, 1);
    if (!each.open) continue;
    if (each.querySelector("form")) twin.replaceWith(each);
    else twin.open = true;
  }
}

export async function swap(url, selector, options = {}) {
  const turn = options.always ? latest : ++latest; // what comes by itself takes no turn from what somebody has asked for
  const targets = selector.split(",");
  targets.forEach((each) => document.querySelector(each)?.setAttribute("aria-busy", "true"));
  try {
    const response = await fetch(url, { credentials: "same-origin", method: options.method, body: options.body, headers: options.headers });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (turn !== latest && !options.always) return false;
    if (options.still && !options.still()) return null;
    if (!targets.every((each) => page.querySelector(each))) {
      // Another page came: signed out, or an error. A GET is shown; a POST is left to the form itself.
      if (!options.method && !options.part) location.assign(url);
      return false;
    }
    const active = document.activeElement;
    const focused = active?.id;
    for (const each of targets) {
      const old = document.querySelector(each);
      const fresh = page.querySelector(each);
      if (options.keep && old) keepBegun(old, fresh);
      old?.replaceWith(fresh);
    }
    if (!options.part) document.title = page.title;
    if (options.keep && active?.isConnected) active.focus({ preventScroll: true });
    if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("swapped", { detail: { selector } }));
    return true;
  } finally {
    targets.forEach((each) => document.querySelector(each)?.removeAttribute("aria-busy"));
  }
}

// Columns that a list has anyway (data-usual) are no part of the address.
function filterUrl(form) {
  const given = new FormData(form);
  if (given.getAll("columns").join(" ") === form.dataset.usual) given.delete("columns");
  const fields = [...given].filter(([, value]) => value !== "");
  const query = new URLSearchParams(fields).toString();
  return form.getAttribute("action") + (query ? `?${query}` : "");
}

async function show(url, selector) {
  try {
    if (await swap(url, selector)) history.pushState({ swap: selector }, "", url);
  } catch {
    location.assign(url);
  }
}

// Links and GET forms with data-swap
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  show(link.href, link.dataset.swap).then(() => {
    if (link.dataset.top !== undefined) document.querySelector(link.dataset.swap.split(",")[0])?.scrollIntoView();
  });
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "get" && form.dataset.swap) {
    event.preventDefault();
    show(filterUrl(form), form.dataset.swap);
  }
});
let typing;
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form?.dataset.swap || form.method !== "get") return;
  clearTimeout(typing);
  const slow = event.target.type === "search" || event.target.type === "text";
  typing = setTimeout(() => show(filterUrl(form), form.dataset.swap), slow ? 300 : 0);
});
addEventListener("popstate", () => {
  if (document.querySelector("form[data-swap]")) location.reload();
});

// Buttons of a POST form that only ask something: data-ask names the part that comes back.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-ask]");
  if (!button) return;
  event.preventDefault();
  if (button.getAttribute("aria-busy") === "true") return;
  const form = button.form;
  const fields = new URLSearchParams([...new FormData(form)]);
  fields.set(button.name, button.value);
  button.setAttribute("aria-busy", "true");
  // An answer to what has been typed over meanwhile is dropped.
  const typed = () => JSON.stringify([...new FormData(form)].filter(([name]) => part.querySelector(`[name="${name}"]`)));
  const part = document.querySelector(button.dataset.ask);
  const asked = typed();
  try {
    const still = () => part.isConnected && typed() === asked;
    const done = await swap(form.action, button.dataset.ask, { method: "POST", body: fields, always: true, still });
    if (done === null) toast("Пока шёл ответ, данные изменились, и он не подставлен. Нажмите ещё раз.");
    else if (!done) toast("Похоже, время сеанса вышло. Черновик сохранён: войдите и продолжите.", "/sign-in");
    else document.querySelector(button.dataset.focus ?? "")?.focus();
  } catch {
    toast("Нет связи с сервером. Впишите данные вручную или повторите.");
  } finally {
    button.removeAttribute("aria-busy");
  }
});
