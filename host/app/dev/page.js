// The page of `socklet dev`: one WebSocket to the plugin that is being written, and all that goes over it.

const at = (id) => document.getElementById(id);
const MAX_LINES = 1000;

let socket = null;

// What is served, as the server wrote it beside this page.
const served = await fetch("served.json").then((answer) => answer.json());
at("plugin").textContent = served.plugin;
at("paths").append(...served.paths.map((path) => Object.assign(document.createElement("option"), { value: path })));
at("path").value = sessionStorage.getItem("path") ?? served.paths[0] ?? "/";

function line(kind, text) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toISOString().slice(11, 23);
  item.className = kind;
  item.append(time, text);
  const log = at("log");
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(item);
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (follows) log.scrollTop = log.scrollHeight;
}

function show(state, text) {
  at("status").dataset.state = state;
  at("status").textContent = text;
  for (const control of [at("text"), at("say").querySelector("button"), at("close")]) control.disabled = state !== "open";
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

at("open").addEventListener("submit", (event) => {
  event.preventDefault();
  socket?.close();
  const path = at("path").value.startsWith("/") ? at("path").value : `/${at("path").value}`;
  sessionStorage.setItem("path", at("path").value);
  const subprotocols = at("subprotocols").value.split(/[\s,]+/).filter(Boolean);
  let own;
  try {
    own = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`, subprotocols);
  } catch (error) {
    line("bad", String(error));
    return;
  }
  socket = own;
  own.binaryType = "arraybuffer";
  show("opening", "connecting …");
  let opened = false;
  own.addEventListener("open", () => {
    opened = true;
    line("note", `open ${path}${own.protocol && `, subprotocol ${own.protocol}`}`);
    show("open", `connected to ${path}`);
    at("text").focus();
  });
  own.addEventListener("message", ({ data }) => line("in", `← ${typeof data === "string" ? data : `${data.byteLength} bytes: ${hex(data)}`}`));
  own.addEventListener("close", (ended) => {
    const why = opened ? `closed ${ended.code} ${ended.reason}` : `${path} was refused: the log of socklet dev says why`;
    line(opened && ended.code === 1000 ? "note" : "bad", why.trimEnd());
    if (socket === own) {
      socket = null;
      show("closed", "not connected");
    }
  });
});

at("close").addEventListener("click", () => socket?.close(1000));

at("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (socket?.readyState !== WebSocket.OPEN) return;
  const bytes = at("binary").checked;
  socket.send(bytes ? new TextEncoder().encode(text) : text);
  line("out", `→ ${text}${bytes ? " (as bytes)" : ""}`);
  at("text").value = "";
});

at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("say").requestSubmit();
  }
});
