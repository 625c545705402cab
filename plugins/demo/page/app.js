// The demo's page: a chat client and an echo client, each over one WebSocket to the server that served this page.

const at = (id) => document.getElementById(id);
const url = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
const MAX_LINES = 500;

// What a close code means to somebody who chats.
const REASONS = {
  1001: "the server closed the connection",
  1003: "the server does not take this kind of message",
  1006: "the connection was lost, or the server refused it",
  1008: "the server closed the connection by its rules",
  1009: "the message was too big",
  1011: "the server had a problem",
  1012: "the server restarts",
  1013: "the server has too much to do",
};
// Codes after which it makes sense to come back.
const COME_BACK = new Set([1001, 1006, 1011, 1012, 1013]);

// One connection with its button, its status and its form.
class Client {
  constructor({ button, status, controls, path, message, opened, closed, returns }) {
    Object.assign(this, { button, status, controls, path, message, opened, closed, returns });
    this.socket = null;
    this.retry = null;
    this.attempts = 0;
    this.show("closed", "not connected");
  }

  toggle() {
    if (this.socket || this.retry) this.close();
    else this.open();
  }

  open() {
    clearTimeout(this.retry);
    this.retry = null;
    this.show("opening", "connecting …");
    const socket = new WebSocket(url(this.path()));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    let wasOpen = false;
    socket.addEventListener("open", () => {
      wasOpen = true;
      this.attempts = 0;
      this.show("open", "connected");
      this.opened?.();
    });
    socket.addEventListener("message", (event) => this.message(event.data));
    socket.addEventListener("close", (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      const why = event.reason || REASONS[event.code] || "";
      this.closed?.();
      // A connection that never opened was refused: asking again would get the same answer.
      if (this.returns && COME_BACK.has(event.code) && (wasOpen || this.attempts > 0) && this.attempts < 8) {
        this.comeBack(why);
      } else {
        this.show("closed", `not connected${why && `: ${why}`} (${event.code})`);
      }
    });
  }

  // Waits longer each time, and not as long as everybody else.
  comeBack(why) {
    this.attempts += 1;
    const seconds = Math.min(30, 2 ** this.attempts * (0.5 + Math.random() / 2));
    this.show("opening", `${why}; coming back in ${Math.ceil(seconds)} s`);
    this.retry = setTimeout(() => this.open(), seconds * 1000);
  }

  close() {
    const { socket } = this;
    clearTimeout(this.retry);
    this.retry = this.socket = null;
    this.attempts = 0;
    socket?.close(1000);
    this.closed?.();
    this.show("closed", "not connected");
  }

  send(data) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  show(state, text) {
    this.status.dataset.state = state;
    this.status.textContent = text;
    this.button.textContent = state === "closed" ? "Connect" : "Disconnect";
    for (const control of this.controls) control.disabled = state !== "open";
  }
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Adds a line, and follows the end of the list unless somebody scrolled up to read.
function addLine(list, line) {
  const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(line);
  while (list.children.length > MAX_LINES) list.firstElementChild.remove();
  if (follows) list.scrollTop = list.scrollHeight;
}

// Keeps the end in view when a list shrinks, as it does when a keyboard opens.
function followsResize(list) {
  let follows = true;
  list.addEventListener("scroll", () => {
    follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  });
  new ResizeObserver(() => {
    if (follows) list.scrollTop = list.scrollHeight;
  }).observe(list);
}

const notice = (list, text, kind = "notice") => addLine(list, element("li", kind, text));

function time(milliseconds) {
  const date = new Date(milliseconds);
  const made = element("time", "", date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  made.dateTime = date.toISOString();
  return made;
}

// --- chat

const messages = at("messages");
followsResize(messages);
const members = new Map();
let you = "";

function showMembers() {
  const names = [...members.keys()].sort((a, b) => a.localeCompare(b));
  at("members").replaceChildren(...names.map((name) => {
    const item = element("li", name === you ? "you" : "", name);
    if (members.get(name)) item.append(" ", check());
    return item;
  }));
}

function check() {
  const mark = element("span", "check", "✓");
  mark.title = "verified";
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", "verified");
  return mark;
}

// Names are a set: a join may name somebody who is listed already.
const CHAT = {
  welcome(event) {
    you = event.you;
    CHAT.members(event);
    notice(messages, `you are ${event.you} in ${event.room}`);
  },
  members(event) {
    const verified = new Map(members);
    members.clear();
    for (const name of event.members) members.set(name, verified.get(name) ?? false);
    showMembers();
  },
  join(event) {
    members.set(event.name, Boolean(event.verified));
    showMembers();
    notice(messages, `${event.name} came`);
  },
  leave(event) {
    members.delete(event.name);
    showMembers();
    notice(messages, `${event.name} left`);
  },
  message(event) {
    const line = element("li", event.from === you ? "message own" : "message");
    const from = element("span", "from", event.from);
    if (event.verified) {
      from.append(" ", check());
      members.set(event.from, true);
      showMembers();
    }
    if (event.at) line.append(time(event.at));
    line.append(from, element("span", "said", event.text));
    addLine(messages, line);
  },
  error(event) {
    notice(messages, event.reason, "error");
  },
};

const chat = new Client({
  button: at("connect"),
  status: at("status"),
  controls: [at("text"), at("send")],
  returns: true,
  path() {
    const name = at("name").value.trim();
    const room = encodeURIComponent(at("room").value.trim());
    return `/chat/${room}${name && `?name=${encodeURIComponent(name)}`}`;
  },
  message(data) {
    const event = JSON.parse(data);
    if (Object.hasOwn(CHAT, event.type)) CHAT[event.type](event);
  },
  opened() {
    at("name").disabled = at("room").disabled = true;
    at("text").focus();
  },
  closed() {
    members.clear();
    showMembers();
    at("name").disabled = at("room").disabled = false;
  },
});

at("join").addEventListener("submit", (event) => {
  event.preventDefault();
  history.replaceState(null, "", `#${encodeURIComponent(at("room").value.trim())}`);
  chat.toggle();
});

at("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (!text.trim()) return;
  chat.send(JSON.stringify({ type: "say", text }));
  at("text").value = "";
});

function roomOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

at("room").value = roomOfAddress() || "lobby";
at("example").textContent = `npx wscat --auth USER:PASSWORD --connect ${url("/chat/lobby")}`;

// --- echo

const echoes = at("echo-messages");

const echo = new Client({
  button: at("echo-connect"),
  status: at("echo-status"),
  controls: [at("echo-text"), at("echo-send")],
  returns: false,
  path: () => "/echo",
  message(data) {
    const bytes = data instanceof ArrayBuffer ? [...new Uint8Array(data)] : null;
    const hex = bytes?.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    addLine(echoes, element("li", "message", bytes ? `${bytes.length} bytes: ${hex}` : data));
  },
  opened: () => at("echo-text").focus(),
});

at("echo-connect").addEventListener("click", () => echo.toggle());

at("echo-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("echo-text").value;
  echo.send(at("echo-binary").checked ? new TextEncoder().encode(text) : text);
  at("echo-text").value = "";
});

// --- tabs

const tabs = [...document.querySelectorAll("[role=tab]")];

function select(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    at(other.getAttribute("aria-controls")).hidden = !chosen;
  }
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(index + step + tabs.length) % tabs.length];
    select(next);
    next.focus();
  });
}
