#!/usr/bin/env node
// Lets a real browser open WebSockets on the socket that it has loaded a page over: HTTP/2 (RFC 8441).
//
//     node http2_page.mjs URL SOCKET --out DIR [--timeout SECONDS]
//
// URL is a page of https://localhost, SOCKET the path of the guest `reporter` on the same listener. No certificate is checked. Prints
// one JSON line. Exit codes: 0 passed, 1 failed, 2 wrong use.

import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { check, inBrowser, report } from "./browser.mjs";

/** In the page: opens sockets, has each tell what its request was, and closes them. */
async function ask({ path, count }) {
  const one = () =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")));
      let version;
      socket.onopen = () => socket.send("request");
      socket.onmessage = ({ data }) => {
        version = Object.fromEntries(JSON.parse(data).ok.attributes)["http.version"];
        socket.close(4001, "done");
      };
      socket.onclose = ({ code, wasClean }) => resolve({ version, code, wasClean });
      socket.onerror = () => reject(new Error("the socket failed"));
    });
  return Promise.all(Array.from({ length: count }, one));
}

async function work(context, url, path) {
  const page = await context.newPage();
  const answer = await page.goto(url);
  check(answer.ok(), `${url} answered ${answer.status()}`);
  const protocol = await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
  check(protocol === "h2", `the page came over ${protocol}`);
  const sockets = await page.evaluate(ask, { path, count: 5 });
  for (const { version, code, wasClean } of sockets) {
    check(version === "2", `a socket over HTTP/${version}`);
    check(code === 4001 && wasClean, `closed with ${code}`);
  }
  return { sockets: sockets.length };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string" }, timeout: { type: "string", default: "60" } },
});
if (positionals.length !== 2 || !values.out) {
  process.stderr.write("usage: http2_page.mjs URL SOCKET --out DIR\n");
  process.exit(2);
}
mkdirSync(values.out, { recursive: true });
const [url, path] = positionals;
const options = { out: values.out, timeout: Number(values.timeout), settings: { ignoreHTTPSErrors: true } };
await report("http2", () => inBrowser(options, (context) => work(context, url, path)));
