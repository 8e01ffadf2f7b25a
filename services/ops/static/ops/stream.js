// The live stream: rows as they come, at most KEPT of them in the page; beyond what a beat shows, counts. «Пауза» closes
// the connection and remembers the place, so that nothing is missed when it goes on.
import { swap } from "../js/swap.js";

const KEPT = 400;
const bar = document.querySelector("[data-live]");
const stages = JSON.parse(bar.dataset.stages);
const rows = document.querySelector("tbody[data-new]");
const past = document.querySelector("tbody[data-past]");
const time = new Intl.DateTimeFormat("ru", {
  timeZone: "Europe/Moscow", day: "2-digit", month: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  fractionalSecondDigits: 3,
});

// As the server writes it: 30.11. 17:40:40,123.
function stamp(moment) {
  const part = Object.fromEntries(time.formatToParts(new Date(moment)).map(({ type, value }) => [type, value]));
  return `${part.day}.${part.month}. ${part.hour}:${part.minute}:${part.second},${part.fractionalSecond}`;
}

function cell(row, kind) {
  const made = row.insertCell();
  if (kind) made.className = kind;
  return made;
}

function link(target, href, text, kind) {
  const made = document.createElement("a");
  made.href = href;
  made.textContent = text;
  if (kind) made.className = kind;
  target.append(made);
}

function rowOf(event) {
  const row = document.createElement("tr");
  const when = document.createElement("time");
  when.dateTime = event.time;
  when.textContent = stamp(event.time);
  cell(row, "first").append(when);
  const lane = document.createElement("span");
  lane.className = `lane lane-${event.stage}`;
  lane.textContent = stages[event.stage] ?? event.stage;
  cell(row).append(lane);
  link(cell(row, "lead"), `/ops/events/${event.stage}/${event.position}`, event.type.split(".")[0], "row-link");
  link(cell(row), `/ops/requests/${event.request}`, event.name, "number");
  cell(row, "words").textContent = event.words;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "unfold";
  button.dataset.unfold = `/ops/events/${event.stage}/${event.position}`;
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-label", `Тело ${event.stage}/${event.position}`);
  button.innerHTML = `<svg aria-hidden="true"><use href="${bar.dataset.chevron}"/></svg>`;
  cell(row, "right").append(button);
  return row;
}

function live(url) {
  const part = (name) => bar.querySelector(`[data-${name}]`);
  const totals = new Map();
  const recent = [];
  let source = null, last = null, total = 0, more = 0, missed = 0;

  const state = (tone, text) => { part("state").className = `status tone-${tone}`; part("state").textContent = text; };

  function told(beat) {
    if (beat.trouble) state("bad", beat.trouble);
    let count = 0;
    for (const [type, number] of Object.entries(beat.counts)) {
      count += number;
      totals.set(type, (totals.get(type) ?? 0) + number);
    }
    total += count;
    more += beat.more + beat.missed;
    missed += beat.missed;
    recent.push([performance.now(), count]);
    const made = document.createDocumentFragment();
    for (const event of beat.events.toReversed()) made.append(rowOf(event));
    const kept = window.scrollY > 200 ? document.documentElement.scrollHeight : null;
    rows.prepend(made);
    if (beat.events.length) document.querySelector("[data-nothing]")?.remove();
    while (rows.rows.length > KEPT) rows.deleteRow(-1);
    // Who reads further down stays at the same lines.
    if (kept !== null) window.scrollBy(0, document.documentElement.scrollHeight - kept);
  }

  function show() {
    const from = performance.now() - 5000;
    while (recent.length && recent[0][0] < from) recent.shift();
    part("rate").textContent = Math.round(recent.reduce((sum, [, count]) => sum + count, 0) / 5);
    part("total").textContent = total.toLocaleString("ru");
    part("more").textContent = more.toLocaleString("ru");
    bar.dataset.missed = missed;
    const most = [...totals].sort((a, b) => b[1] - a[1]).slice(0, 8);
    part("counts").replaceChildren(...most.map(([type, number]) => {
      const made = document.createElement("span");
      made.textContent = `${type.split(".")[0]} ${number.toLocaleString("ru")}`;
      return made;
    }));
  }

  function open() {
    const from = new URL(url, location.href);
    if (last !== null) from.searchParams.set("after", last);
    source = new EventSource(from);
    source.addEventListener("open", () => state("good", "живой поток"));
    source.addEventListener("error", () => state("bad", "соединение прервано, пробуем снова"));
    source.addEventListener("beat", (message) => { last = message.lastEventId; told(JSON.parse(message.data)); });
  }

  part("pause").addEventListener("click", ({ currentTarget: button }) => {
    const paused = source !== null;
    if (paused) { source.close(); source = null; state("wait", "пауза"); } else open();
    button.setAttribute("aria-pressed", paused);
    button.textContent = paused ? "Дальше" : "Пауза";
  });
  open();
  setInterval(show, 500);
}

past.addEventListener("click", async (event) => {
  const older = event.target.closest("[data-older]");
  if (!older) return;
  event.preventDefault();
  const answer = await fetch(older.href, { headers: { "X-Part": "rows" } });
  if (!answer.ok) return location.assign(older.href);
  const made = document.createElement("tbody");
  made.innerHTML = await answer.text();
  older.closest("tr").replaceWith(...made.rows);
});

if (bar.dataset.live) live(bar.dataset.live);
if (document.querySelector("[data-when]")) swap(location.href, "#when", { always: true, part: true, headers: { "X-Part": "when" } }).catch(() => {});
