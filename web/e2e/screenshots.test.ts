import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { test } from "vitest";
import { askForProof, fake as respond } from "./checks";
import { FACTORS, type Scene } from "./factors/scenes";
import { launchBrowser, logIn, openStory, Server, signUp } from "./site";

/** The folder for the screenshots; none are taken when it is not set. */
const folder = process.env.SCREENSHOTS;

/** Every page in every width and scheme, not the README's three alone; those that it names, if any. */
const wanted = process.env.SCREENSHOTS_ALL;

const PHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";

interface View {
  width: number;
  scheme: "light" | "dark";
}

/** As one of the sample users, who have posts and no passwords. */
async function asJackson(page: Page): Promise<void> {
  await page.goto("/login");
  await logIn(page, "Jackson", "");
  await page.getByRole("heading", { name: "Jackson’s dashboard" }).waitFor();
}

/** Jackson on another device, which stays logged in. */
async function fromThePhone(browser: Browser, server: Server): Promise<BrowserContext> {
  const context = await browser.newContext({ baseURL: server.base, userAgent: PHONE });
  await asJackson(await context.newPage());
  return context;
}

const shows = (page: Page, name: string) => page.getByRole("heading", { name, level: 1 }).waitFor();

/** What comes of a link to `path`. */
const link = (path: string, name: string, status?: number): Scene => async (page) => {
  if (status) await respond(page, "**/email/verify", status);
  await page.goto(`${path}#token=any`);
  await shows(page, name);
};

const SCENES: Record<string, Scene> = {
  "front-page": async (page) => {
    await page.goto("/");
    await page.getByRole("article").first().waitFor();
  },
  "front-page-user": async (page) => {
    await asJackson(page);
    await page.goto("/");
    await page.getByRole("button", { name: "Vote for", pressed: false }).first().click();
  },
  post: async (page) => {
    await page.goto("/");
    await openStory(page, 1);
  },
  "post-user": async (page) => {
    await asJackson(page);
    await page.goto("/");
    await openStory(page, 1);
    await page.getByLabel("Your comment").fill("It is the boring questions that I like best.");
    await page.getByRole("button", { name: "Post comment" }).click();
    await page.getByRole("button", { name: "Delete your comment" }).first().waitFor();
  },
  paywall: async (page) => {
    for (const place of [2, 3, 4]) {
      await page.goto("/");
      await openStory(page, place);
    }
    await page.goto("/");
    await page.getByRole("article").first().getByRole("heading").getByRole("link").click();
    await page.getByRole("heading", { name: "You have read what is free" }).waitFor();
  },
  login: async (page) => {
    await page.goto("/login");
    await page.getByRole("heading", { name: "Log in" }).waitFor();
  },
  "login-error": async (page) => {
    await page.goto("/login");
    await logIn(page, "Jackson", "not the password");
    await page.getByRole("alert").filter({ hasText: "wrong" }).waitFor();
  },
  signup: async (page) => {
    await page.goto("/signup");
    await page.getByLabel("Username").fill("Ann");
    await page.getByLabel("Password").fill("plain tea at dawn");
    await page.getByRole("button", { name: "Show" }).click();
  },
  "signup-error": async (page) => {
    await page.goto("/signup");
    await page.getByLabel("Username").fill("Jackson");
    await page.getByLabel("E-mail").fill("nowhere");
    await page.getByLabel("Password").fill("password");
    await page.getByRole("button", { name: "Sign up" }).click();
    await page.locator(".field-error").first().waitFor();
  },
  "signup-sent": async (page) => {
    await respond(page, "**/signup", 202, { next: "verify_email" });
    await page.goto("/signup");
    await page.getByLabel("E-mail").fill("ann@example.com");
    await page.getByRole("button", { name: "Sign up" }).click();
    await shows(page, "Look into your mailbox");
  },
  "login-unverified": async (page) => {
    await respond(page, "**/login", 403, { code: "email_not_verified" });
    await page.goto("/login");
    await logIn(page, "Ann", "plain tea at dawn");
    await shows(page, "Verify your address first");
  },
  forgot: async (page) => {
    await page.goto("/forgot-password");
    await shows(page, "Forgotten your password?");
  },
  "forgot-no-mail": async (page) => {
    await respond(page, "**/password/forgot", 503, { code: "mail_not_configured" });
    await page.goto("/forgot-password");
    await page.getByLabel("E-mail").fill("ann@example.com");
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByText("This site sends no mail").waitFor();
  },
  "forgot-sent": async (page) => {
    await respond(page, "**/password/forgot", 202);
    await page.goto("/forgot-password");
    await page.getByLabel("E-mail").fill("ann@example.com");
    await page.getByRole("button", { name: "Send the link" }).click();
    await shows(page, "Look into your mailbox");
  },
  reset: async (page) => {
    await page.goto("/reset-password#token=any");
    await page.getByLabel("New password").fill("black coffee");
  },
  "reset-error": async (page) => {
    const errors = { new_password: ["is too easily guessed"] };
    await respond(page, "**/password/reset", 422, { code: "invalid", errors });
    await page.goto("/reset-password#token=any");
    await page.getByLabel("New password").fill("password");
    await page.getByRole("button", { name: "Set the password" }).click();
    await page.locator(".field-error").waitFor();
  },
  "reset-done": async (page) => {
    await respond(page, "**/password/reset", 204);
    await page.goto("/reset-password#token=any");
    await page.getByLabel("New password").fill("black coffee by noon");
    await page.getByRole("button", { name: "Set the password" }).click();
    await shows(page, "Your new password is set");
  },
  "reset-refused": async (page) => {
    await page.goto("/reset-password#token=any");
    await page.getByLabel("New password").fill("black coffee by noon");
    await page.getByRole("button", { name: "Set the password" }).click();
    await shows(page, "This link does not work any more");
  },
  "reset-no-link": async (page) => {
    await page.goto("/reset-password");
    await shows(page, "Open the link in our mail");
  },
  "verify-done": link("/verify-email", "Your e-mail address is verified", 204),
  "verify-refused": link("/verify-email", "This link does not work any more"),
  "verify-refused-user": async (page) => {
    await page.goto("/");
    await signUp(page);
    await page.goto("/verify-email#token=any");
    await shows(page, "This link does not work any more");
  },
  "verify-undo": link("/verify-email?undo", "Take the change back?"),
  "verify-undone": async (page) => {
    await respond(page, "**/email/verify", 204);
    await page.goto("/verify-email?undo#token=any");
    await page.getByRole("button", { name: "Take it back" }).click();
    await shows(page, "Your address is back");
  },
  "dashboard-address": async (page) => {
    await page.goto("/");
    await signUp(page);
    await page.getByRole("button", { name: "Send the link again" }).click();
    await page.getByText("Sent.").waitFor();
    await page.getByLabel("New e-mail address").fill("ann@example.org");
    await page.getByRole("button", { name: "Change address" }).click();
    await page.getByText("We have sent a link").waitFor();
  },
  "dialog-account": async (page) => {
    await page.goto("/");
    await signUp(page);
    await page.getByRole("button", { name: "Delete account" }).click();
  },
  dashboard: async (page, browser, server) => {
    const phone = await fromThePhone(browser, server);
    await asJackson(page);
    await page.getByRole("button", { name: "Log out everywhere else" }).waitFor();
    await phone.close();
  },
  "dashboard-writing": async (page) => {
    await asJackson(page);
    await page.getByRole("button", { name: "Edit" }).first().click();
  },
  "dialog-delete": async (page) => {
    await asJackson(page);
    await page.getByRole("button", { name: "Delete" }).first().click();
  },
  "dialog-password": async (page, browser, server) => {
    const phone = await fromThePhone(browser, server);
    await asJackson(page);
    await askForProof(page, "**/sessions", "password");
    await page.getByRole("button", { name: "Log out everywhere else" }).click();
    await page.getByRole("dialog", { name: "Confirm that it is you" }).waitFor();
    await phone.close();
  },
  "logged-out": async (page, browser, server) => {
    await asJackson(page);
    const phone = await fromThePhone(browser, server);
    await phone.pages()[0]?.evaluate(() => fetch("/sessions", { method: "DELETE" }));
    await page.getByRole("button", { name: "Write a post" }).click();
    await page.getByLabel("Title").fill("Too late");
    await page.getByRole("button", { name: "Publish" }).click();
    await page.getByText("You were logged out").waitFor();
    await phone.close();
  },
  "not-found": async (page) => {
    await page.goto("/nowhere");
    await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
  },
  ...FACTORS,
  unreachable: async (page) => {
    await page.route("**/session", (route) => route.abort());
    await page.goto("/");
    await page.getByRole("heading", { name: "We cannot reach the newsroom" }).waitFor();
  },
};

test.runIf(folder)("pictures", { timeout: 600_000 }, async () => {
  const server = await Server.start({
    PASSWORDLESS_LOGIN: "on",
    SIGNUPS_PER_ADDRESS: "unlimited",
    MAILS_PER_ADDRESS: "unlimited",
    MAILS_PER_ACCOUNT: "unlimited",
  });
  const browser = await launchBrowser();
  const take = async (file: string, scene: string, { width, scheme }: View, fullPage: boolean) => {
    const context = await browser.newContext({
      baseURL: server.base,
      colorScheme: scheme,
      viewport: { width, height: width < 600 ? 844 : 800 },
    });
    const page = await context.newPage();
    await SCENES[scene]?.(page, browser, server);
    await page.waitForLoadState("networkidle");
    // No cursor in a field, and no pointer over a button.
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(folder ?? "", `${file}.png`), fullPage });
    await context.close();
  };
  mkdirSync(folder ?? "", { recursive: true });
  try {
    if (wanted !== undefined) {
      for (const scene of Object.keys(SCENES).filter((name) => new RegExp(wanted).test(name))) {
        for (const width of [1280, 390]) {
          for (const scheme of ["light", "dark"] as const) {
            const isFull = !scene.startsWith("dialog") && scene !== "logged-out";
            await take(`${scene}-${width}-${scheme}`, scene, { width, scheme }, isFull);
          }
        }
      }
    } else {
      await take("front-page", "front-page", { width: 1280, scheme: "light" }, false);
      await take("post", "post", { width: 1280, scheme: "dark" }, false);
      await take("login", "login", { width: 1280, scheme: "light" }, false);
    }

  } finally {
    await browser.close();
    server.remove();
  }
});
