import { createClient, type Client } from "@handstamp/client";
import { ClientProvider } from "@handstamp/client/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { createMemoryRouter, RouterProvider } from "react-router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Layout } from "./Layout";

const created_at = "2026-01-01T00:00:00Z";
const ann = {
  user: { id: "1", username: "Ann", email: null, created_at },
  session: { id: "a", created_at, authenticated_at: created_at, expires_at: created_at },
  reauthentication: null,
  reason: null,
};
const ended = (reason: string) => ({ user: null, session: null, reauthentication: null, reason });
const fetchMock = vi.fn<() => Promise<Response>>();
let client: Client;

function json(body: unknown): Promise<Response> {
  return Promise.resolve(new Response(JSON.stringify(body), { headers: { "content-type": "application/json" } }));
}

/** Streams are the package's to test. */
class Stream extends EventTarget {
  readyState = 0;
  close(): void {
    this.readyState = 2;
  }
}

beforeEach(() => {
  vi.stubGlobal("scrollTo", vi.fn());
  vi.stubGlobal("fetch", fetchMock);
  vi.stubGlobal("EventSource", Stream);
  client = createClient({ baseUrl: "http://api.test" });
});

afterEach(() => {
  cleanup();
  client.close();
  fetchMock.mockReset();
  vi.unstubAllGlobals();
});

function renderLayout(): void {
  const routes = [{ path: "/", element: <Layout />, children: [{ index: true, element: <p>News</p> }] }];
  render(
    <ClientProvider client={client}>
      <QueryClientProvider client={new QueryClient()}>
        <RouterProvider router={createMemoryRouter(routes)} />
      </QueryClientProvider>
    </ClientProvider>,
  );
}

test("no links are shown before the session is known", async () => {
  let respond: (response: Response) => void = () => undefined;
  fetchMock.mockReturnValue(new Promise((resolve) => { respond = resolve; }));
  renderLayout();
  expect(fetchMock).toHaveBeenCalledOnce();
  expect(screen.queryByText("News")).toBeNull();
  expect(screen.queryByRole("link", { name: "Log in" })).toBeNull();
  respond(await json(ann));
  await screen.findByRole("link", { name: "Dashboard" });
  expect(screen.getByText("News")).toBeTruthy();
  expect(screen.queryByRole("link", { name: "Log in" })).toBeNull();
});

test("an unreachable server logs nobody out", async () => {
  fetchMock.mockRejectedValueOnce(new TypeError("Failed to fetch"));
  renderLayout();
  await screen.findByRole("heading", { name: "We cannot reach the newsroom" });
  expect(screen.queryByRole("link", { name: "Log in" })).toBeNull();
  fetchMock.mockImplementation(() => json(ann));
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByRole("link", { name: "Dashboard" });
});

test("logging out changes the links and needs no notice; a logout that fails shows an error", async () => {
  fetchMock.mockImplementation(() => json(ann));
  renderLayout();
  const button = await screen.findByRole("button", { name: "Log out" });
  fetchMock.mockRejectedValueOnce(new TypeError("Failed to fetch"));
  await userEvent.click(button);
  await screen.findByText("You are still logged in. Try again.");
  fetchMock.mockImplementation(() => json({}));
  await userEvent.click(button);
  await screen.findByRole("link", { name: "Log in" });
  expect(screen.queryByText(/You were logged out/)).toBeNull();
});

test.each([
  ["expired", "your session has expired."],
  ["revoked", "this session was ended from another device, by a later login, or by an operator."],
  ["unknown_session", "your session is not valid any more."],
  ["no_cookie", "your session is not valid any more."],
])("a user who is logged out (%s) is told why, once", async (reason, text) => {
  fetchMock.mockImplementation(() => json(ann));
  renderLayout();
  await screen.findByRole("link", { name: "Dashboard" });
  fetchMock.mockImplementation(() => json(ended(reason)));
  await act(() => client.refresh());
  await screen.findByText(`You were logged out: ${text}`);
  await userEvent.click(screen.getByRole("button", { name: "OK" }));
  expect(screen.queryByText(/You were logged out/)).toBeNull();
});

test("a visitor is told nothing", async () => {
  fetchMock.mockImplementation(() => json(ended("no_cookie")));
  renderLayout();
  await screen.findByRole("link", { name: "Log in" });
  expect(screen.queryByText(/You were logged out/)).toBeNull();
});
