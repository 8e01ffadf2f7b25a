// Base delivery and product filter each other (L7, L9). The lists as they came hold everything; here is what is shown.
const known = new WeakMap();

function all(select) {
  if (!known.has(select)) {
    const given = document.getElementById(`${select.id}-all`);
    const source = given ? given.content.querySelectorAll("option") : select.options;
    known.set(select, [...source].map((each) => each.cloneNode(true)));
  }
  return known.get(select);
}

function narrow(select, other) {
  const chosen = select.value;
  const wanted = other.value;
  const fitting = all(select).filter((each) => !each.value || !wanted || (each.dataset.fits ?? "").split(" ").includes(wanted));
  select.replaceChildren(...fitting.map((each) => each.cloneNode(true)));
  select.value = fitting.some((each) => each.value === chosen) ? chosen : "";
  const note = document.getElementById(`${select.id}-fit`);
  if (note) {
    note.hidden = !wanted || fitting.length === all(select).length;
  }
  return select.value === chosen;
}

function apply(changed) {
  const form = changed?.form ?? document.querySelector("form[data-fits]");
  if (!form?.dataset.fits) return;
  const [base, product] = form.dataset.fits.split(" ").map((id) => form.querySelector(`#${id}`));
  // What was chosen last stays; where nothing was, the base delivery does.
  if (changed === product) {
    narrow(base, product);
    narrow(product, base);
  } else {
    narrow(product, base);
    narrow(base, product);
  }
  const price = document.querySelector("[data-price-of]");
  if (price) {
    const chosen = product.selectedOptions[0];
    price.textContent = chosen?.dataset.price ?? "—";
    document.querySelector("[data-product-of]").textContent = chosen?.value ? chosen.textContent : "товар не выбран";
  }
  const channel = document.querySelector("[data-channel-of]");
  const distributor = form.querySelector("#distributor_id");
  if (channel && distributor) {
    channel.dataset.channelOf = distributor.value ? "distributor" : "direct";
    for (const each of channel.querySelectorAll("[data-when]")) each.hidden = each.dataset.when !== channel.dataset.channelOf;
  }
}

document.addEventListener("change", (event) => event.target.form?.dataset.fits && apply(event.target));
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-clear]");
  if (!button) return;
  event.preventDefault();
  const select = document.getElementById(button.dataset.clear);
  select.value = "";
  select.dispatchEvent(new Event("change", { bubbles: true }));
  document.getElementById(button.dataset.of)?.focus();
});
document.addEventListener("restored", () => apply());
apply();
