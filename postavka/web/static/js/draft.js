// A draft of the form is kept in this browser, for this user: an expired session, a closed tab or a dead line loses
// nothing. It has the request's id, so that a form restored from it is the same request. It goes when the request has
// been sent, and when the user signs out. The server keeps it as well, a moment later, for the user's other computers.
const KEEP_DAYS = 30;
const SERVER_MS = 1_500; // after the last change
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

let kept = false; // on the server: when it is removed there, it goes here as well

function write() {
  if (!given) return;
  const fields = Object.fromEntries([...new FormData(form)].filter(([name]) => name !== SESSION_FIELD));
  try {
    localStorage.setItem(key(form.dataset.draft), JSON.stringify({ at: Date.now(), kept, fields }));
  } catch {
    // No room, or storage is switched off: the form works without a draft.
  }
}

async function keepOnServer() {
  if (!given) return;
  const body = new FormData(form);
  body.set("do", "keep");
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(body), keepalive: true });
    kept ||= answer.status === 204;
    write();
  } catch {
    // No line: the next change tries again, and this browser has it.
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
  let unsaved;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(write, 150);
    clearTimeout(unsaved);
    unsaved = setTimeout(() => {
      unsaved = undefined;
      keepOnServer();
    }, SERVER_MS);
  };
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  form.addEventListener("submit", (event) => {
    clearTimeout(unsaved);
    unsaved = undefined;
    kept ||= event.submitter?.value === "draft";
    write();
  });
  document.addEventListener("swapped", later);
  addEventListener("pagehide", () => {
    if (waiting) write();
    if (unsaved) keepOnServer();
  });
}

// Removed on the server, perhaps by another computer.
const listed = document.querySelector("[data-drafts-of]");
if (listed) {
  const draft = read(listed.dataset.draftsOf);
  if (draft?.kept && !listed.dataset.drafts.split(" ").includes(draft.fields.request_id)) {
    localStorage.removeItem(key(listed.dataset.draftsOf));
  }
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
