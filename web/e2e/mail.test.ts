/** Links of real mails: a forgotten password, addresses, required verification. */
import { resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MailServer } from "./mailServer";
import {
  addressOf,
  fillSignUp,
  freePort,
  launchBrowser,
  logIn,
  PASSWORD,
  Server,
  signUp,
  startVite,
  visit,
} from "./site";

const NEW_PASSWORD = "black coffee by noon";

let mails: MailServer;
let browser: Browser;

beforeAll(async () => {
  mails = await MailServer.start();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser.close();
  mails.remove();
});

interface Sent {
  url: string;
  referer: string;
}

/** Notes the address and the Referer of every request of these browsers. */
function watchRequests(...contexts: BrowserContext[]): Promise<Sent>[] {
  const sent: Promise<Sent>[] = [];
  for (const context of contexts) {
    context.on("request", (request) => {
      const url = request.url();
      const headers = request.allHeaders().catch(() => request.headers());
      sent.push(headers.then(({ referer = "" }) => ({ url, referer })));
    });
  }
  return sent;
}

/** The addresses that the tab's back button knows. */
async function historyOf(page: Page): Promise<string[]> {
  const client = await page.context().newCDPSession(page);
  const { entries } = await client.send("Page.getNavigationHistory");
  return entries.map(({ url }) => url);
}

/** What this browser sent to verify an address. */
function countVerified(context: BrowserContext): { count: number } {
  const verified = { count: 0 };
  context.on("request", (request) => {
    if (request.url().endsWith("/email/verify")) verified.count += 1;
  });
  return verified;
}

const heading = (page: Page, name: string) => page.getByRole("heading", { name, level: 1 });

describe.each(["the binary", "Vite's proxy"])("through %s", (through) => {
  let server: Server;
  let vite: ViteDevServer | undefined;
  let base: string;

  beforeAll(async () => {
    const port = await freePort();
    base = `http://127.0.0.1:${port}`;
    if (through !== "the binary") {
      const dev = await startVite(base);
      vite = dev.vite;
      base = `http://127.0.0.1:${dev.port}`;
    }
    const settings = { PORT: String(port), RUST_LOG: "debug", ...mails.settings(base) };
    server = await Server.start(settings);
  });

  afterAll(async () => {
    await vite?.close();
    server.remove();
  });

  test("a forgotten password is replaced, and pages that are open elsewhere say so", async () => {
    const { context, page, complaints } = await visit(browser, base);
    await page.goto("/");
    const user = await signUp(page);
    const elsewhere = await visit(browser, base);
    await elsewhere.page.goto("/login");
    await logIn(elsewhere.page, user);
    await heading(elsewhere.page, `${user}’s dashboard`).waitFor();
    const sent = watchRequests(context, elsewhere.context);

    await page.getByRole("button", { name: "Log out" }).click();
    await heading(page, "Log in").waitFor();
    await page.getByRole("link", { name: "Forgotten your password?" }).click();
    const email = page.getByLabel("E-mail");
    await email.fill("nowhere");
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.locator(".field-error").waitFor();
    // The same is said of an address that has an account and of one that has none.
    const answers: string[] = [];
    for (const address of [`nobody-${user}@example.com`, addressOf(user)]) {
      await email.fill(address);
      await page.getByRole("button", { name: "Send the link" }).click();
      await heading(page, "Look into your mailbox").waitFor();
      const text = (await page.getByRole("main").textContent()) ?? "";
      expect(text).toContain(address);
      answers.push(text.replaceAll(address, "it"));
      await page.getByRole("button", { name: "Try another address" }).click();
    }
    expect(answers[0]).toBe(answers[1]);

    const link = await mails.link(addressOf(user), "Choose a new password");
    expect(link.startsWith(`${base}/reset-password#token=`)).toBe(true);
    const token = link.split("#token=")[1] ?? "";
    expect(token.length).toBeGreaterThan(40);
    await page.goto(link);
    await heading(page, "Choose a password").waitFor();
    expect(page.url()).toBe(`${base}/reset-password`);
    const fields = page.locator("main input");
    const purposes = await fields.evaluateAll((all) => all.map((one) => one.getAttribute("autocomplete")));
    expect(purposes).toEqual(["username", "new-password"]);
    const password = page.getByLabel("New password");
    const button = page.getByRole("button", { name: "Set the password" });
    await password.fill("password");
    await button.click();
    await page.locator(".field-error").waitFor();
    await password.fill(NEW_PASSWORD);
    await button.click();
    await heading(page, "Your new password is set").waitFor();
    const notice = elsewhere.page.getByText("You were logged out: your password was changed.");
    await notice.waitFor({ timeout: 2_000 });

    await page.getByRole("main").getByRole("link", { name: "Log in" }).click();
    await logIn(page, user, PASSWORD);
    await page.getByText("The username or the password is wrong.").waitFor();
    await logIn(page, user, NEW_PASSWORD);
    await heading(page, `${user}’s dashboard`).waitFor();

    // A second time, in the tab of the user who is logged in: the link is spent, and says what to do.
    await page.goto(link);
    await page.getByLabel("New password").fill("green tea at dusk");
    await page.getByRole("button", { name: "Set the password" }).click();
    await heading(page, "This link does not work any more").waitFor();
    await page.reload();
    await heading(page, "Open the link in our mail").waitFor();
    await page.getByRole("link", { name: "Ask for another link" }).click();
    await heading(page, "Forgotten your password?").waitFor();
    await page.goto("/dashboard");
    await heading(page, `${user}’s dashboard`).waitFor();

    const requests = await Promise.all(sent);
    expect(requests.filter(({ url }) => url.endsWith("/password/reset"))).toHaveLength(3);
    for (const { url, referer } of requests) expect(url + referer).not.toContain(token);
    expect(requests.some(({ referer }) => referer.includes("/reset-password"))).toBe(true);
    expect(await historyOf(page)).toContain(`${base}/reset-password`);
    expect((await historyOf(page)).join(" ")).not.toContain(token);
    expect(server.logged).toContain("/password/reset");
    expect(server.logged).not.toContain(token);
    expect(complaints).toEqual([]);
    await elsewhere.context.close();
    await context.close();
  });

  test("a reset in one tab is told in the other, and not twice in its own", async () => {
    const { context, page } = await visit(browser, base);
    await page.goto("/");
    const user = await signUp(page);
    const other = await context.newPage();
    await other.goto("/forgot-password");
    await other.getByLabel("E-mail").fill(addressOf(user));
    await other.getByRole("button", { name: "Send the link" }).click();
    await other.goto(await mails.link(addressOf(user), "Choose a new password"));
    // The password manager hears whose password it is.
    expect(await other.locator('main input[autocomplete="username"]').inputValue()).toBe(user);
    await other.getByLabel("New password").fill(NEW_PASSWORD);
    await other.getByRole("button", { name: "Set the password" }).click();
    await page.getByText("You were logged out: your password was changed.").waitFor({ timeout: 2_000 });
    await heading(other, "Your new password is set").waitFor();
    expect(await other.getByText("You were logged out").count()).toBe(0);
    await other.getByRole("main").getByRole("link", { name: "Log in" }).waitFor();
    await context.close();
  });

  test("an address is verified once, in whichever tab the link opens", async () => {
    const { context, page, complaints } = await visit(browser, base);
    await page.goto("/");
    const user = await signUp(page);
    const verified = countVerified(context);
    const security = page.getByRole("region", { name: "E-mail address" });
    await security.getByText("Not verified").waitFor();
    const first = await mails.link(addressOf(user), "Confirm your e-mail address");
    await security.getByRole("button", { name: "Send the link again" }).click();
    await security.getByText("Sent. Earlier links do not count any more.").waitFor();
    const link = await mails.link(addressOf(user), "Confirm your e-mail address", 2);

    const other = await context.newPage();
    await other.goto(first);
    await heading(other, "This link does not work any more").waitFor();
    await other.getByRole("button", { name: "Send the link again" }).waitFor();
    // In the same tab, where it loads nothing anew.
    await other.goto(link);
    await heading(other, "Your e-mail address is verified").waitFor();
    await other.getByText(`The address of your account ${user} is ${addressOf(user)}`).waitFor();
    expect(verified.count).toBe(2);
    expect(other.url()).toBe(`${base}/verify-email`);
    expect((await historyOf(other)).join(" ")).not.toContain("token");
    // The dashboard that was open knows.
    await security.getByText("Verified", { exact: true }).waitFor({ timeout: 2_000 });
    expect(await security.getByRole("button", { name: "Send the link again" }).count()).toBe(0);
    await other.reload();
    await other.getByText("and it is verified").waitFor();
    await other.getByRole("link", { name: "To your dashboard" }).click();
    await heading(other, `${user}’s dashboard`).waitFor();
    expect(verified.count).toBe(2);
    expect(server.logged).not.toContain(link.split("#token=")[1]);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("an address is changed, and the change taken back", async () => {
    const { context, page, complaints } = await visit(browser, base);
    await page.goto("/");
    const user = await signUp(page);
    const next = `next-${user}@example.com`;
    const security = page.getByRole("region", { name: "E-mail address" });
    const field = security.getByLabel("New e-mail address");
    await field.fill("nowhere");
    await security.getByRole("button", { name: "Change address" }).click();
    await security.locator(".field-error").waitFor();
    await field.fill(next);
    await security.getByRole("button", { name: "Change address" }).click();
    await security.getByText(`We have sent a link to ${next}.`).waitFor();
    expect(await field.inputValue()).toBe("");
    await security.getByText(addressOf(user), { exact: true }).waitFor();

    // In another browser, where nobody is logged in.
    const elsewhere = await visit(browser, base);
    const verified = countVerified(elsewhere.context);
    await elsewhere.page.goto(await mails.link(next, "Confirm your new e-mail address"));
    await heading(elsewhere.page, "Your e-mail address is verified").waitFor();
    await elsewhere.page.getByText("You can log in now.").waitFor();
    await security.getByText(next, { exact: true }).waitFor({ timeout: 2_000 });
    await security.getByText("Verified", { exact: true }).waitFor();

    await elsewhere.page.goto(await mails.link(addressOf(user), "address was changed"));
    await heading(elsewhere.page, "Take the change back?").waitFor();
    expect(verified.count).toBe(1);
    await elsewhere.page.getByRole("button", { name: "Take it back" }).click();
    await heading(elsewhere.page, "Your address is back").waitFor();
    await page.getByText("You were logged out").waitFor({ timeout: 2_000 });
    await elsewhere.page.getByRole("link", { name: "Choose a new password" }).click();
    await heading(elsewhere.page, "Forgotten your password?").waitFor();
    expect(verified.count).toBe(2);
    expect([...complaints, ...elsewhere.complaints]).toEqual([]);
    await elsewhere.context.close();
    await context.close();
  });
});

test("where addresses have to be verified, a sign-up leads to the mailbox", async () => {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const settings = { PORT: String(port), EMAIL_VERIFICATION: "required", ...mails.settings(base) };
  const server = await Server.start(settings);
  const { context, page, complaints } = await visit(browser, base);
  await page.goto("/login?next=%2F");
  const user = await fillSignUp(page);
  await heading(page, "Look into your mailbox").waitFor();
  await page.getByText(addressOf(user)).waitFor();
  const first = await mails.link(addressOf(user), "Confirm your e-mail address");

  await page.getByRole("link", { name: "To the login" }).click();
  await logIn(page, user, "wrong");
  await page.getByText("The username or the password is wrong.").waitFor();
  await logIn(page, user);
  await heading(page, "Verify your address first").waitFor();
  await page.getByRole("button", { name: "Back to the login" }).click();
  const link = await mails.link(addressOf(user), "Confirm your e-mail address", 2);
  await page.goto(first);
  await heading(page, "This link does not work any more").waitFor();
  await page.goto(link);
  await heading(page, "Your e-mail address is verified").waitFor();
  await page.getByRole("main").getByRole("link", { name: "Log in" }).click();
  await logIn(page, user);
  await heading(page, `${user}’s dashboard`).waitFor();
  await page.getByText("Verified", { exact: true }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
  server.remove();
});

test("a server that sends no mail says so", async () => {
  const server = await Server.startBare({
    APP_ENV: "production",
    NEWS: "on",
    WEB_DIR: resolve(import.meta.dirname, "../dist"),
    SECRET_KEY: "a-key-for-tests-9dKx2mVq7PzR4wYb8LhT",
  });
  const { context, page, complaints } = await visit(browser, server.base);
  const said = page.getByText("This site sends no mail, so no link can come.");
  await page.goto("/");
  await signUp(page);
  await page.getByRole("button", { name: "Send the link again" }).click();
  await said.waitFor();
  await page.getByLabel("New e-mail address").fill("next@example.com");
  await page.getByRole("button", { name: "Change address" }).click();
  await said.nth(1).waitFor();
  await page.goto("/forgot-password");
  await page.getByLabel("E-mail").fill("ann@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await said.waitFor();
  expect(complaints.filter((text) => !text.includes("503"))).toEqual([]);
  await context.close();
  server.remove();
});
