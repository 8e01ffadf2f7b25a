// The INN is checked while it is typed (L10). The server checks it again.
const TENTH = [2, 4, 10, 3, 5, 9, 4, 6, 8];
const ELEVENTH = [7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
const TWELFTH = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
const check = (digits, weights) => (weights.reduce((sum, weight, i) => sum + weight * digits[i], 0) % 11) % 10;

function says(text, left) {
  if (!text) return ["10 цифр у организации, 12 у предпринимателя.", ""];
  if (/\D/.test(text)) return ["ИНН состоит только из цифр.", "bad"];
  if (text.length >= 10 && !/[1-9]/.test(text)) return ["ИНН из одних нулей не бывает.", "bad"];
  const digits = [...text].map(Number);
  if (text.length === 10) {
    if (check(digits, TENTH) === digits[9]) return ["Номер организации, контрольная цифра сходится.", "good"];
    // It may still become one of twelve digits, so nothing is said until the field is left.
    return left ? ["Контрольная цифра не сходится. Проверьте, нет ли опечатки.", "bad"] : ["10 цифр; у предпринимателя ещё две.", ""];
  }
  if (text.length === 12) {
    const right = check(digits, ELEVENTH) === digits[10] && check(digits, TWELFTH) === digits[11];
    return right
      ? ["Номер предпринимателя, контрольные цифры сходятся.", "good"]
      : ["Контрольные цифры не сходятся. Проверьте, нет ли опечатки.", "bad"];
  }
  if (text.length > 12) return [`В ИНН не больше 12 цифр, а здесь ${text.length}.`, "bad"];
  if (left) return [`В ИНН 10 или 12 цифр, а здесь ${text.length}.`, "bad"];
  return [`Введено ${text.length} из ${text.length < 10 ? 10 : 12}.`, ""];
}

function show(field, left) {
  const clean = field.value.replace(/[\s\u00a0-]/g, "");
  if (left && clean !== field.value) field.value = clean;
  const hint = document.getElementById(`${field.id}-hint`);
  const [text, tone] = says(clean, left);
  if (!hint) return;
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
