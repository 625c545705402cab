// The page: which view is shown, the token, the theme, the reading every two seconds.

import { Refused, follow, get, hasToken, keep } from "./api.js";
import { h } from "./dom.js";
import { Pair } from "./figures.js";
import * as connections from "./views/connections.js";
import * as drains from "./views/drains.js";
import * as log from "./views/log.js";
import * as overview from "./views/overview.js";
import * as plugins from "./views/plugins.js";
import * as tenants from "./views/tenants.js";

const EVERY = 2000;
const VIEWS = { overview, connections, tenants, plugins, drains, log };

const view = document.getElementById("view");
const state = document.getElementById("state");
const leave = document.getElementById("leave");
const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");

let refresh;
let pair = new Pair();
let following;

function say(text, kind) {
  state.textContent = text;
  state.className = kind;
}

// --- theme ---

function color() {
  const dark = theme.value === "auto" ? system.matches : theme.value === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  overview.redraw();
}
theme.value = localStorage.getItem("socklet-theme") ?? "auto";
theme.addEventListener("change", () => {
  localStorage.setItem("socklet-theme", theme.value);
  color();
});
system.addEventListener("change", color);

// --- the token ---

function askForToken(message) {
  following?.abort();
  following = null;
  refresh = null;
  leave.hidden = true;
  say("not let in", "bad");
  const field = h("input", { type: "password", name: "token", required: true, autocomplete: "current-password" });
  const form = h("form", { class: "card", submit: (event) => {
    event.preventDefault();
    keep(field.value.trim());
    start();
  } },
  h("h2", {}, "Who are you?"), h("p", { class: message ? "bad" : "soft" }, message ?? "Show the token of the admin API. It stays in this tab."),
  h("div", { class: "row" }, h("label", {}, "Token", field), h("button", { class: "main" }, "Go on")));
  view.replaceChildren(form);
  field.focus();
}
leave.addEventListener("click", () => {
  keep(null);
  askForToken();
});

// --- views ---

function show() {
  const name = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "overview";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Socklet`;
  view.replaceChildren();
  refresh = VIEWS[name].show(view);
  return look(() => refresh?.());
}
addEventListener("hashchange", () => {
  if (following) {
    show();
    view.focus({ preventScroll: true });
  }
});

/** Does something, and tells how the server is by what came of it. */
async function look(work) {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) askForToken(hasToken() ? "This token is not accepted." : undefined);
    else if (error instanceof Refused) say(error.message, "bad");
    else say("the server does not answer", "bad");
    return false;
  }
}

async function tick() {
  if (following) {
    await look(async () => {
      // A token of a tenant may not read what the node counts.
      const read = await pair.read().catch((error) => (error.status === 404 ? null : Promise.reject(error)));
      if (read) overview.take(read);
      await refresh?.();
      const { draining, version } = await get("v1/status");
      say(draining ? `draining · ${version}` : `serving · ${version}`, draining ? "warn" : "good");
    });
  }
  setTimeout(tick, EVERY);
}

async function start() {
  if (!(await look(() => get("v1/status")))) return;
  leave.hidden = !hasToken();
  following = new AbortController();
  follow(log.take, following.signal);
  await show();
}

color();
await start();
tick();
