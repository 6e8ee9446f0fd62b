/** A client of a fake server, new for each test. */
import { afterEach, beforeEach, vi } from "vitest";
import { createClient, type Client } from "../src/client.js";
import type { Problem } from "../src/problem.js";
import { annOn, FakeEventSource, FakeLocks, FakeServer, json } from "./fakes.js";

export { pending } from "./fakes.js";

export let server: FakeServer;
export let client: Client;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("navigator", { locks: new FakeLocks() });
  server = new FakeServer();
  server.respond("GET /session", json(annOn("a")));
  client = createClient({ baseUrl: "http://api.test/" });
});

afterEach(() => {
  client.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

export const problemOf = (call: Promise<unknown>) =>
  call.then(
    () => { throw new Error("it did not fail"); },
    (error: unknown) => error as Problem,
  );

export const required = () => json({ code: "reauthentication_required", methods: ["password"] }, 403);

/** Refuses `request` until somebody has proved who they are. */
export function guard(request: string): void {
  server.respond(request, required);
  server.respond("POST /reauthenticate", () => {
    server.respond(request, json({ done: true }));
    return json(annOn("a"));
  });
}
