// Keys: search from anywhere, and what keys there are. Those without Ctrl can be switched off (WCAG 2.1.4), and do nothing
// while something is being typed.
const OFF = "plain-keys-off";
const plain = () => localStorage.getItem(OFF) === null;

function search() {
  const field = document.querySelector("main input[type='search']");
  if (!field) return location.assign("/#search");
  field.focus();
  field.select();
}

function tell() {
  if (document.querySelector("dialog[open]")) return;
  const dialog = document.createElement("dialog");
  dialog.className = "ask-dialog";
  dialog.setAttribute("aria-labelledby", "keys-title");
  dialog.innerHTML = `<section class="card stack"><h2 id="keys-title">Клавиши</h2>
    <dl class="keys"><div><dt><kbd>Ctrl</kbd> <kbd>K</kbd></dt><dd>поиск</dd></div><div><dt><kbd>/</kbd></dt><dd>поиск</dd></div>
    <div><dt><kbd>?</kbd></dt><dd>эта подсказка</dd></div><div><dt><kbd>Esc</kbd></dt><dd>закрыть меню или окно</dd></div></dl>
    <label class="check"><input type="checkbox"><span>Клавиши без Ctrl включены</span></label>
    <div class="buttons"><button type="button" class="button">Закрыть</button></div></section>`;
  const box = dialog.querySelector("input");
  box.checked = plain();
  box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "")));
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  const ctrlK = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.code === "KeyK";
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  const alone = !event.ctrlKey && !event.metaKey && !event.altKey && !typing && plain();
  const asked = ctrlK || (alone && event.key === "/") ? search : alone && event.key === "?" ? tell : null;
  if (!asked || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  asked();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-keys]")) tell();
});
if (location.hash === "#search") search();
