// A draft of the form is kept in this browser, for this user: an expired session, a closed tab or a dead line loses
// nothing. It has the request's id, so that a form restored from it is the same request. It goes when the request has
// been sent, and when the user signs out.
const KEEP_DAYS = 30;
const SESSION_FIELD = "csrf"; // belongs to one session; a draft outlives it
const form = document.querySelector("form[data-draft]");
const key = (user) => `postavka:draft:${user}`;

function read(user) {
  try {
    const draft = JSON.parse(localStorage.getItem(key(user)));
    return draft && Date.now() - draft.at < KEEP_DAYS * 86_400_000 ? draft : null;
  } catch {
    return null;
  }
}

let given = true; // until the draft is given up: leaving the page must not write it again

function write() {
  if (!given) return;
  const fields = Object.fromEntries([...new FormData(form)].filter(([name]) => name !== SESSION_FIELD));
  try {
    localStorage.setItem(key(form.dataset.draft), JSON.stringify({ at: Date.now(), fields }));
  } catch {
    // No room, or storage is switched off: the form works without a draft.
  }
}

function restore(draft) {
  for (const [name, value] of Object.entries(draft.fields)) {
    if (name === SESSION_FIELD) continue;
    const field = form.elements[name];
    if (field && "value" in field) field.value = value;
  }
  form.querySelectorAll("details").forEach((each) => {
    if ([...each.querySelectorAll("input, textarea")].some((field) => field.value)) each.open = true;
  });
  const note = document.getElementById("draft-note");
  note.hidden = false;
  note.querySelector("[data-when]").textContent = new Intl.DateTimeFormat("ru-RU", {
    day: "numeric", month: "long", hour: "numeric", minute: "2-digit", timeZone: "Europe/Moscow",
  }).format(draft.at);
  document.dispatchEvent(new CustomEvent("restored"));
}

if (form) {
  const draft = read(form.dataset.draft);
  if (form.dataset.fresh !== undefined && draft) restore(draft);
  else if (form.dataset.fresh === undefined) write();
  let waiting;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(write, 150);
  };
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  form.addEventListener("submit", write);
  document.addEventListener("swapped", later);
  addEventListener("pagehide", () => waiting && write());
}

// Sent: the page of the request tells its id.
const sent = document.querySelector("[data-sent-request]");
if (sent) {
  const draft = read(sent.dataset.user);
  if (draft?.fields.request_id === sent.dataset.sentRequest) localStorage.removeItem(key(sent.dataset.user));
}

document.addEventListener("click", (event) => {
  const again = event.target.closest("[data-forget-draft]");
  if (!again || !form) return;
  given = false;
  localStorage.removeItem(key(form.dataset.draft));
});
document.addEventListener("submit", (event) => {
  if (!event.target.dataset.forget) return;
  given = false;
  localStorage.removeItem(key(event.target.dataset.forget));
});
