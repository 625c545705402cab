#!/usr/bin/env node
// Lets two tabs of a real browser chat through the demo page.
//
//     chat_page.mjs URL --out DIR [--room NAME] [--timeout SECONDS]
//
// URL is the page; screenshots go to DIR. The browser is $CHROMIUM, else a chromium on PATH. Prints one JSON line.
// Exit codes: 0 passed, 1 failed, 2 wrong use.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Failed, check, inBrowser, report, watch } from "./browser.mjs";

// Ends up as text, or the page is open to whoever is in the room.
const HOSTILE = `<img src="/no" onerror="document.title='owned'"> & <b>bold</b>`;

/** One tab with the demo page. */
class Tab {
  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  static async open(context, { url, room }, name) {
    const tab = new Tab(await context.newPage(), name);
    const answer = await tab.page.goto(url);
    check(answer.ok(), `${url} answered ${answer.status()}`);
    await tab.page.fill("#name", name);
    await tab.page.fill("#room", room);
    await tab.page.click("#connect");
    await tab.sees("#members", name);
    return tab;
  }

  async say(text) {
    await this.page.fill("#text", text);
    await this.page.click("#send");
  }

  /** Waits until every one of `texts` is in the element, in this order. */
  async sees(selector, ...texts) {
    await this.#until(selector, texts, true);
  }

  /** Uses the other panel of the page, with a text and with bytes. */
  async echoes(text) {
    await this.page.click("#tab-echo");
    await this.page.click("#echo-connect");
    await this.page.fill("#echo-text", text);
    await this.page.click("#echo-send");
    await this.sees("#echo-messages", text);
    await this.page.check("#echo-binary");
    await this.page.fill("#echo-text", "hi");
    await this.page.click("#echo-send");
    await this.sees("#echo-messages", text, "2 bytes: 68 69");
  }

  async misses(selector, text) {
    await this.#until(selector, [text], false);
  }

  async #until(selector, texts, wanted) {
    const arrived = ({ selector, texts, wanted }) => {
      const whole = document.querySelector(selector)?.innerText.toLowerCase() ?? "";
      let from = 0;
      const all = texts.every((text) => {
        const at = whole.indexOf(text.toLowerCase(), from);
        from = at + text.length;
        return at >= 0;
      });
      return all === wanted;
    };
    try {
      await this.page.waitForFunction(arrived, { selector, texts, wanted });
    } catch (error) {
      const now = await this.page.innerText(selector).catch(() => "(no such element)");
      const status = await this.page.innerText("#status").catch(() => "(none)");
      const what = `${wanted ? "" : "no "}'${texts.join("', '")}'`;
      throw new Failed(`${this.name}: ${selector} should have ${what}, has '${now}'; status '${status}'`, {
        cause: error,
      });
    }
  }
}

async function screenshots(page, out) {
  const sizes = { narrow: { width: 390, height: 760 }, wide: { width: 1100, height: 760 } };
  for (const [sizeName, size] of Object.entries(sizes)) {
    await page.setViewportSize(size);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(out, `chat-${sizeName}-${colorScheme}.png`) });
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    check(overflow <= 0, `the page is ${overflow} pixels too wide for ${size.width}`);
  }
}

async function chat(context, options) {
  const seen = await watch(context, new URL(options.url).origin);

  const alice = await Tab.open(context, options, "alice");
  await alice.page.screenshot({ path: join(options.out, "chat-alone.png") });
  const bob = await Tab.open(context, options, "bob");
  await alice.sees("#messages", "bob came");
  await alice.sees("#members", "bob");
  await bob.sees("#members", "alice");

  await alice.say("Hello Bob, zażółć 🦀");
  await bob.sees("#messages", "alice", "Hello Bob, zażółć 🦀");
  await bob.say(HOSTILE);
  await alice.sees("#messages", "Hello Bob", "bob", HOSTILE);
  // What everybody said comes back to the one who said it, once.
  await bob.sees("#messages", "Hello Bob", HOSTILE);
  await alice.say("A long line. ".repeat(30));
  await bob.sees("#messages", HOSTILE, "A long line. A long line.");
  check((await alice.page.title()) !== "owned", "a message of bob ran as a script in the tab of alice");
  await screenshots(alice.page, options.out);

  await bob.page.close();
  await alice.sees("#messages", "bob came", "bob left");
  await alice.misses("#members", "bob");
  await alice.page.screenshot({ path: join(options.out, "chat-left.png") });

  await alice.echoes("back 🦀");
  check(seen.sockets.length === 3, `two chats and an echo opened ${seen.sockets.length} sockets: ${seen.sockets}`);
  const offences = [...new Set(seen.offences)];
  check(offences.length === 0, offences.join("; "));
  return { requests: seen.requests, sockets: seen.sockets.length };
}

function run(options) {
  mkdirSync(options.out, { recursive: true });
  return inBrowser(options, (context) => chat(context, options));
}

function parse() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: "string" },
      room: { type: "string", default: "lounge" },
      timeout: { type: "string", default: "60" },
    },
  });
  const options = { ...values, url: positionals[0], timeout: Number(values.timeout) };
  if (positionals.length !== 1 || !URL.canParse(options.url) || !options.out || !(options.timeout > 0)) {
    throw new Error("usage: chat_page.mjs URL --out DIR [--room NAME] [--timeout SECONDS]");
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
await report("chat-page", () => run(options));
