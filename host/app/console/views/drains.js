// Drains: of the node or of a part of it, how far each is, and taking it back.

import { all, change, get } from "../api.js";
import { ask, h, number, replace, run, table } from "../dom.js";

const COLORS = { announced: "warn", closing: "warn", drained: "good", resumed: "soft" };
const goesOn = ({ state }) => state === "announced" || state === "closing";

function bar({ scope, total, left, state }) {
  const gone = total - left;
  const progress = h("progress", { max: String(Math.max(total, 1)), value: String(total ? gone : goesOn({ state }) ? 0 : 1), "aria-label": `how far ${scope} is drained` });
  return h("span", {}, progress, ` ${number(gone)} of ${number(total)}`);
}

async function takeBack({ id, scope }) {
  const form = await ask(`Take the drain of ${scope} back?`, "Whoever is left stays, and whoever comes is let in again.", [], "Take it back");
  if (form) await run(() => change("DELETE", `v1/drains/${id}`), `whoever comes to ${scope} is let in again`);
}

async function drain() {
  const [routes, { listeners }] = await Promise.all([all("v1/routes", "routes"), get("v1/listeners").catch(() => ({ listeners: [] }))]);
  const tenants = [...new Set(routes.map(({ tenant }) => tenant))];
  const option = (text, scope) => h("option", { value: JSON.stringify(scope) }, text);
  const what = h("select", { name: "what" },
    option("the node", {}),
    listeners.filter(({ state }) => state === "serving").map(({ name }) => option(`listener ${name}`, { listener: name })),
    tenants.map((tenant) => option(`tenant ${tenant}`, { tenant })),
    routes.map(({ tenant, name }) => option(`route ${tenant}/${name}`, { tenant, route: name })));
  const timeout = h("input", { name: "timeout", type: "number", min: "0", max: "3600", value: "30", required: true });
  const code = h("select", { name: "code" }, ["1012", "1001", "1013"].map((value) => h("option", { value }, value)));
  const form = await ask("What is to be drained?", "Nobody new is let in, and whoever is there is closed at a pace. It goes on until it is taken back.",
    [h("label", {}, "What", what), h("label", {}, "Seconds until the rest is cut off", timeout), h("label", {}, "Close code", code)], "Drain", true);
  if (!form) return;
  const wanted = { ...JSON.parse(form.get("what")), timeout: `${Number(form.get("timeout"))}s`, close_code: Number(form.get("code")) };
  await run(() => change("POST", "v1/drain", JSON.stringify(wanted), "application/json"), ({ scope, total }) => `${scope} is being drained of ${number(total)}`);
}

export function show(view) {
  const place = h("div", {});
  view.append(h("h2", {}, "Drains"), h("p", { class: "row" }, h("button", { type: "button", class: "danger", click: drain }, "Drain…")), place);
  return async () => {
    const { drains } = await get("v1/drains");
    replace(place, table([
      ["Drain", ({ id }) => String(id), true],
      ["What", ({ scope }) => scope],
      ["State", ({ state }) => h("span", { class: `tag ${COLORS[state] ?? ""}` }, state)],
      ["Gone", bar],
      ["Cut off", ({ forced }) => number(forced), true],
      ["Since", ({ started_at: at }) => new Date(at).toLocaleTimeString()],
      ["By", ({ by }) => by],
      ["", (one) => one.state !== "resumed" && !(one.stop && one.state === "drained") && !one.plugin
        && h("button", { type: "button", "data-key": `back-${one.id}`, click: () => takeBack(one) }, "Take back…")],
    ], drains, "Nothing was drained."));
  };
}
