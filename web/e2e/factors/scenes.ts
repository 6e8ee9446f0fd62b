/** The pictures of passkeys and codes. */
import type { Browser, Page } from "playwright-core";
import { Authenticator, codeOf, shownSecret } from "./authenticator";
import { askForProof, fake } from "../checks";
import { logIn, signUp, type Server } from "../site";

/** Brings a page into the state of a picture. */
export type Scene = (page: Page, browser: Browser, server: Server) => Promise<void>;

async function asNew(page: Page, server: Server): Promise<string> {
  await page.goto(server.named);
  const user = await signUp(page);
  await page.getByRole("button", { name: "Set up an app" }).waitFor();
  return user;
}

async function setUp(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Set up an app" }).click();
  await page.getByRole("img", { name: "QR code" }).waitFor();
}

async function turnOn(page: Page): Promise<void> {
  await setUp(page);
  await page.getByLabel("Code of the app").fill(codeOf(await shownSecret(page)));
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
}

async function secondStep(page: Page): Promise<void> {
  await fake(page, "**/login", 202, { next: "second_factor", methods: ["totp", "recovery_code"] });
  await page.goto("/login");
  await logIn(page, "Jackson");
  await page.getByRole("heading", { name: "One more step" }).waitFor();
}

/** Removes a passkey, which asks for a proof by one of these. */
async function removing(page: Page, ...methods: string[]): Promise<void> {
  await askForProof(page, "**/passkeys/*", ...methods);
  await page.getByRole("button", { name: /^Remove/ }).first().click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Remove" }).click();
  await page.getByRole("dialog", { name: "Confirm that it is you" }).waitFor();
}

async function withPasskeys(page: Page, server: Server): Promise<void> {
  const inside = await Authenticator.add(page);
  await asNew(page, server);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByRole("button", { name: /^Rename/ }).waitFor();
  await inside.beside("usb");
  await inside.setPresent(false);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByRole("button", { name: /^Rename/ }).nth(1).waitFor();
}

export const FACTORS: Record<string, Scene> = {
  "login-passkey-refused": async (page, _, server) => {
    const authenticator = await Authenticator.add(page);
    await authenticator.setPresent(false);
    await fake(page, "**/login/passkey/options", 429, { code: "too_many_attempts", detail: "Too many attempts." });
    await page.goto(`${server.named}/login`);
    await page.getByRole("button", { name: "Log in with a passkey" }).click();
    await page.getByText("Too many attempts.").waitFor();
  },
  "second-step": secondStep,
  "second-step-wrong": async (page) => {
    await secondStep(page);
    await fake(page, "**/login/totp", 400, { code: "bad_code" });
    await page.getByLabel("Code", { exact: true }).fill("123456");
    await page.keyboard.press("Enter");
    await page.getByText("That code is wrong").waitFor();
  },
  "second-step-recovery": async (page) => {
    await secondStep(page);
    await page.getByRole("button", { name: "Use a recovery code" }).click();
  },
  "passkey-offer": async (page, _, server) => {
    const authenticator = await Authenticator.add(page);
    await authenticator.setPresent(false);
    const user = await asNew(page, server);
    await page.getByRole("button", { name: "Log out", exact: true }).click();
    await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
    await logIn(page, user);
    await page.getByRole("heading", { name: "No password next time?" }).waitFor();
  },
  "dashboard-passkeys": async (page, _, server) => {
    await withPasskeys(page, server);
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByText("has a passkey of this account already").waitFor();
    await page.getByRole("button", { name: /^Rename/ }).first().click();
  },
  "dashboard-app": async (page, _, server) => {
    await asNew(page, server);
    await setUp(page);
  },
  "dashboard-recovery": async (page, _, server) => {
    await asNew(page, server);
    await turnOn(page);
  },
  "dashboard-codes": async (page, _, server) => {
    await asNew(page, server);
    await turnOn(page);
    await page.getByRole("button", { name: "I have kept them" }).click();
  },
  "dialog-proof": async (page, _, server) => {
    await withPasskeys(page, server);
    await removing(page, "password", "passkey");
  },
  "dialog-proof-passkey": async (page, _, server) => {
    await withPasskeys(page, server);
    await removing(page, "passkey");
  },
};
