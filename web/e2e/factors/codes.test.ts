/** Codes of an authenticator app: set up, a login in two steps, recovery codes. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { codeOf, shownSecret } from "./authenticator";
import { logIn, PASSWORD, signUp, useSite } from "../site";

const site = useSite();

const app = (page: Page) => page.getByRole("region", { name: "Authenticator app" });

/** Sets up an app, with a code of the step before: then the present one is still to be used. */
async function setUp(page: Page): Promise<{ secret: string; recovery: string[] }> {
  await app(page).getByRole("button", { name: "Set up an app" }).click();
  await app(page).getByRole("heading", { name: "Set up your app" }).waitFor();
  const secret = await shownSecret(page);
  await app(page).getByLabel("Code of the app").fill(codeOf(secret, -1));
  await app(page).getByRole("button", { name: "Turn on" }).click();
  await app(page).getByRole("heading", { name: "Your recovery codes" }).waitFor();
  return { secret, recovery: await app(page).locator(".codes li").allTextContents() };
}

async function logOut(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Log out", exact: true }).first().click();
  await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
}

const shows = (page: Page, user: string) =>
  page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();

test("an app is set up by a picture or a key, and a login then takes two steps", async () => {
  const { context, page, complaints } = await site.visit();
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.goto("/");
  const user = await signUp(page);
  await app(page).getByRole("button", { name: "Set up an app" }).click();
  await app(page).getByRole("img", { name: "QR code" }).waitFor();
  const link = app(page).getByRole("link", { name: "open it in one on this device" });
  expect(await link.getAttribute("href")).toMatch(/^otpauth:\/\/totp\//);
  await app(page).getByLabel("Code of the app").fill("000000");
  await app(page).getByRole("button", { name: "Turn on" }).click();
  await app(page).getByText("That is not the code").waitFor();
  await app(page).getByRole("button", { name: "Cancel" }).click();

  const { secret, recovery } = await setUp(page);
  expect(recovery).toHaveLength(10);
  const heading = app(page).getByRole("heading", { name: "Your recovery codes" });
  expect(await heading.evaluate((element) => element === document.activeElement)).toBe(true);
  await app(page).getByRole("button", { name: "Copy" }).click();
  await app(page).getByText("Copied.").waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(recovery.join("\n"));
  const downloading = page.waitForEvent("download");
  await app(page).getByRole("button", { name: "Download" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe("recovery-codes.txt");
  expect(readFileSync(await download.path(), "utf8")).toContain(recovery.join("\n"));
  await app(page).getByRole("button", { name: "I have kept them" }).click();
  await app(page).getByText("You have 10 recovery codes left").waitFor();
  // They are shown once.
  await page.reload();
  await app(page).getByText("You have 10 recovery codes left").waitFor();
  expect(await page.content()).not.toContain(recovery[0]);

  await logOut(page);
  await logIn(page, user);
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  await page.getByText(`You are logging in as ${user}.`).waitFor();
  const field = page.getByLabel("Code", { exact: true });
  expect(await field.evaluate((input) => input === document.activeElement)).toBe(true);
  expect(await field.getAttribute("autocomplete")).toBe("one-time-code");
  const between = await page.evaluate(async () => {
    const { user } = (await (await fetch("/session")).json()) as { user: unknown };
    return [user, (await fetch("/checklogin")).status];
  });
  expect(between).toEqual([null, 401]);
  await page.keyboard.type("12345x");
  await page.keyboard.press("Enter");
  await page.getByText("That code is wrong, or was used already.").waitFor();
  await field.fill(codeOf(secret));
  await page.keyboard.press("Enter");
  await shows(page, user);
  expect(complaints).toEqual([]);
  await context.close();
});

test("a recovery code logs in once; new ones replace the old; codes are turned off", async () => {
  const { context, page, complaints } = await site.visit();
  await page.goto("/");
  const user = await signUp(page);
  const { recovery } = await setUp(page);
  await app(page).getByRole("button", { name: "I have kept them" }).click();
  const byRecovery = async (code: string) => {
    await logOut(page);
    await logIn(page, user);
    await page.getByRole("button", { name: "Use a recovery code" }).click();
    const field = page.getByLabel("Recovery code");
    expect(await field.evaluate((input) => input === document.activeElement)).toBe(true);
    await field.fill(code);
    await page.keyboard.press("Enter");
  };
  // As somebody types it.
  await byRecovery((recovery[0] ?? "").toUpperCase().replaceAll("-", " "));
  await shows(page, user);
  await app(page).getByText("You have 9 recovery codes left").waitFor();
  await byRecovery(recovery[0] ?? "");
  await page.getByText("That code is wrong, or was used already.").waitFor();
  await page.getByLabel("Recovery code").fill(recovery[1] ?? "");
  await page.keyboard.press("Enter");
  await shows(page, user);

  await app(page).getByRole("button", { name: "New recovery codes" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Replace them" }).click();
  await app(page).getByRole("heading", { name: "Your recovery codes" }).waitFor();
  const fresh = await app(page).locator(".codes li").allTextContents();
  expect(fresh.filter((code) => recovery.includes(code))).toEqual([]);
  await app(page).getByRole("button", { name: "I have kept them" }).click();
  await byRecovery(recovery[2] ?? "");
  await page.getByText("That code is wrong, or was used already.").waitFor();
  await page.getByLabel("Recovery code").fill(fresh[0] ?? "");
  await page.keyboard.press("Enter");
  await shows(page, user);

  await app(page).getByRole("button", { name: "Turn off" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Turn off" }).click();
  await app(page).getByRole("button", { name: "Set up an app" }).waitFor();
  await logOut(page);
  await logIn(page, user);
  await shows(page, user);
  expect(complaints).toEqual([]);
  await context.close();
});

test("after ten minutes a login begins again, and the user can go back to the password", async () => {
  const { context, page } = await site.visit();
  await page.goto("/");
  const user = await signUp(page);
  const { secret } = await setUp(page);
  await app(page).getByRole("button", { name: "I have kept them" }).click();
  await logOut(page);
  await logIn(page, user);
  await page.getByRole("button", { name: "Back to the password" }).click();
  await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
  await logIn(page, user);
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  // As after ten minutes.
  await page.clock.setFixedTime(Date.now() + 11 * 60_000);
  await page.evaluate(() => fetch("/logout", { method: "DELETE" }));
  await page.getByLabel("Code", { exact: true }).fill(codeOf(secret));
  await page.keyboard.press("Enter");
  await page.getByText("That took too long. Please begin again.").waitFor();
  await logIn(page, user, PASSWORD);
  await page.getByLabel("Code", { exact: true }).fill(codeOf(secret));
  await page.keyboard.press("Enter");
  await shows(page, user);
  await context.close();
});
