// The question before what can't be undone comes as a page; here it is lifted into a dialog. Then the bar counts the
// seconds in which «Отменить» still helps, and tells what came of the command.
import { swap } from "./swap.js";
import { toast } from "./small.js";

const POLL_MS = 700;

function lift(section) {
  const dialog = document.createElement("dialog");
  dialog.className = "ask-dialog";
  dialog.setAttribute("aria-labelledby", "ask-title");
  dialog.append(section);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog && !event.target.closest("[data-close-dialog]")) return;
    event.preventDefault();
    dialog.close();
  });
  dialog.showModal();
}

async function ask(form, submitter) {
  const fields = new URLSearchParams([...new FormData(form, submitter)].filter(([, value]) => typeof value === "string"));
  const response = await fetch(submitter?.getAttribute("formaction") ?? form.action, { method: "POST", body: fields, credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const section = page.getElementById("ask");
  if (section) lift(section);
  else if (response.redirected) location.assign(response.url);
  else {
    delete form.dataset.askFirst; // signed out, or an error: the form itself shows that page
    form.requestSubmit(submitter);
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.askFirst === undefined || event.defaultPrevented) return;
  event.preventDefault();
  const button = event.submitter;
  if (button?.getAttribute("aria-busy") === "true") return;
  button?.setAttribute("aria-busy", "true");
  ask(form, button)
    .catch(() => toast("Нет связи с сервером: ничего не отправлено. Повторите."))
    .finally(() => button?.removeAttribute("aria-busy"));
});

// What a page shows beside its live parts: lists of what was answered, activated, matched.
async function renewLists() {
  const parts = ["#list", "#tabs", "#work"].filter((each) => document.querySelector(each));
  if (parts.length) await swap(location.href, parts.join(","), { always: true, keep: true });
}

const counting = new Set(); // plans, by id: a bar that is fetched anew is followed already

async function over(place) {
  const id = place.dataset.plan;
  for (;;) {
    try {
      if (!(await swap(`/planned/${id}`, `#plan-${id}`, { always: true, part: true }))) return; // signed out
    } catch {
      // The line is down: asked again.
    }
    const now = document.getElementById(`plan-${id}`);
    if (!now || now.dataset.plan === undefined) break;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  await renewLists();
}

function count(place) {
  if (counting.has(place.dataset.plan)) return;
  counting.add(place.dataset.plan);
  const until = performance.now() + place.dataset.seconds * 1000;
  const said = place.querySelector("[data-left]");
  const tick = () => {
    if (!place.isConnected) return;
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left <= 0) {
      over(place);
      return;
    }
    said.textContent = `уйдёт через ${left} с`;
    setTimeout(tick, 250);
  };
  said.setAttribute("aria-hidden", "true");
  tick();
}

export function follow() {
  document.querySelectorAll("[data-plan]").forEach(count);
}
follow();
document.addEventListener("swapped", follow);
