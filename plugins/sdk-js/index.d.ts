// The types of `#socklet`.

/** A text message, or a binary one. */
export type Message = string | Uint8Array;
/** Header fields: an object, or pairs where a name comes more than once. */
export type Headers = Record<string, string> | [string, string][];

/** The HTTP request that asks for a WebSocket. */
export interface Request {
    /** The id of the connection that this becomes when it is accepted. */
    readonly connection: number;
    readonly listener: string;
    readonly method: string;
    /** Whether the client reached the host over TLS. */
    readonly secure: boolean;
    /** Host and port as the client named them. */
    readonly authority: string;
    /** Percent-decoded; it starts with a slash. */
    readonly path: string;
    /** Not decoded, without its question mark. */
    readonly query: string | null;
    /** Names are in lower case. A behavior sees credentials only where the operator granted them. */
    readonly headers: { name: string; value: string }[];
    readonly captures: [string, string][];
    /** Empty on a UNIX socket. */
    readonly clientIp: string;
    readonly clientPort: number;
    readonly attributes: [string, string][];
    /** The subprotocols that the client offered, in its order. */
    readonly subprotocols: string[];
    /** The first header field of this name. */
    header(name: string): string | undefined;
    /** What the route's path captured under this name. */
    capture(name: string): string | undefined;
    /** What else the host knows: `tenant`, `route`, `tls.version` and more. */
    attribute(name: string): string | undefined;
    /** The first value of this name in the query, decoded; empty for a name without an equals sign. */
    queryValue(name: string): string | undefined;
    /** The value of a cookie. */
    cookie(name: string): string | undefined;
    /** The token of `Authorization: Bearer`. */
    bearer(): string | undefined;
    /** What `Authorization: Basic` says. */
    basic(): { user: string; password: string } | undefined;
}

/** Who a connection belongs to. */
export interface Principal {
    subject: string;
    attributes: [string, string][];
    /** Unix seconds after which the host closes the connection with 1008. */
    expiresAt: number | null;
}

/** The opcodes of RFC 6455, section 5.2. */
export type Opcode = "continuation" | "text" | "binary" | "close" | "ping" | "pong";

/** One frame, unmasked. */
export interface Frame {
    opcode: Opcode;
    /** Whether it is the last frame of its message. */
    fin: boolean;
    payload: Uint8Array;
}

/** How a connection ended. */
export interface Ending {
    /** 1005 where the client's close frame was empty, 1006 where it went away without one. */
    code: number;
    reason: string;
    /** `client`, `plugin`, `operator`, `disconnected`, `heartbeat`, `protocol`, `limit`, `slow-consumer`, `expired`, `plugin-failed`, ... */
    cause: string;
    /** Both sides completed the closing handshake. */
    clean: boolean;
    durationMs: number;
    messagesReceived: number;
    messagesSent: number;
}

/** One connection of the route. */
export interface Connection<Data = unknown> {
    /** Opaque, unique in the cluster, below 2^53. */
    readonly id: number;
    /** What the plugin keeps for it. */
    data: Data;
    /** Bytes queued and not yet written. */
    readonly queued: number;
    /** Who it belongs to; null on routes without authenticators. */
    readonly principal: Principal | null;
    /** Up to 16 KiB that the host keeps with it, whatever becomes of the instance. */
    attachment: Uint8Array;
    /** The attachment as JSON; undefined when there is none. */
    attached: unknown;
    /** Queues a message; throws a SendError. Never waits: it is queued, not delivered. */
    send(message: Message | ArrayBuffer): void;
    /** Queues a value as JSON in a text message. */
    sendJson(value: unknown): void;
    /** Queues one frame: a fragment, a ping of one's own. */
    sendFrame(opcode: Opcode, fin: boolean, payload: Uint8Array): void;
    /** Waits until everything queued was written to the socket. */
    flush(): void;
    /** Starts the closing handshake, after what is queued already. The first close frame wins. */
    close(code?: number, reason?: string): void;
    /** Adds it to a topic, which it leaves by itself when it closes. */
    subscribe(topic: string): void;
    /** Takes it out of a topic. */
    unsubscribe(topic: string): void;
    /** Has `onTimer(name, connection)` called once. It goes with the connection. */
    setTimer(name: string, milliseconds: number): void;
    /** Forgets a timer. */
    cancelTimer(name: string): void;
}

/** What the 101 carries beside its fixed fields. */
export interface Acceptance {
    /** One of the subprotocols that the client offered. */
    subprotocol?: string | null;
    headers?: Headers;
}

/** What a connection does. All hooks may be left out; none may wait. */
export interface Behavior<Data, Saved> {
    /** Called once, before the first hook, when the settings were read. */
    start?(): void;
    /** Makes what a connection begins with. */
    data?(): Data;
    /** The last word before the 101. Sends are refused here; the data can be set. */
    onUpgrade?(request: Request, connection: Connection<Data>): Acceptance | Refusal | void;
    /** The connection can be sent to. */
    onOpen?(connection: Connection<Data>): void;
    /** One complete message. */
    onMessage?(connection: Connection<Data>, message: Message): void;
    /** The connection has ended; its data is dropped after this. */
    onClose?(connection: Connection<Data>, ending: Ending): void;
    /** One frame, before anything is done with it. Needs the export `frames`. */
    onFrame?(connection: Connection<Data>, frame: Frame): "process" | "skip" | "stop" | void;
    /** A timer is due: the connection's, or without one the instance's. Needs the export `timer-events`. */
    onTimer?(name: string, connection?: Connection<Data>): void;
    /** What belongs to no connection and must survive, as JSON. Needs the export `state`, as the next two. */
    save?(): Saved;
    /** Takes back what `save` returned, maybe in an older version of the plugin. */
    load?(saved: Saved): void;
    /** Makes a connection's data of what was saved of it, maybe by an older version. Left out: that very JSON. */
    restore?(data: any): Data;
}

/** A behavior: the default export of `src/plugin`. */
export function defineBehavior<Data = undefined, Saved = unknown>(hooks: Behavior<Data, Saved>): Behavior<Data, Saved>;

/** What an authenticator says. */
export type Verdict =
    | { tag: "grant"; val: Principal }
    | { tag: "abstain" }
    | { tag: "deny"; val: { status: number; headers: { name: string; value: string }[]; body: Uint8Array } };

/** Who may connect. Every request is asked of a fresh instance. */
export interface Authenticator {
    /** Called before `authenticate`, when the settings were read. */
    start?(): void;
    /** Judges one request. Unlike a behavior it sees `authorization` and `cookie`. */
    authenticate(request: Request): Verdict;
}

/** An authenticator: the default export of `src/plugin`. */
export function defineAuthenticator(hooks: Authenticator): Authenticator;
/** Lets the connection in as this subject. `expiresAt` is a Date or Unix seconds. */
export function grant(subject: string, options?: { attributes?: Headers; expiresAt?: Date | number | null }): Verdict;
/** No opinion: the next authenticator is asked; when all abstain, the answer is 401. */
export function abstain(): Verdict;
/** Refuses with this response: status 400 to 599. */
export function deny(status: number, body?: string | Uint8Array, headers?: Headers): Verdict;

/** Ends the connection with this code and reason. Anything else that a hook throws is logged, and closes with 1011. */
export class CloseError extends Error {
    constructor(code: number, reason?: string);
    readonly code: number;
    readonly reason: string;
}

/** Why nothing was queued. */
export class SendError extends Error {
    readonly kind: "unknown" | "not-open" | "full" | "invalid" | "other";
}

/** An answer instead of the 101, returned or thrown by `onUpgrade`: status 200 to 599. */
export class Refusal extends Error {
    constructor(status: number, body?: string | Uint8Array, headers?: Headers);
    readonly status: number;
}

/** A kind of setting. */
export interface Kind<T> {
    readonly name: string;
    check(value: unknown): T;
}

/** The kinds of settings. With a value to fall back on a setting may be left out, without one it must be there. */
export const setting: {
    string(fallback?: string): Kind<string>;
    boolean(fallback?: boolean): Kind<boolean>;
    number(fallback?: number): Kind<number>;
    /** A whole number, within bounds. */
    integer(fallback?: number, bounds?: { min?: number; max?: number }): Kind<number>;
    /** One of some strings. */
    choice<const N extends string>(names: readonly N[], fallback?: NoInfer<N>): Kind<N>;
    /** A list whose items are of a kind. */
    list<T>(item: Kind<T>, fallback?: T[]): Kind<T[]>;
    /** A table whose values are of a kind. */
    record<T>(item: Kind<T>, fallback?: Record<string, T>): Kind<Record<string, T>>;
    /** Whatever JSON says. */
    json(fallback?: unknown): Kind<any>;
    /** A setting that may be left out, and is undefined then. */
    optional<T>(of: Kind<T>): Kind<T | undefined>;
};

/** Says what settings a plugin has. The values are there from the first hook on; a wrong, missing or unknown one is an error. */
export function defineSettings<S extends Record<string, Kind<any>>>(
    schema: S,
): { readonly [K in keyof S]: S[K] extends Kind<infer T> ? T : never };

/** The connections of this route. */
export const connections: {
    /** The ids of all that are open. */
    ids(): number[];
    count(): number;
    /** The one of this id, without its data: nothing checks that there is one. */
    handle(id: number): Connection<undefined>;
    /** Queues a message for all but one; returns how many on this node accepted it. */
    sendAll(message: Message, but?: { readonly id: number }): number;
};

/** Named groups of connections, inside this route. */
export const topics: {
    /** Queues a message for every subscriber but one; returns how many on this node accepted it. */
    publish(topic: string, message: Message, but?: { readonly id: number }): number;
    /** The ids of the subscribers. */
    subscribers(topic: string): number[];
};

/** The route's ping to connections that were idle. Changes apply to every live connection of the route. */
export const heartbeat: {
    /** Seconds of idleness before a ping, 1 to 86,400. */
    interval: number;
    /** What the ping carries, at most 125 bytes. */
    payload: string;
};

/** Timers of the instance; those of a connection are `connection.setTimer`. */
export const timers: {
    /** Has `onTimer(name)` called once. */
    set(name: string, milliseconds: number): void;
    /** Forgets a timer. */
    cancel(name: string): void;
};

/** The host's log. `console` writes there, too. */
export const log: {
    debug(message: string): void;
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
};

/** Decodes `%41` to `A`. What is no escape stays as it is; bytes that are not UTF-8 become U+FFFD. */
export function percentDecode(text: string): string;
/** Whether two secrets are the same, in a time that depends on their lengths alone as far as an interpreter allows. */
export function same(one: string, other: string): boolean;
