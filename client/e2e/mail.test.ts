/** Links from mails and the end of an account, in every tab. */
import { expect, test } from "vitest";
import {
  logIn,
  openTab,
  password,
  shows,
  signUp,
  SOON,
  untilLive,
  useSite,
} from "./site";

const site = useSite();

test("a reset ends every session, and every page says why", async () => {
  const { context, page } = await site.visit();
  const other = await openTab(context);
  const elsewhere = await site.visit();
  const streams = site.server.count("GET /api/session/events");
  const user = await signUp(page);
  await logIn(elsewhere.page, user);
  await untilLive(site.server, streams + 2);
  await shows(other, `signed-in ${user}`, SOON);
  const email = `${user}@example.com`;
  await page.evaluate((email) => window.client.forgotPassword(email), email);
  const token = await site.server.token(new RegExp(`^${email}: Choose a new password`));
  const reset = { token, new_password: "black coffee by noon" };
  // By the user who is logged in, in one of their tabs.
  await page.evaluate((reset) => window.client.resetPassword(reset), reset);
  for (const tab of [page, other, elsewhere.page]) {
    await shows(tab, "signed-out password_changed", SOON);
    expect(await tab.evaluate(() => window.shown.filter((text) => text.includes("unknown_session")))).toEqual([]);
  }
  const refused = page.evaluate(
    (reset) => window.client.resetPassword(reset).catch((error: unknown) => (error as { code: string }).code),
    reset,
  );
  expect(await refused).toBe("bad_token");
  await page.evaluate(
    (credentials) => window.client.login(credentials),
    { username: user, password: reset.new_password },
  );
  await shows(other, `signed-in ${user}`, SOON);
  await context.close();
  await elsewhere.context.close();
});

test("a verified address is known in every tab and elsewhere, and a changed one as well", async () => {
  const { context, page } = await site.visit();
  const streams = site.server.count("GET /api/session/events");
  const user = await signUp(page);
  await untilLive(site.server, streams + 1);
  const other = await openTab(context);
  const stranger = await site.visit();
  const userOf = (tab: typeof page) => tab.evaluate(() => window.client.getState().user);
  expect(await userOf(other)).toMatchObject({ email_verified: false });
  await page.evaluate(() => window.client.requestVerification());
  const token = await site.server.token(new RegExp(`^${user}@.*Confirm`), 2);
  await stranger.page.evaluate((token) => window.client.verifyEmail(token), token);
  for (const tab of [page, other]) {
    await expect.poll(() => userOf(tab), { timeout: SOON }).toMatchObject({ email_verified: true });
  }
  expect((await stranger.page.evaluate(() => window.client.getState())).status).toBe("signed-out");

  const email = `next-${user}@example.com`;
  await page.evaluate((email) => window.client.changeEmail(email), email);
  const link = await site.server.token(new RegExp(`^${email}: Confirm your new`));
  await page.evaluate((token) => window.client.verifyEmail(token), link);
  // Known as soon as the call resolves.
  expect(await userOf(page)).toMatchObject({ email, email_verified: true });
  await expect.poll(() => userOf(other), { timeout: SOON }).toMatchObject({ email });

  const undo = await site.server.token(new RegExp(`^${user}@.*was changed`));
  await stranger.page.evaluate((token) => window.client.verifyEmail(token), undo);
  for (const tab of [page, other]) await shows(tab, /signed-out revoked/, SOON);
  await context.close();
  await stranger.context.close();
});

test("a deleted account is gone from every tab", async () => {
  const { context, page } = await site.visit();
  const other = await openTab(context);
  const elsewhere = await site.visit();
  const streams = site.server.count("GET /api/session/events");
  const user = await signUp(page);
  await logIn(elsewhere.page, user);
  await untilLive(site.server, streams + 2);
  await page.evaluate(() => window.client.deleteAccount());
  for (const tab of [page, other, elsewhere.page]) await shows(tab, "signed-out deleted", SOON);
  const again = page.evaluate(
    (credentials) => window.client.login(credentials).catch((error: unknown) => (error as { code: string }).code),
    { username: user, password },
  );
  expect(await again).toBe("bad_credentials");
  await context.close();
  await elsewhere.context.close();
});
