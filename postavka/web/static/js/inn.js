// The INN is checked while it is typed (L10). How its check digits are made and what is said of a wrong one the field
// itself tells (data-inn: weights by length, data-wrong). The server checks it again.
const check = (digits, weights) => (weights.reduce((sum, weight, i) => sum + weight * digits[i], 0) % 11) % 10;

function fits(text, rows) {
  const digits = [...text].map(Number);
  return /[1-9]/.test(text) && rows.every((weights, i) => check(digits, weights) === digits[digits.length - rows.length + i]);
}

function says(field, text, left, first) {
  if (!text) return [first, ""];
  const weights = JSON.parse(field.dataset.inn);
  const lengths = Object.keys(weights).map(Number);
  const [longest, digits] = [Math.max(...lengths), /^[0-9]*$/.test(text)];
  const rows = digits && weights[text.length];
  if (rows && fits(text, rows)) {
    return [rows.length === 1 ? "Номер организации, контрольная цифра сходится." : "Номер предпринимателя, контрольные цифры сходятся.", "good"];
  }
  // A number that isn't finished may still become right, so nothing is said against it until the field is left.
  if (left || !digits || text.length >= longest) return [field.dataset.wrong, "bad"];
  return [`Введено ${text.length} из ${lengths.find((each) => each > text.length)}.`, ""];
}

function show(field, left) {
  const clean = field.value.replace(/[\s\u00a0-]/g, "");
  if (left && clean !== field.value) field.value = clean;
  const hint = document.getElementById(`${field.id}-hint`);
  if (!hint) return;
  hint.dataset.first ??= hint.textContent;
  const [text, tone] = says(field, clean, left, hint.dataset.first);
  if (tone === "bad") {
    mark(field, text);
    return;
  }
  hint.hidden = false;
  hint.textContent = text;
  hint.className = `hint ${tone}`;
  field.removeAttribute("aria-invalid");
  document.getElementById(`${field.id}-error`)?.remove();
}

// A mistake looks the same whoever has found it: this script, or the server after «Отправить».
function mark(field, text) {
  const hint = document.getElementById(`${field.id}-hint`);
  let error = document.getElementById(`${field.id}-error`);
  if (!error) {
    error = document.createElement("span");
    error.className = "error";
    error.id = `${field.id}-error`;
    error.setAttribute("aria-live", "polite");
    error.innerHTML = '<svg aria-hidden="true"><use></use></svg><span></span>';
    const sprite = document.querySelector("use")?.getAttribute("href").split("#")[0] ?? "";
    error.querySelector("use").setAttribute("href", `${sprite}#triangle-alert`);
    hint.after(error);
  }
  error.lastChild.textContent = text;
  if (field.dataset.inn !== undefined) hint.hidden = true;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", `${error.id} ${hint.id}`);
}

// A field is left by pressing something, too: what is said then must not move the button away from under the pointer.
let pressed = false;
addEventListener("pointerdown", () => (pressed = true), true);
for (const each of ["pointerup", "pointercancel"]) addEventListener(each, () => (pressed = false), true);

function unpressed(act) {
  if (pressed) addEventListener("pointerup", () => setTimeout(act), { once: true });
  else act();
}

// A field that says its form (data-form, data-wrong) is looked at when it is left.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (!field.dataset?.form) return;
  const clean = field.value.replace(/[\s\u00a0]/g, "");
  if (clean !== field.value) field.value = clean;
  if (clean && !new RegExp(field.dataset.form, "u").test(clean)) unpressed(() => mark(field, field.dataset.wrong));
});

// INN, buyer and KPP are one fact: what was filled in for another number goes with it. What somebody has typed stays.
function forget(field) {
  const { filled, buyer, kpp } = field.form.elements;
  if (!filled?.value || filled.value === field.value.replace(/[\s\u00a0-]/g, "")) return;
  filled.value = buyer.value = kpp.value = "";
  for (const id of ["found", "branches"]) document.getElementById(id)?.remove();
}

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-inn]")) {
    show(event.target, false);
    forget(event.target);
  } else if (["buyer", "kpp"].includes(event.target.name) && event.target.form?.elements.filled) {
    event.target.form.elements.filled.value = "";
  }
});
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.matches("[data-inn]")) unpressed(() => show(field, true));
});
// Enter in this field means the button beside it, not «Отправить».
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("[data-inn]")) return;
  event.preventDefault();
  event.target.form.querySelector("button[data-ask='#client']")?.click();
});
