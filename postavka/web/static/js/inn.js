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
  hint.textContent = text;
  hint.className = `hint ${tone}`;
  if (tone !== "bad") {
    field.removeAttribute("aria-invalid");
    document.getElementById(`${field.id}-error`)?.remove();
  } else field.setAttribute("aria-invalid", "true");
}

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
document.addEventListener("change", (event) => event.target.matches("[data-inn]") && show(event.target, true));
// Enter in this field means the button beside it, not «Отправить».
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("[data-inn]")) return;
  event.preventDefault();
  event.target.form.querySelector("button[data-ask='#client']")?.click();
});
