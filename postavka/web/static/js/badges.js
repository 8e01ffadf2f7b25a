// The counts of the menu go on while a page stays open. What has grown since somebody last looked here is told by the
// title and the icon of the tab, until they look.
const SECONDS = 10;
const menu = document.querySelector("[data-badges]");

function show(link, count) {
  const old = link.querySelector(".count");
  if (!count) return old?.remove();
  const made = old ?? link.appendChild(document.createElement("span"));
  made.className = "count";
  const [seen, told] = [document.createElement("span"), document.createElement("span")];
  seen.setAttribute("aria-hidden", "true");
  seen.textContent = count;
  told.className = "visually-hidden";
  told.textContent = `, ждут вас: ${count}`;
  made.replaceChildren(seen, told);
}

function follow() {
  const icon = document.querySelector("link[rel='icon']");
  const calm = icon.href;
  const links = [...menu.querySelectorAll("a")];
  let known = {}, fresh = 0;
  const count = (link) => Number(link.querySelector(".count [aria-hidden]")?.textContent ?? 0);
  for (const link of links) known[link.pathname] = count(link);

  function tell() {
    const title = document.title.replace(/^\(\+\d+\) /, "");
    document.title = fresh ? `(+${fresh}) ${title}` : title;
    const wanted = fresh ? new URL(menu.dataset.alarm, location.href).href : calm;
    if (icon.href !== wanted) icon.href = wanted;
  }

  async function look() {
    const answer = await fetch(menu.dataset.badges).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const counts = await answer.json();
    for (const link of links) {
      const now = counts[link.pathname] ?? 0;
      fresh += Math.max(0, now - known[link.pathname]);
      known[link.pathname] = now;
      if (now !== count(link)) show(link, now);
    }
    tell();
  }

  const seen = () => { if (!document.hidden && fresh) { fresh = 0; tell(); } };
  setInterval(look, SECONDS * 1000);
  document.addEventListener("swapped", tell); // a part that is fetched anew brings its title along
  document.addEventListener("visibilitychange", seen);
  for (const each of ["pointermove", "keydown"]) document.addEventListener(each, seen, { passive: true });
}

if (menu) follow();
