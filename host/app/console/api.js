// The admin API: one place that speaks to it. The token stays in this tab.

const KEY = "socklet-token";
let token = sessionStorage.getItem(KEY);

/** A request was not done: `status`, and what the server said. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function keep(value) {
  token = value;
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

export const hasToken = () => Boolean(token);

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.detail ?? problem.title ?? problem.error ?? `status ${answer.status}`);
}

/** Data of a path. `query`: what is empty is left out. */
export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return (await ask(path + search)).json();
}

/** Every page of a list. */
export async function all(path, name, query = {}) {
  const entries = [];
  let cursor;
  do {
    const page = await get(path, { ...query, limit: 1000, cursor });
    entries.push(...page[name]);
    cursor = page.next;
  } while (cursor != null && entries.length < 20000);
  return entries;
}

export async function change(method, path, body, type) {
  const headers = type ? { "content-type": type } : {};
  return (await ask(path, { method, body, headers })).json();
}

/** The metrics, as text. */
export const metrics = async () => (await ask("v1/metrics")).text();

/** Calls `take` for each event until `signal` ends it. Comes back after an interruption. */
export async function follow(take, signal) {
  for (let wait = 1000; !signal.aborted; wait = Math.min(wait * 2, 30000)) {
    try {
      const answer = await ask("v1/events", { signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        wait = 1000;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
          const data = part.split("\n").find((line) => line.startsWith("data: "));
          if (data) take(JSON.parse(data.slice(6)));
        }
      }
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
