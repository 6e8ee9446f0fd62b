import { act, cleanup, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/index.js";
import { ClientProvider, Show, useReauthentication, useSession, useSessions } from "../src/react.js";
import { ann, annOn, FakeEventSource, FakeLocks, FakeServer, json, visitor } from "./fakes.js";

let server: FakeServer;
let client: Client;

beforeEach(() => {
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("navigator", { locks: new FakeLocks() });
  server = new FakeServer();
  server.respond("GET /session", json(annOn("a")));
  client = createClient({ baseUrl: "http://api.test" });
});

afterEach(() => {
  cleanup();
  client.close();
  vi.unstubAllGlobals();
});

function Name() {
  return <b>{useSession().user?.username}</b>;
}

function Links() {
  return (
    <>
      <Show when="signed-in">Log out</Show>
      <Show when="signed-out">Log in</Show>
    </>
  );
}

test("fifty components make one request, and nothing shows before its response", async () => {
  let respond: (response: Response) => void = () => undefined;
  server.respond("GET /session", new Promise((resolve) => { respond = resolve; }));
  render(
    <StrictMode>
      <ClientProvider client={client}>
        <Links />
        {Array.from({ length: 50 }, (_, index) => <Name key={index} />)}
      </ClientProvider>
    </StrictMode>,
  );
  expect(screen.queryByText(/Log/)).toBeNull();
  respond(json(annOn("a")));
  expect(await screen.findAllByText("Ann")).toHaveLength(50);
  expect(screen.getByText("Log out")).toBeTruthy();
  expect(screen.queryByText("Log in")).toBeNull();
  expect(server.count("GET /session")).toBe(1);
});

test("a component that shows the session is not rendered again for the same session", async () => {
  let renders = 0;
  function Counted() {
    renders += 1;
    return <Name />;
  }
  render(<ClientProvider client={client}><Counted /></ClientProvider>);
  await screen.findByText("Ann");
  const before = renders;
  await act(() => client.refresh());
  expect(renders).toBe(before);
});

test("on a server nothing is known, and nothing is asked", () => {
  const page = <ClientProvider client={client}><Name /><Links /></ClientProvider>;
  expect(renderToString(page)).toBe("<b></b>");
  expect(server.requests).toEqual([]);
});

const device = (id: string) => ({ ...annOn("a").session, id, last_seen_at: "", ip: null, user_agent: id, device_bound: false, current: id === "a" });

function Devices() {
  const { sessions, error, endOthers } = useSessions();
  return (
    <>
      <p>{sessions?.map(({ id }) => id).join(" ") ?? "no list"}{error?.code}</p>
      <button onClick={() => void endOthers()}>Log out elsewhere</button>
    </>
  );
}

test("the list of sessions is asked for once, again after an end, and gone after a log-out", async () => {
  server.respond("GET /sessions", () => json({ sessions: [device("a"), device("b")] }));
  server.respond("DELETE /sessions", () => {
    server.respond("GET /sessions", () => json({ sessions: [device("a")] }));
    return json(null, 204);
  });
  server.respond("DELETE /logout", json({}));
  render(<ClientProvider client={client}><Devices /><Devices /></ClientProvider>);
  expect(await screen.findAllByText("a b")).toHaveLength(2);
  expect(server.count("GET /sessions")).toBe(1);
  act(() => { screen.getAllByRole("button")[0]?.click(); });
  expect(await screen.findAllByText("a")).toHaveLength(2);
  server.respond("GET /session", json(visitor));
  await act(() => client.logout());
  expect(screen.getAllByText("no list")).toHaveLength(2);
  expect(server.count("GET /sessions")).toBe(2);
});

function Dialog() {
  const request = useReauthentication();
  return request && <button onClick={() => void request.submit("plain tea at dawn")}>{request.methods.join()}</button>;
}

test("a dialog gets the call that waits for a password", async () => {
  server.respond("DELETE /sessions", json({ code: "reauthentication_required", methods: ["password"] }, 403));
  server.respond("POST /reauthenticate", () => {
    server.respond("DELETE /sessions", json(null, 204));
    return json(annOn("a"));
  });
  render(<ClientProvider client={client}><Name /><Dialog /></ClientProvider>);
  await screen.findByText(ann.username);
  const call = client.endOtherSessions();
  const button = await screen.findByText("password");
  act(() => { button.click(); });
  await call;
  expect(screen.queryByText("password")).toBeNull();
  expect(server.bodies).toContain('{"password":"plain tea at dawn"}');
});
