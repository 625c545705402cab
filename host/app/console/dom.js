// Elements, numbers and dialogs. Text is always set as text: nothing that a client sent becomes markup.

/** An element: `h("td", { class: "number" }, "7")`. Attributes that are functions are listeners. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value != null && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** A table. Columns are `[title, cell, isNumber]`, `cell` makes text or an element of a row. */
export function table(columns, rows, empty) {
  if (!rows.length) return h("p", { class: "none card" }, empty);
  const head = columns.map(([title, , number]) => h("th", { scope: "col", class: number ? "number" : null }, title));
  const line = (row) =>
    h("tr", {}, columns.map(([, cell, number]) => h("td", { class: number ? "number" : null }, cell(row) ?? "")));
  return h("div", { class: "wide", tabindex: 0 }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map(line))));
}

let pressed = false;
for (const [event, value] of [["pointerdown", true], ["pointerup", false], ["pointercancel", false]]) {
  document.addEventListener(event, () => (pressed = value), true);
}

/** Shows something new in a place. Who is on a button stays on it, by its `data-key`; what is being pressed stays for that long. */
export function replace(place, ...children) {
  if (pressed) return;
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  place.replaceChildren(...children);
  if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

const units = ["", "k", "M", "G", "T"];
function scaled(value, step, names) {
  let unit = 0;
  while (Math.abs(value) >= step && unit < names.length - 1) {
    value /= step;
    unit += 1;
  }
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${names[unit]}`;
}
export const number = (value) => (value == null || Number.isNaN(value) ? "–" : scaled(value, 1000, units));
export const bytes = (value) =>
  value == null || Number.isNaN(value) ? "–" : scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
export const seconds = (value) => {
  if (value == null || !Number.isFinite(value)) return "–";
  if (value < 1e-3) return `${(value * 1e6).toFixed(0)} µs`;
  return value < 1 ? `${(value * 1e3).toFixed(1)} ms` : `${value.toFixed(1)} s`;
};
export function span(value) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [size, name] of parts) if (value >= size) return `${Math.floor(value / size)} ${name}`;
  return `${Math.floor(value)} s`;
}

/** Tells something for a while. */
export function note(text, bad = false) {
  const line = h("p", { class: bad ? "bad" : null }, text);
  document.getElementById("notes").append(line);
  setTimeout(() => line.remove(), bad ? 12000 : 6000);
}

/** Asks with a dialog; `fields` are elements. Resolves with the form's data, or null when it was left. */
export function ask(title, text, fields, action, danger = false) {
  const dialog = document.getElementById("dialog");
  return new Promise((resolve) => {
    const form = h(
      "form",
      { method: "dialog", submit: () => resolve(new FormData(form)) },
      h("h2", { id: "dialog-title" }, title),
      text && h("p", {}, text),
      fields,
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", click: () => dialog.close() }, "Leave it"),
        h("button", { class: danger ? "danger" : "main" }, action),
      ),
    );
    dialog.replaceChildren(form);
    dialog.onclose = () => resolve(null);
    dialog.showModal();
  });
}

/** Runs a change and tells what came of it. */
export async function run(work, done) {
  try {
    const result = await work();
    note(typeof done === "function" ? done(result) : done);
    return result;
  } catch (error) {
    note(error.message, true);
    return null;
  }
}
