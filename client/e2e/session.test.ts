/** What the package promises, in a real browser against the real server. */
import type { ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  logIn,
  openTab,
  password,
  pause,
  shows,
  signUp,
  SOON,
  startVite,
  untilLive,
  useSite,
} from "./site";

const site = useSite();
let vite: ViteDevServer;
let bases: Record<string, string>;

beforeAll(async () => {
  const dev = await startVite(site.server.base);
  vite = dev.vite;
  bases = { "the binary": site.server.base, "Vite's proxy": dev.base };
});

afterAll(() => vite.close());

/** How many requests for the session `work` leads to, by the server's log. */
async function asked(work: () => Promise<unknown>): Promise<number> {
  const before = site.server.count("GET /api/session");
  await work();
  await pause(300);
  return site.server.count("GET /api/session") - before;
}

describe.each(["the binary", "Vite's proxy"])("through %s", (through) => {
  const visitBase = () => site.visit(bases[through] ?? "");

  test("a page load asks once, with fifty components; a focus not at all", async () => {
    const { context, page } = await visitBase();
    expect(await asked(() => page.reload().then(() => shows(page, "signed-out no_cookie")))).toBe(1);
    const streams = site.server.count("GET /api/session/events");
    const user = await signUp(page);
    await untilLive(site.server, streams + 1);
    expect(await asked(() => page.reload().then(() => shows(page, `signed-in ${user}`)))).toBe(1);
    expect(await page.getByText(user, { exact: true }).count()).toBe(50);
    await untilLive(site.server, streams + 2);
    const other = await context.newPage();
    const focus = async () => {
      for (let turns = 0; turns < 3; turns += 1) {
        await other.bringToFront();
        await page.bringToFront();
        await page.evaluate(() => {
          dispatchEvent(new Event("focus"));
          document.dispatchEvent(new Event("visibilitychange"));
        });
      }
    };
    expect(await asked(focus)).toBe(0);
    await context.close();
  });

  test("login resolves with the session set, and the page shows no other state meanwhile", async () => {
    const { context, page } = await visitBase();
    const user = await signUp(page);
    await page.evaluate(() => window.client.logout());
    await page.evaluate(() => { window.shown = []; });
    const state = await page.evaluate(
      (credentials) => window.client.login(credentials).then(() => window.client.getState()),
      { username: user, password },
    );
    expect(state).toMatchObject({ status: "signed-in", user: { username: user }, error: null });
    expect(state.session?.id).toBeTruthy();
    await shows(page, `signed-in ${user}`);
    expect(await page.evaluate(() => window.shown)).toEqual([`signed-in ${user}`]);
    await context.close();
  });

  test("a login over another session is not undone by the end of that one", async () => {
    const { context, page } = await visitBase();
    const other = await openTab(context);
    const user = await signUp(page);
    await shows(other, `signed-in ${user}`);
    const elsewhere = await visitBase();
    const next = await signUp(elsewhere.page);
    await pause(500);
    // The end of the session arrives while the new one is asked for.
    await context.route("**/api/session", async (route) => {
      await pause(500);
      await route.continue();
    });
    for (const tab of [page, other]) await tab.evaluate(() => { window.shown = []; });
    const state = await other.evaluate(
      (credentials) => window.client.login(credentials).then(() => window.client.getState()),
      { username: next, password },
    );
    expect(state).toMatchObject({ status: "signed-in", user: { username: next } });
    await pause(1_000);
    for (const tab of [page, other]) {
      await shows(tab, `signed-in ${next}`);
      expect(await tab.evaluate(() => window.shown)).toEqual([`signed-in ${next}`]);
    }
    await context.close();
    await elsewhere.context.close();
  });

  test("three tabs and a second browser follow, without a request", async () => {
    const { context, page } = await visitBase();
    const tabs = [page, await openTab(context), await openTab(context)];
    const elsewhere = await visitBase();
    const streams = site.server.count("GET /api/session/events");
    const user = await signUp(page);
    for (const tab of tabs) await shows(tab, `signed-in ${user}`, SOON);
    await logIn(elsewhere.page, user);
    await untilLive(site.server, streams + 2);
    // One stream for the three tabs, one for the other browser.
    expect(site.server.count("GET /api/session/events")).toBe(streams + 2);
    const requests = await asked(async () => {
      await elsewhere.page.evaluate(() => window.client.endOtherSessions());
      for (const tab of tabs) await shows(tab, "signed-out revoked", SOON);
    });
    expect(requests).toBe(0);
    await logIn(page, user);
    for (const tab of tabs) await shows(tab, `signed-in ${user}`, SOON);
    await page.evaluate(() => window.client.logout());
    for (const tab of tabs) await shows(tab, "signed-out logged_out", SOON);
    await shows(elsewhere.page, `signed-in ${user}`);
    await context.close();
    await elsewhere.context.close();
  });

  test("a restart of the server is not noticed, and followed by a log-out is", async () => {
    const { context, page } = await visitBase();
    const streams = site.server.count("GET /api/session/events");
    const user = await signUp(page);
    await untilLive(site.server, streams + 1);
    await page.evaluate(() => { window.shown = []; });
    await site.server.restart(1_000);
    await untilLive(site.server, streams + 2);
    await shows(page, new RegExp(`^signed-in ${user}$`));
    const shown = await page.evaluate(() => window.shown);
    expect(shown.filter((text) => !text.startsWith(`signed-in ${user}`))).toEqual([]);
    const elsewhere = await visitBase();
    await logIn(elsewhere.page, user);
    await elsewhere.page.evaluate(() => window.client.endOtherSessions());
    await shows(page, "signed-out revoked", SOON);
    await context.close();
    await elsewhere.context.close();
  });
});
