// What the scripts that drive a real browser share: where it is, how it is started, and what its pages must not do.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
export class Failed extends Error {}

export function check(condition, message) {
  if (!condition) throw new Failed(message);
}

/** The browser's path; throws when there is none. */
function browserPath() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const onPath = process.env.PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = [process.env.CHROMIUM, ...onPath].find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  check(found, "no chromium on PATH; name one in CHROMIUM");
  return found;
}

/** Notes what the pages of `context` must not do: leave their origin, log errors, violate their policy. */
export async function watch(context, origin) {
  const seen = { requests: 0, sockets: [], offences: [] };
  const host = new URL(origin).host;
  context.on("request", (request) => {
    seen.requests += 1;
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== "data:") seen.offences.push(`request to ${url}`);
  });
  context.on("requestfailed", (request) => seen.offences.push(`request failed: ${request.url()}`));
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) seen.offences.push(`console ${message.type()}: ${message.text()}`);
  });
  context.on("weberror", (error) => seen.offences.push(`uncaught: ${error.error()}`));
  context.on("page", (page) =>
    page.on("websocket", (socket) => {
      seen.sockets.push(socket.url());
      if (new URL(socket.url()).host !== host) seen.offences.push(`socket to ${socket.url()}`);
    }),
  );
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  return seen;
}

/**
 * Runs `work(context)` in a fresh browser, within a time; screenshots of what is open when it fails go to a folder.
 * `settings` are those of the context.
 */
export async function inBrowser({ out, timeout, settings = {} }, work) {
  const executablePath = browserPath();
  const browser = await chromium.launch({ executablePath, args: FLAGS, timeout: timeout * 1000 });
  const late = setTimeout(() => browser.close({ reason: `not done within ${timeout} s` }), timeout * 1000);
  try {
    const context = await browser.newContext(settings);
    context.setDefaultTimeout(10_000);
    try {
      return { browser: browser.version(), ...(await work(context)) };
    } catch (error) {
      for (const [number, page] of context.pages().entries()) {
        await page.screenshot({ path: join(out, `failed-${number}.png`), timeout: 2000 }).catch(() => {});
      }
      throw error;
    }
  } finally {
    clearTimeout(late);
    await browser.close();
  }
}

/** Prints the line of a scenario and ends with its exit code. */
export async function report(scenario, work) {
  const begin = performance.now();
  const line = { client: "chromium", scenario, ok: false };
  try {
    Object.assign(line, await work(), { ok: true });
  } catch (error) {
    line.error = stripVTControlCharacters(error.message);
  }
  line.ms = Math.round(performance.now() - begin);
  process.stdout.write(`${JSON.stringify(line)}\n`);
  if (!line.ok) process.stderr.write(`${scenario}: ${line.error}\n`);
  process.exit(line.ok ? 0 : 1);
}
