/** What nobody is logged out by, and how a page catches up. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { Network, startCuttingProxy, startHoldingProxy, startLateProxy } from "./networks";
import {
  launchPlainBrowser,
  logIn,
  openTab,
  password,
  pause,
  shows,
  signUp,
  SOON,
  untilLive,
  useSite,
} from "./site";

const site = useSite();

const streams = () => site.server.count("GET /api/session/events");
const requests = () => site.server.count("GET /api/session");

async function visitUser(base = site.server.base) {
  const before = streams();
  const { context, page } = await site.visit(base);
  const user = await signUp(page);
  if (base === site.server.base) await untilLive(site.server, before + 1);
  return { context, page, user };
}

/**
 * Ends the session of `user`'s other browsers, from one that is opened for it. Returns how many requests for a
 * session there were before: pages that hear of it by their stream send none.
 */
async function endElsewhere(user: string): Promise<number> {
  const { context, page } = await site.visit();
  await logIn(page, user);
  const asked = requests();
  await page.evaluate(() => window.client.endOtherSessions());
  await context.close();
  return asked;
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
  const { context, page, user } = await visitUser();
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
  // By the stream or, until that is open again, by asking.
  await endElsewhere(user);
  await shows(page, /^signed-out/);
  await context.close();
});

test.each(["cut", "silent"])("a network that is %s logs nobody out; once it is back the page catches up", async (how) => {
  const network = await Network.to(site.server.base);
  const { context, page, user } = await visitUser(network.base);
  await untilLive(site.server, streams());
  if (how === "cut") network.cut();
  else network.silence();
  await page.evaluate(() => window.client.refresh());
  await shows(page, `signed-in ${user} unreachable`);
  if (how === "cut") {
    const failure = await page.evaluate(() =>
      window.client.logout().catch((error: unknown) => (error as { code: string }).code),
    );
    expect(failure).toBe("unreachable");
  }
  await endElsewhere(user);
  await pause(500);
  expect(await stayed(page, user)).toBe(true);
  network.restore();
  // As a browser says when the machine is connected again.
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await shows(page, /^signed-out/, 12_000);
  await context.close();
  network.close();
});

test("tabs that are hidden, frozen and shown again ask nothing they know, and catch up", async () => {
  const { context, close } = await launchPlainBrowser();
  let before = streams();
  const page = await openTab(context, site.server.base);
  const user = await signUp(page);
  await untilLive(site.server, before + 1);
  const other = await openTab(context, site.server.base);
  const asked = requests();
  for (const tab of [page, other, page, other]) {
    await tab.bringToFront();
    await tab.waitForFunction(() => !document.hidden);
  }
  await pause(300);
  expect(requests()).toBe(asked);

  // The leading tab lets go of the stream, so the other one opens it.
  before = streams();
  const frozen = await context.newCDPSession(page);
  await frozen.send("Page.setWebLifecycleState", { state: "frozen" });
  await untilLive(site.server, before + 1);
  await endElsewhere(user);
  await shows(other, "signed-out revoked", SOON);
  await frozen.send("Page.setWebLifecycleState", { state: "active" });
  await shows(page, /^signed-out/, SOON);

  // All of them sleep, as a laptop does.
  before = streams();
  await logIn(other, user);
  await untilLive(site.server, before + 1);
  const both = [frozen, await context.newCDPSession(other)];
  for (const tab of both) await tab.send("Page.setWebLifecycleState", { state: "frozen" });
  await endElsewhere(user);
  for (const tab of both) await tab.send("Page.setWebLifecycleState", { state: "active" });
  for (const tab of [page, other]) await shows(tab, /^signed-out/, SOON);
  await close();
});

test("nine tabs need one connection for their stream, and leave the others to requests", async () => {
  const { context, page, user } = await visitUser();
  const before = streams();
  const tabs = [page];
  while (tabs.length < 9) tabs.push(await openTab(context));
  expect(streams()).toBe(before);
  for (const tab of tabs) expect((await tab.evaluate(() => window.client.refresh())).user?.username).toBe(user);
  // The next tab takes over when the first one is closed.
  await page.close();
  await untilLive(site.server, before + 1);
  await pause(500);
  expect(streams()).toBe(before + 1);
  const asked = await endElsewhere(user);
  for (const tab of tabs.slice(1)) await shows(tab, "signed-out revoked", SOON);
  expect(requests()).toBe(asked);
  await context.close();
});

test("where streams do not get through, a focus asks", async () => {
  const proxy = await startHoldingProxy(site.server.base);
  const { context, page, user } = await visitUser(proxy.base);
  // Until the page has given the stream up.
  const before = requests();
  while (requests() === before) await pause(100);
  await endElsewhere(user);
  expect(await stayed(page, user)).toBe(true);
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await shows(page, "signed-out unknown_session", SOON);
  await context.close();
  proxy.close();
});

test("where streams are cut, a page that nobody uses does not keep its session alive", async () => {
  const proxy = await startCuttingProxy(site.server.base, 500);
  const { context, page } = await visitUser(proxy.base);
  const [asked, opened] = [requests(), streams()];
  while (requests() < asked + 2) await pause(100);
  // Ten minutes later, nothing was pressed or clicked.
  await page.evaluate(() => {
    const now = Date.now;
    Date.now = () => now() + 600_000;
  });
  await pause(1_000);
  const [before, during] = [requests(), streams()];
  await pause(8_000);
  expect(streams()).toBeGreaterThan(during);
  expect(during).toBeGreaterThan(opened);
  expect(requests()).toBe(before);
  await page.keyboard.press("Shift");
  await pause(500);
  expect(requests()).toBeGreaterThan(before);
  await context.close();
  proxy.close();
});

test("requests that cross a proof or a login have the cookie from before, and log nobody out", async () => {
  const proxy = await startLateProxy(site.server.base, 2_000);
  const { context, page, user } = await visitUser(proxy.base);
  await untilLive(site.server, streams());
  const other = await openTab(context);
  const crossed: string[] = [];
  const meanwhile = async (path: string, call: Promise<unknown>) => {
    const done = site.server.count(path);
    while (site.server.count(path) === done) await pause(20);
    // What the server says to the cookie from before; the page's own requests are the same.
    const reason = await other.evaluate(() =>
      fetch("/api/session").then((response) => response.json() as Promise<{ reason: string }>).then((body) => body.reason),
    );
    crossed.push(reason);
    for (const tab of [page, other]) await tab.evaluate(() => window.client.refresh());
    await call;
    await pause(300);
  };
  await meanwhile(
    "POST /api/reauthenticate",
    page.evaluate((password) => window.client.reauthenticate(password), password),
  );
  await meanwhile(
    "POST /api/password",
    page.evaluate((password) => window.client.changePassword({ current_password: password, new_password: password + "!" }), password),
  );
  for (const tab of [page, other]) {
    await shows(tab, new RegExp(`^signed-in ${user}$`));
    expect(await stayed(tab, user)).toBe(true);
  }
  // A stale tab logs in once more, over the session that is there: its end is not the end of the new one.
  const id = await page.evaluate(() => window.client.getState().session?.id);
  const credentials = { username: user, password: `${password}!` };
  await meanwhile(
    "POST /api/login",
    other.evaluate((credentials) => window.client.login(credentials), credentials),
  );
  expect(crossed).toEqual(["unknown_session", "unknown_session", "unknown_session"]);
  for (const tab of [page, other]) {
    await shows(tab, new RegExp(`^signed-in ${user}$`));
    expect(await stayed(tab, user)).toBe(true);
    const state = await tab.evaluate(() => window.client.getState());
    expect(state.session?.id).toBeTruthy();
    expect(state.session?.id).not.toBe(id);
  }
  await context.close();
  proxy.close();
});

test("without locks, as on http, many tabs leave connections to requests", async () => {
  const { context, close } = await launchPlainBrowser("--host-resolver-rules=MAP lan.test 127.0.0.1");
  const base = site.server.base.replace("127.0.0.1", "lan.test");
  const before = streams();
  const page = await openTab(context, base);
  expect(await page.evaluate(() => "locks" in navigator)).toBe(false);
  const user = await signUp(page);
  await untilLive(site.server, before + 1);
  const tabs = [page];
  while (tabs.length < 9) tabs.push(await openTab(context, base));
  for (const tab of tabs) expect((await tab.evaluate(() => window.client.refresh())).error).toBeNull();
  await pause(500);
  const asked = await endElsewhere(user);
  for (const tab of tabs) await shows(tab, "signed-out revoked", SOON);
  expect(requests()).toBe(asked);
  await close();
});

test("a call that needs a proof asks for the password, and is sent once more", async () => {
  const { context, page, user } = await visitUser();
  const other = await site.visit();
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
  await shows(other.page, "signed-out revoked", SOON);
  await page.locator("#devices").getByText("1", { exact: true }).waitFor();
  await shows(page, `signed-in ${user}`);
  await other.context.close();
  await context.close();
});
