// Plugins and their versions; a new one, or the one before.

import { all, change, get } from "../api.js";
import { ask, h, number, replace, run, table } from "../dom.js";

const COLORS = { current: "good", trial: "warn", before: "soft", old: "soft", deferred: "soft", loading: "warn", failed: "bad" };

async function swap({ name }) {
  const file = h("input", { type: "file", name: "file", accept: ".wasm,application/wasm", required: true });
  const form = await ask(`A new version of ${name}`, "Connections stay open. When its first calls fail, the version of now comes back by itself.",
    [h("label", {}, "Component", file)], "Swap");
  if (!form) return;
  const done = ({ changed, version }) => (changed ? `${name} is version ${version.version} now` : `${name} was that already`);
  await run(() => change("POST", `v1/plugins/${encodeURIComponent(name)}/swap`, form.get("file"), "application/wasm"), done);
}

async function rollBack({ name }) {
  const form = await ask(`Go back with ${name}?`, "The version before takes over again.", [], "Roll back", true);
  if (!form) return;
  await run(() => change("POST", `v1/plugins/${encodeURIComponent(name)}/rollback`), ({ version }) => `${name} is version ${version.version} again`);
}

export function show(view) {
  const place = h("div", {});
  const reload = async () => {
    const form = await ask("Read the configuration again?", "All of it is taken, or nothing changes.", [], "Reload");
    if (form) await run(() => change("POST", "v1/reload"), "the configuration was reloaded");
  };
  view.append(h("h2", {}, "Plugins"), h("p", { class: "row" }, h("button", { type: "button", click: reload }, "Reload the configuration…")), place);
  return async () => {
    const [{ plugins }, usage] = await Promise.all([get("v1/plugins"), all("v1/usage", "usage")]);
    const used = (name, version, key) =>
      usage.filter((row) => row.plugin === name && row.version === version).reduce((total, row) => total + row[key], 0);
    // One that is not loaded yet has no version: its state is shown instead.
    const versions = ({ versions, state }) => (versions.length ? versions : [{ role: state }]);
    const rows = plugins.flatMap((plugin) => versions(plugin).map((version, index) => ({ plugin, version, first: index === 0 })));
    replace(place, table([
      ["Plugin", ({ plugin, first }) => (first ? plugin.name : "")],
      ["Kind", ({ plugin, first }) => (first ? plugin.kind ?? "" : "")],
      ["Version", ({ version }) => String(version.version ?? ""), true],
      ["Role", ({ plugin, version }) => h("span", { class: `tag ${COLORS[version.role] ?? ""}`, title: plugin.problem ?? "" }, version.role)],
      ["Live", ({ version }) => number(version.live ?? 0), true],
      ["Hibernated", ({ version }) => number(version.hibernated ?? 0), true],
      ["Calls", ({ plugin, version }) => number(used(plugin.name, version.version, "calls")), true],
      ["CPU seconds", ({ plugin, version }) => used(plugin.name, version.version, "cpu_seconds").toFixed(2), true],
      ["Deaths", ({ plugin, version }) => number(used(plugin.name, version.version, "traps")), true],
      ["Digest", ({ version }) => version.digest && h("code", { title: version.digest }, version.digest.slice(0, 19))],
      ["", ({ plugin, first }) => first && h("span", {},
        h("button", { type: "button", "data-key": `swap-${plugin.name}`, click: () => swap(plugin) }, "Swap…"), " ",
        h("button", { type: "button", "data-key": `back-${plugin.name}`, click: () => rollBack(plugin), disabled: !plugin.versions.some(({ role }) => role === "before") }, "Roll back…"))],
    ], rows, "There are no plugins."));
  };
}
