/** What nobody is logged out by, and how a page catches up. */
import { createServer, request, type Server as Proxy } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  buildPage,
  launchBrowser,
  logIn,
  openTab,
  password,
  pause,
  Server,
  shows,
  signUp,
  untilLive,
  visit,
} from "./site";

let server: Server;
let browser: Browser;

beforeAll(async () => {
  await buildPage();
  server = await Server.start();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser.close();
  server.remove();
});

const streams = () => server.count("GET /api/session/events");
const requests = () => server.count("GET /api/session");

async function enter(base = server.base) {
  const before = streams();
  const { context, page } = await visit(browser, base);
  const user = await signUp(page);
  if (base === server.base) await untilLive(server, before + 1);
  return { context, page, user };
}

/** Ends the session of `user`'s other browsers, from one that is opened for it. */
async function endElsewhere(user: string): Promise<void> {
  const { context, page } = await visit(browser, server.base);
  await logIn(page, user);
  await page.evaluate(() => window.client.endOtherSessions());
  await context.close();
}

/** Whether everything that the page has shown so far was of `user`, logged in. */
async function stayed(page: Page, user: string): Promise<boolean> {
  const shown = await page.evaluate(() => window.shown);
  return shown.slice(shown.indexOf(`signed-in ${user}`)).every((text) => text.startsWith(`signed-in ${user}`));
}

test.each([
  ["429", { status: 429, headers: { "retry-after": "1" } }],
  ["500", { status: 500 }],
  ["502 of a gateway", { status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" }],
  ["200 of a hotel's network", { status: 200, contentType: "text/html", body: "<h1>Welcome</h1>" }],
])("%s for the session and its stream logs nobody out", async (_, response) => {
  const { context, page, user } = await enter();
  await context.route("**/api/session", (route) => route.fulfill(response));
  await context.route("**/api/session/events", (route) => route.fulfill(response));
  await page.evaluate(() => window.client.refresh());
  await shows(page, new RegExp(`^signed-in ${user} \\w`));
  // The stream is refused as well, as after a restart.
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await pause(3_000);
  expect(await stayed(page, user)).toBe(true);
  await context.unrouteAll();
  await shows(page, new RegExp(`^signed-in ${user}$`));
  await endElsewhere(user);
  await shows(page, "signed-out revoked");
  await context.close();
});

test("a dead network logs nobody out; once it is back the page catches up", async () => {
  const { context, page, user } = await enter();
  await context.setOffline(true);
  await page.evaluate(() => window.client.refresh());
  await shows(page, `signed-in ${user} unreachable`);
  const failure = await page.evaluate(() =>
    window.client.logout().catch((error: unknown) => (error as { code: string }).code),
  );
  expect(failure).toBe("unreachable");
  await endElsewhere(user);
  expect(await stayed(page, user)).toBe(true);
  await context.setOffline(false);
  await shows(page, /^signed-out/, 5_000);
  await context.close();
});

test("a page that was frozen, as a laptop's that slept, catches up", async () => {
  const { context, page, user } = await enter();
  const other = await openTab(context);
  const session = await context.newCDPSession(page);
  // The leading tab lets go of the stream, so the other one follows on.
  const before = streams();
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  await untilLive(server, before + 1);
  await endElsewhere(user);
  await shows(other, "signed-out revoked", 1_000);
  await session.send("Page.setWebLifecycleState", { state: "active" });
  await shows(page, /^signed-out/, 5_000);
  await context.close();

  const alone = await enter();
  const lonely = await alone.context.newCDPSession(alone.page);
  await lonely.send("Page.setWebLifecycleState", { state: "frozen" });
  await endElsewhere(alone.user);
  await lonely.send("Page.setWebLifecycleState", { state: "active" });
  await shows(alone.page, /^signed-out/, 5_000);
  await alone.context.close();
});

test("nine tabs need one connection for their stream, and leave the others to requests", async () => {
  const { context, page, user } = await enter();
  const before = streams();
  const tabs = [page];
  while (tabs.length < 9) tabs.push(await openTab(context));
  expect(streams()).toBe(before);
  for (const tab of tabs) expect((await tab.evaluate(() => window.client.refresh())).user?.username).toBe(user);
  // The next tab takes over when the first one is closed.
  await page.close();
  await untilLive(server, before + 1);
  await pause(500);
  expect(streams()).toBe(before + 1);
  await endElsewhere(user);
  for (const tab of tabs.slice(1)) await shows(tab, "signed-out revoked", 1_000);
  await context.close();
});

/** A proxy that holds every stream back until it ends. */
async function startHoldingProxy(): Promise<{ proxy: Proxy; base: string }> {
  const proxy = createServer((incoming, outgoing) => {
    const { host, port } = new URL(server.base);
    const { method, url, headers } = incoming;
    const upstream = request({ hostname: host.split(":")[0], port, method, path: url, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers).end(Buffer.concat(chunks));
      });
    });
    outgoing.on("close", () => upstream.destroy());
    upstream.on("error", () => outgoing.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  return { proxy, base: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
}

test("where streams do not get through, a focus asks", async () => {
  const { proxy, base } = await startHoldingProxy();
  const { context, page, user } = await enter(base);
  // Until the page has given the stream up.
  const before = requests();
  while (requests() === before) await pause(100);
  await endElsewhere(user);
  expect(await stayed(page, user)).toBe(true);
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await shows(page, "signed-out unknown_session", 2_000);
  await context.close();
  proxy.closeAllConnections();
  proxy.close();
});

test("a call that needs a proof asks for the password, and is sent once more", async () => {
  const { context, page, user } = await enter();
  const other = await visit(browser, server.base);
  await logIn(other.page, user);
  // The server's window is ten minutes; a tab that was open for longer is refused like this.
  let refusals = 1;
  await context.route("**/api/sessions", async (route) => {
    if (route.request().method() !== "DELETE" || refusals-- <= 0) return route.continue();
    const body = { code: "reauthentication_required", status: 403, methods: ["password"] };
    await route.fulfill({ status: 403, contentType: "application/problem+json", json: body });
  });
  await page.getByRole("button", { name: "Log out elsewhere" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("password").waitFor();
  await dialog.getByLabel("Password").fill("wrong");
  await dialog.getByRole("button", { name: "Go on" }).click();
  await page.waitForFunction(() => document.title.includes("password"));
  await dialog.getByLabel("Password").fill(password);
  await dialog.getByRole("button", { name: "Go on" }).click();
  await dialog.waitFor({ state: "detached" });
  await shows(other.page, "signed-out revoked", 1_000);
  await page.locator("#devices").getByText("1", { exact: true }).waitFor();
  await shows(page, `signed-in ${user}`);
  await other.context.close();
  await context.close();
});
