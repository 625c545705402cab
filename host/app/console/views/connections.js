// Who is connected; a word to one of them, or its end.

import { change, get } from "../api.js";
import { ask, bytes, h, note, number, replace, run, table } from "../dom.js";

const CODES = [["1000", "normal"], ["1001", "going away"], ["1008", "policy"], ["1012", "restart"], ["1013", "try again later"]];

async function send({ id }) {
  const text = h("textarea", { name: "text", required: true });
  const form = await ask(`A message to ${id}`, null, [h("label", {}, "Text", text)], "Send");
  if (form) await run(() => change("POST", `v1/connections/${id}/messages`, form.get("text"), "text/plain"), `sent to ${id}`);
}

async function close({ id }) {
  const code = h("select", { name: "code" }, CODES.map(([value, name]) => h("option", { value, selected: value === "1001" }, `${value} ${name}`)));
  const reason = h("input", { name: "reason", maxlength: 123 });
  const fields = [h("label", {}, "Close code", code), h("label", {}, "Reason, which the client sees", reason)];
  const form = await ask(`Close ${id}?`, "Its on-close is called, and its client is told.", fields, "Close it", true);
  if (!form) return;
  const query = new URLSearchParams({ code: form.get("code"), reason: form.get("reason") });
  await run(() => change("DELETE", `v1/connections/${id}?${query}`), `${id} is closing`);
}

async function details({ id }) {
  const connection = await get(`v1/connections/${id}`).catch((error) => note(error.message, true));
  if (!connection) return;
  const { instance, ...rest } = connection;
  const facts = { ...rest, ...Object.fromEntries(Object.entries(instance ?? {}).map(([name, value]) => [`instance ${name}`, value])) };
  const rows = Object.entries(facts).filter(([, value]) => value != null);
  await ask(`Connection ${id}`, null, [table([["", ([name]) => name.replaceAll("_", " ")], ["", ([, value]) => String(value)]], rows, "")], "Good");
}

export function show(view) {
  const place = h("div", {});
  const field = (name, title) => h("label", {}, title, h("input", { name, autocomplete: "off" }));
  const form = h(
    "form",
    { class: "filter", submit: (event) => { event.preventDefault(); cursors = [undefined]; refresh(); } },
    field("tenant", "Tenant"), field("route", "Route"), field("listener", "Listener"), field("principal", "Principal"),
    h("button", { class: "main" }, "Filter"),
  );
  // The cursors of this page and of those before it.
  let cursors = [undefined];
  const columns = [
    ["Id", ({ id }) => h("code", {}, String(id))],
    ["Route", ({ tenant, route }) => `${tenant}/${route}`],
    ["Principal", ({ principal }) => principal],
    ["Peer", ({ peer }) => peer],
    ["State", ({ state }) => state],
    ["In", ({ messages_received }) => number(messages_received), true],
    ["Out", ({ messages_sent }) => number(messages_sent), true],
    ["Queued", ({ queued_bytes }) => bytes(queued_bytes), true],
    ["", (row) => h("span", {},
      h("button", { type: "button", "data-key": `show-${row.id}`, click: () => details(row) }, "Show"), " ",
      h("button", { type: "button", "data-key": `send-${row.id}`, click: () => send(row) }, "Send…"), " ",
      h("button", { type: "button", "data-key": `close-${row.id}`, class: "danger", click: () => close(row) }, "Close…"))],
  ];
  async function refresh() {
    const query = Object.fromEntries(new FormData(form));
    const { connections, next } = await get("v1/connections", { ...query, limit: 50, cursor: cursors.at(-1) });
    const turn = (title, to) => h("button", { type: "button", "data-key": title, disabled: !to, click: () => { to(); refresh(); } }, title);
    replace(
      place,
      table(columns, connections, "Nobody is connected."),
      h("p", { class: "row" },
        turn("Back", cursors.length > 1 && (() => cursors.pop())),
        turn("More", next != null && (() => cursors.push(next)))),
    );
  }
  view.append(h("h2", {}, "Connections"), form, place);
  return refresh;
}
