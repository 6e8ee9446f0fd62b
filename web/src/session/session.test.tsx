import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { createMemoryRouter, RouterProvider } from "react-router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem } from "../api/problem";
import { Layout } from "../components/shared/Layout";
import { isWorthRetrying, noticeLogOut, sessionQuery } from "./session";

const ann = {
  id: "1",
  username: "Ann",
  email: null,
  email_verified: false,
  created_at: "2026-01-01T00:00:00Z",
};
const loggedOut = { status: 401, title: "", type: "", detail: "", code: "not_logged_in" };
// The API client captures fetch when its module is loaded.
const fetchMock = vi.hoisted(() => {
  const fetchMock = vi.fn<(request: Request) => Promise<Response>>();
  vi.stubGlobal("fetch", fetchMock);
  return fetchMock;
});

function json(body: unknown, status = 200): Promise<Response> {
  const type = status < 400 ? "application/json" : "application/problem+json";
  const headers = { "content-type": type };
  return Promise.resolve(new Response(JSON.stringify(body), { status, headers }));
}

beforeEach(() => {
  vi.stubGlobal("scrollTo", vi.fn());
});

afterEach(() => {
  cleanup();
  fetchMock.mockReset();
});

function renderLayout(): QueryClient {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const routes = [{ path: "/", element: <Layout />, children: [{ index: true, element: <p>News</p> }] }];
  render(
    <QueryClientProvider client={client}>
      <RouterProvider router={createMemoryRouter(routes)} />
    </QueryClientProvider>,
  );
  return client;
}

test("no links are shown before the session is loaded", async () => {
  let respond: (response: Response) => void = () => undefined;
  fetchMock.mockReturnValue(new Promise((resolve) => { respond = resolve; }));
  renderLayout();
  await waitFor(() => { expect(fetchMock).toHaveBeenCalled(); });
  expect(screen.queryByText("News")).toBeNull();
  expect(screen.queryByRole("link", { name: "Log in" })).toBeNull();
  respond(await json(ann));
  await screen.findByRole("link", { name: "Ann , your dashboard" });
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
  await screen.findByRole("link", { name: "Ann , your dashboard" });
});

test("logging out changes the links; a logout that fails shows an error", async () => {
  fetchMock.mockImplementation(() => json(ann));
  renderLayout();
  const button = await screen.findByRole("button", { name: "Log out" });
  fetchMock.mockRejectedValueOnce(new TypeError("Failed to fetch"));
  await userEvent.click(button);
  await screen.findByText("You are still logged in. Try again.");
  fetchMock.mockImplementation(() => json({}));
  await userEvent.click(button);
  await screen.findByRole("link", { name: "Log in" });
});

test("a 401 to any request ends the page's session, and nothing else does", () => {
  const client = new QueryClient();
  client.setQueryData(sessionQuery.queryKey, ann);
  noticeLogOut(client, new Problem(403, { code: "not_yours" }));
  noticeLogOut(client, new TypeError("Failed to fetch"));
  expect(client.getQueryData(sessionQuery.queryKey)).toEqual(ann);
  noticeLogOut(client, new Problem(401, loggedOut));
  expect(client.getQueryData(sessionQuery.queryKey)).toBeNull();
});

test("a refusal is not retried, a fault is, twice", () => {
  expect(isWorthRetrying(0, new Problem(402, {}))).toBe(false);
  expect(isWorthRetrying(1, new Problem(503, {}))).toBe(true);
  expect(isWorthRetrying(1, new TypeError("Failed to fetch"))).toBe(true);
  expect(isWorthRetrying(2, new Problem(503, {}))).toBe(false);
});
