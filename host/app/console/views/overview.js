// How the server is: figures of now, and charts of the last minutes.

import { get } from "../api.js";
import { Chart } from "../charts.js";
import { bytes, h, number, seconds, span } from "../dom.js";

/** Kept while other views are shown, so that the charts have no gaps. */
const charts = {
  connections: new Chart("Connections", ["open"], number),
  messages: new Chart("Messages a second", ["in", "out"], number),
  calls: new Chart("Time of on-message", ["p50", "p99"], seconds),
  handshakes: new Chart("Time of an upgrade", ["p50", "p99"], seconds),
  cpu: new Chart("Guest CPU, cores", ["all tenants"], (cores) => cores.toFixed(2)),
  memory: new Chart("Memory of plugins", ["live", "saved", "send queues"], bytes),
  instances: new Chart("Instances", ["live", "hibernated"], number),
  ends: new Chart("Ends and deaths a second", ["closed", "instances died"], number),
};

/** Takes a reading, whichever view is shown. */
export function take(pair) {
  const now = Date.now() / 1000;
  const both = (name, wanted) => [0.5, 0.99].map((part) => pair.quantile(name, part, wanted));
  charts.connections.add(now, [pair.value("socklet_connections")]);
  charts.messages.add(now, [pair.rate("socklet_messages_received_total"), pair.rate("socklet_messages_sent_total")]);
  charts.calls.add(now, both("socklet_plugin_call_duration_seconds", { hook: "message" }));
  charts.handshakes.add(now, both("socklet_handshake_duration_seconds"));
  charts.cpu.add(now, [pair.rate("socklet_plugin_cpu_seconds_total")]);
  charts.memory.add(now, [
    pair.value("socklet_plugin_memory_bytes"), pair.value("socklet_plugin_saved_bytes"), pair.value("socklet_send_queue_bytes"),
  ]);
  charts.instances.add(now, ["live", "hibernated"].map((state) => pair.value("socklet_plugin_instances", { state })));
  charts.ends.add(now, [pair.rate("socklet_connections_closed_total"), pair.rate("socklet_plugin_traps_total")]);
}

export function redraw() {
  for (const chart of Object.values(charts)) if (chart.element.isConnected) chart.draw();
}

export function show(view) {
  const cards = h("dl", { class: "cards" });
  view.append(h("h2", {}, "Overview"), cards, h("div", { class: "charts" }, Object.values(charts).map(({ element }) => element)));
  redraw();
  const card = (title, value) => h("div", { class: "card" }, h("dt", {}, title), h("dd", {}, value));
  return async () => {
    const status = await get("v1/status");
    cards.replaceChildren(
      card("State", status.draining ? "draining" : "serving"),
      card("Connections", number(status.connections)),
      card("Tenants", number(status.tenants)),
      card("Routes", number(status.routes)),
      card("Plugins", number(status.plugins)),
      card("Up for", span(status.uptime_seconds)),
    );
  };
}
