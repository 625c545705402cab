// What each tenant has and uses.

import { all } from "../api.js";
import { bytes, h, number, replace, table } from "../dom.js";

const of = (used, quota, write = number) => (quota == null ? write(used) : `${write(used)} of ${write(quota)}`);

export function show(view) {
  const place = h("div", {});
  view.append(h("h2", {}, "Tenants"), place);
  let before;
  return async () => {
    const [tenants, usage] = await Promise.all([all("v1/tenants", "tenants"), all("v1/usage", "usage")]);
    const now = performance.now() / 1000;
    const totals = new Map();
    for (const row of usage) {
      const total = totals.get(row.tenant) ?? { cpu: 0, messages: 0, traps: 0 };
      total.cpu += row.cpu_seconds;
      total.messages += row.messages_received;
      total.traps += row.traps;
      totals.set(row.tenant, total);
    }
    const rate = (name, key) => {
      const [was, is] = [before?.totals.get(name)?.[key], totals.get(name)?.[key] ?? 0];
      return was == null || is < was ? null : (is - was) / (now - before.now);
    };
    const rows = tenants.map((tenant) => ({ ...tenant, cpu: rate(tenant.name, "cpu"), messages: rate(tenant.name, "messages") }));
    rows.sort((a, b) => (b.cpu ?? 0) - (a.cpu ?? 0) || a.name.localeCompare(b.name));
    replace(place, table([
      ["Tenant", ({ name }) => name],
      ["Routes", ({ routes }) => number(routes), true],
      ["Connections", ({ used, quotas }) => of(used.connections, quotas.max_connections), true],
      ["CPU, cores", ({ cpu, quotas }) => `${cpu == null ? "–" : cpu.toFixed(3)}${quotas.cpu == null ? "" : ` of ${quotas.cpu}`}`, true],
      ["Messages a second", ({ messages }) => number(messages), true],
      ["Memory", ({ used, quotas }) => of(used.memory_bytes, quotas.max_memory, bytes), true],
      ["Saved", ({ used, quotas }) => of(used.saved_state_bytes, quotas.max_saved_state, bytes), true],
      ["Topics", ({ used, quotas }) => of(used.topics, quotas.max_topics), true],
      ["Deaths", ({ name }) => number(totals.get(name)?.traps ?? 0), true],
    ], rows, "There are no tenants."));
    before = { now, totals };
  };
}
