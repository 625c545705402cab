// The types of `#socklet/testing`.

import type { Acceptance, Authenticator, Behavior, Frame, Message, Principal, Verdict } from "./index.js";

/** What a request says; what is left out is as in `GET / HTTP/1.1`. */
export interface TestRequest {
    /** A path with a query, such as `/rooms/1?name=ada`. */
    url?: string;
    headers?: Record<string, string>;
    captures?: Record<string, string>;
    attributes?: Record<string, string>;
}

/** A client that is connected. */
export interface Client {
    readonly id: number;
    readonly accepted: Acceptance;
    /** What it was sent. */
    readonly received: Message[];
    /** Frames that were sent by themselves. */
    readonly frames: Frame[];
    /** What it was closed with. */
    readonly closed: { code: number; reason: string } | undefined;
    /** Sends a message, and returns what came back since. */
    send(message: Message): Message[];
    /** Closes the connection. */
    close(code?: number, reason?: string): void;
}

/** A host in memory, without WebAssembly and without sockets. Time stands still until it is advanced. */
export interface TestHost {
    /** What was logged. */
    readonly log: ["debug" | "info" | "warn" | "error", string][];
    /** Milliseconds since the beginning. */
    readonly now: number;
    /** Connects; throws the response where the plugin refuses. */
    connect(request?: TestRequest & { principal?: Principal | null }): Client;
    /** Asks an authenticator. */
    authenticate(request?: TestRequest): Verdict;
    /** Asks to connect, and is gone before it is answered. */
    vanish(request?: TestRequest): void;
    /** Lets time pass, and timers come due. */
    advance(milliseconds: number): void;
    /** Saves, and goes on with what a fresh instance loads. Variables of modules stay as they are, unlike on a real host. */
    hibernate(): void;
    /** What the instance would save now. */
    saved(): Uint8Array;
}

/** A host that serves one behavior, or asks one authenticator. Settings are written as in the host's configuration. */
export function testHost(
    plugin: Behavior<any, any> | Authenticator,
    options?: { settings?: Record<string, unknown> },
): TestHost;

/** The text of a response's body. */
export function bodyOf(response: { body: Uint8Array }): string;
