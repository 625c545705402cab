// What happens, as it happens.

import { h } from "../dom.js";

/** Lines that are kept. */
const KEPT = 1000;
const BAD = ["plugin.trapped", "plugin.failed-trial", "config.refused", "missed"];
const lines = [];
let list;
let filter = "";

function line({ at, kind, number, ...rest }) {
  const facts = Object.entries(rest).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  const time = at ? new Date(at).toLocaleTimeString() : "";
  return h("li", { class: BAD.includes(kind) ? "bad" : null }, `${time} ${kind} ${facts.join(" ")}`);
}

/** Takes an event, whichever view is shown. */
export function take(event) {
  lines.push(event);
  if (lines.length > KEPT) lines.shift();
  if (!list?.isConnected || !event.kind.startsWith(filter)) return;
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(line(event));
  if (list.childElementCount > KEPT) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

export function show(view) {
  list = h("ul", { class: "lines card", tabindex: 0, "aria-label": "Events" });
  const fill = () => {
    list.replaceChildren(...lines.filter(({ kind }) => kind.startsWith(filter)).map(line));
    list.scrollTop = list.scrollHeight;
  };
  const kinds = [["", "everything"], ["connection", "connections"], ["plugin", "plugins"], ["config", "configuration"], ["limit", "limits"], ["drain", "drain"]];
  const choose = h("select", { change: () => { filter = choose.value; fill(); } },
    kinds.map(([value, name]) => h("option", { value, selected: value === filter }, name)));
  view.append(h("h2", {}, "Log"), h("form", { class: "filter" }, h("label", {}, "Show", choose)), list);
  fill();
}
