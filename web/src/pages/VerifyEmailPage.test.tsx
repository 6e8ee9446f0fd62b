import { createClient, type Client } from "@handstamp/client";
import { ClientProvider } from "@handstamp/client/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { StrictMode } from "react";
import { createMemoryRouter, RouterProvider } from "react-router";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { spendToken, watchLinks } from "../lib/linkToken";
import { VerifyEmailPage } from "./VerifyEmailPage";

const created_at = "2026-01-01T00:00:00Z";
const nobody = { user: null, session: null, reauthentication: null, reason: "no_cookie" };
const ann = (email_verified: boolean) => ({
  user: { id: "1", username: "Ann", email: "ann@example.com", email_verified, created_at },
  session: { id: "a", created_at, authenticated_at: created_at, expires_at: created_at },
  reauthentication: null,
  reason: null,
});

let client: Client;
let session: object;
/** What the next links get. */
let verify: () => Promise<Response>;
let posted: string[];

const respond = (status: number, body: object | null = null) => {
  const headers = { "content-type": status < 400 ? "application/json" : "application/problem+json" };
  return Promise.resolve(new Response(body && JSON.stringify(body), { status, headers }));
};

class Stream extends EventTarget {
  close(): void {
    this.dispatchEvent(new Event("closed"));
  }
}

beforeAll(watchLinks);

beforeEach(() => {
  posted = [];
  session = nobody;
  vi.stubGlobal("EventSource", Stream);
  vi.stubGlobal("fetch", async (input: Request | string) => {
    if (typeof input === "string") return respond(200, session);
    const request = input;
    if (request.url.endsWith("/session")) return respond(200, session);
    posted.push(await request.text());
    return verify();
  });
  client = createClient({ baseUrl: "http://api.test" });
});

afterEach(() => {
  cleanup();
  spendToken();
  client.close();
  vi.unstubAllGlobals();
});

async function open(link: string): Promise<void> {
  history.pushState(null, "", link);
  dispatchEvent(new HashChangeEvent("hashchange"));
  await client.session();
  const path = location.pathname + location.search;
  const routes = [{ path: "*", element: <VerifyEmailPage /> }];
  render(
    <StrictMode>
      <ClientProvider client={client}>
        <QueryClientProvider client={new QueryClient()}>
          <RouterProvider router={createMemoryRouter(routes, { initialEntries: [path] })} />
        </QueryClientProvider>
      </ClientProvider>
    </StrictMode>,
  );
}

test("a link is sent once, and what it did is said and has the focus", async () => {
  verify = () => respond(204);
  await open("/verify-email#token=t");
  const heading = await screen.findByRole("heading", { name: "Your e-mail address is verified" });
  await screen.findByText("You can log in now.");
  expect(posted).toEqual(['{"token":"t"}']);
  expect(document.activeElement).toBe(heading);
});

test("a user who is logged in sees their address", async () => {
  session = ann(false);
  verify = () => {
    session = ann(true);
    return respond(204);
  };
  await open("/verify-email#token=t");
  await screen.findByText("ann@example.com");
  expect(screen.getByRole("link", { name: "To your dashboard" })).toBeTruthy();
});

test("the link of another account says so", async () => {
  session = ann(false);
  verify = () => respond(204);
  await open("/verify-email#token=t");
  await screen.findByText(/It is the address of another account than/);
});

test("a link that is of no use any more says what to do next", async () => {
  session = ann(false);
  verify = () => respond(400, { code: "bad_token" });
  await open("/verify-email#token=t");
  await screen.findByRole("heading", { name: "This link does not work any more" });
  expect(screen.getByRole("button", { name: "Send the link again" })).toBeTruthy();
});

test("a link that did not get through is sent again on request", async () => {
  verify = () => Promise.reject(new TypeError("Failed to fetch"));
  await open("/verify-email#token=t");
  await screen.findByRole("heading", { name: "The link was not used yet" });
  verify = () => respond(204);
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByRole("heading", { name: "Your e-mail address is verified" });
  expect(posted).toEqual(['{"token":"t"}', '{"token":"t"}']);
});

test("taking a change back is asked first, as it logs everybody out", async () => {
  verify = () => respond(204);
  await open("/verify-email?undo#token=t");
  const button = await screen.findByRole("button", { name: "Take it back" });
  expect(posted).toEqual([]);
  await userEvent.click(button);
  await screen.findByRole("heading", { name: "Your address is back" });
  expect(posted).toEqual(['{"token":"t"}']);
});

test("a second link in the same tab is sent as well", async () => {
  verify = () => respond(400, { code: "bad_token" });
  await open("/verify-email#token=old");
  await screen.findByRole("heading", { name: "This link does not work any more" });
  verify = () => respond(204);
  act(() => {
    history.pushState(null, "", "/verify-email#token=new");
    dispatchEvent(new HashChangeEvent("hashchange"));
  });
  await screen.findByRole("heading", { name: "Your e-mail address is verified" });
  expect(posted).toEqual(['{"token":"old"}', '{"token":"new"}']);
});

test("without a token nothing is sent", async () => {
  await open("/verify-email");
  await screen.findByRole("heading", { name: "Open the link in our mail" });
  expect(posted).toEqual([]);
});
