#!/usr/bin/env node
// Operates a server by its console, in a real browser.
//
//     console_page.mjs URL --out DIR --token TOKEN --component FILE [--timeout SECONDS]
//
// URL is the admin listener, FILE another version of the plugin `main`, of which two connections are open on the route `default/main`. Closes one,
// says something to the other, swaps and rolls back, drains the route. Screenshots go to DIR. Prints one JSON line. Exit codes: 0 passed, 1 failed, 2 wrong use.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { check, inBrowser, report, watch } from "./browser.mjs";

async function letIn(page, { url, token }) {
  await page.goto(url);
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByText("This token is not accepted.").waitFor();
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await page.locator("#state.good").waitFor();
}

/** Goes to a view by the keyboard alone. */
async function goTo(page, name) {
  const link = page.getByRole("link", { name, exact: true });
  await link.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 2, name }).waitFor();
  check((await link.getAttribute("aria-current")) === "page", `${name} is not marked as the current view`);
}

async function themes(page, out, view) {
  for (const theme of ["light", "dark"]) {
    await page.getByLabel("Theme").selectOption(theme);
    check((await page.locator("html").getAttribute("data-theme")) === theme, `the theme is not ${theme}`);
    await page.screenshot({ path: join(out, `console-${view}-${theme}.png`) });
  }
}

async function operate(context, options) {
  const seen = await watch(context, new URL(options.url).origin);
  const page = await context.newPage();
  await page.setViewportSize({ width: 1200, height: 900 });
  await letIn(page, options);

  const connections = page.locator("dl.cards div", { hasText: "Connections" });
  await connections.getByText("2", { exact: true }).waitFor();
  await page.locator("section", { hasText: "Messages a second" }).locator("canvas").waitFor();
  check((await page.locator("section canvas").count()) === 8, "not every chart is drawn");
  await themes(page, options.out, "overview");

  await goTo(page, "Connections");
  const rows = page.locator("tbody tr");
  await rows.nth(1).waitFor();
  await page.getByLabel("Route").fill("nowhere");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByText("Nobody is connected.").waitFor();
  await page.getByLabel("Route").fill("main");
  await page.getByRole("button", { name: "Filter" }).click();
  await rows.nth(1).waitFor();
  await themes(page, options.out, "connections");
  await rows.nth(0).getByRole("button", { name: "Send…" }).click();
  await page.getByLabel("Text").fill("from the console <b>");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText(/^sent to \d+$/).waitFor();
  await rows.nth(1).getByRole("button", { name: "Close…" }).click();
  await page.getByLabel("Close code").selectOption("1008");
  await page.getByLabel(/^Reason/).fill("enough");
  await page.getByRole("button", { name: "Close it" }).click();
  await page.getByText(/^\d+ is closing$/).waitFor();
  await rows.nth(1).waitFor({ state: "detached" });

  await goTo(page, "Tenants");
  await page.getByRole("cell", { name: "default", exact: true }).waitFor();
  await themes(page, options.out, "tenants");

  await goTo(page, "Plugins");
  await page.getByRole("button", { name: "Swap…" }).click();
  await page.getByLabel("Component").setInputFiles(options.component);
  await page.getByRole("button", { name: "Swap", exact: true }).click();
  await page.getByText("main is version 2 now").waitFor();
  await page.getByRole("button", { name: "Roll back…" }).and(page.locator(":enabled")).click();
  await page.getByRole("button", { name: "Roll back", exact: true }).click();
  await page.getByText("main is version 1 again").waitFor();
  await themes(page, options.out, "plugins");

  await goTo(page, "Drains");
  await page.getByText("Nothing was drained.").waitFor();
  await page.getByRole("button", { name: "Drain…" }).click();
  await page.getByRole("combobox", { name: "What" }).selectOption({ label: "route default/main" });
  await page.getByLabel("Close code").selectOption("1013");
  await page.getByRole("button", { name: "Drain", exact: true }).click();
  await page.getByText("route default/main is being drained of 1").waitFor();
  await page.getByRole("cell", { name: "drained", exact: true }).waitFor();
  check((await page.locator("progress").evaluate((bar) => bar.value / bar.max)) === 1, "the bar is not full");
  await themes(page, options.out, "drains");
  await page.getByRole("button", { name: "Take back…" }).click();
  await page.getByRole("button", { name: "Take it back" }).click();
  await page.getByRole("cell", { name: "resumed", exact: true }).waitFor();

  await goTo(page, "Log");
  for (const kind of ["connection.closed", "plugin.swapped", "plugin.rolled-back", "drain.ended"]) await page.getByText(kind).first().waitFor();
  await themes(page, options.out, "log");

  await page.setViewportSize({ width: 400, height: 800 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  check(overflow <= 0, `the page is ${overflow} pixels too wide for 400`);
  await page.getByRole("button", { name: "Forget the token" }).click();
  await page.getByLabel("Token").waitFor();
  check((await page.evaluate(() => JSON.stringify([sessionStorage, localStorage]))).includes(options.token) === false, "the token is kept");
  // A browser logs the refusal of the wrong token by itself, and what is read along ends when the token is forgotten.
  const offences = [...new Set(seen.offences)].filter((offence) => !/401|v1\/events/.test(offence));
  check(offences.length === 0, offences.join("; "));
  return { requests: seen.requests };
}

function parse() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: "string" }, token: { type: "string" }, component: { type: "string" }, timeout: { type: "string", default: "60" } },
  });
  const options = { ...values, url: positionals[0], timeout: Number(values.timeout) };
  const complete = options.out && options.token && options.component && options.timeout > 0;
  if (positionals.length !== 1 || !URL.canParse(options.url) || !complete) {
    throw new Error("usage: console_page.mjs URL --out DIR --token TOKEN --component FILE [--timeout SECONDS]");
  }
  return options;
}

let options;
try {
  options = parse();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
mkdirSync(options.out, { recursive: true });
await report("console-page", () => inBrowser(options, (context) => operate(context, options)));
