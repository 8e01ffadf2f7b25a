// A row's body below the row, in place. What is in the page is shown; what is not is fetched once, from data-unfold.
for (const each of document.querySelectorAll("tr.unfolded")) each.hidden = true;

async function body(button, row) {
  const below = row.nextElementSibling;
  if (below?.matches(".unfolded")) return below;
  const answer = await fetch(button.dataset.unfold, { headers: { "X-Part": "body" } });
  if (!answer.ok || answer.redirected) return null;
  const made = document.createElement("tr");
  made.className = "unfolded";
  made.hidden = true;
  const cell = made.insertCell();
  cell.colSpan = row.cells.length;
  cell.innerHTML = await answer.text();
  row.after(made);
  return made;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-unfold]");
  if (!button) return;
  const row = button.closest("tr");
  const shown = await body(button, row);
  if (!shown) return location.assign(row.querySelector(".row-link").href);
  shown.hidden = !shown.hidden;
  button.setAttribute("aria-expanded", !shown.hidden);
});
