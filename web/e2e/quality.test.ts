/** What every page keeps to: accessibility, the keyboard, no moving layout, few bytes, one font. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { askForProof, check, fake, tabTo } from "./checks";
import { logIn, openStory, PASSWORD, Server, signUp, useSite } from "./site";

const site = useSite(() => Server.start({ MAILS_PER_ACCOUNT: "unlimited", MAILS_PER_ADDRESS: "unlimited" }));

// Three minutes: axe takes seconds for each page on a busy machine.
test.each([1280, 390, 320])("axe finds nothing, in light and dark, at %i pixels", { timeout: 180_000 }, async (width) => {
  const { context, page } = await site.visit();
  await page.setViewportSize({ width, height: 800 });
  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  await check(page, "front page");
  for (const place of [1, 2, 3]) {
    await page.goto("/");
    await openStory(page, place);
    if (place === 1) await check(page, "article");
  }
  await page.goto("/");
  await page.getByRole("article").nth(3).getByRole("heading").getByRole("link").click();
  await page.getByRole("heading", { name: "You have read what is free" }).waitFor();
  await check(page, "paywall");
  await page.goto("/nowhere");
  await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
  await check(page, "not found");

  await page.goto("/login");
  await page.getByRole("main").getByRole("button", { name: "Log in", exact: true }).click();
  await page.getByRole("alert").getByText("wrong").waitFor();
  await check(page, "login");
  await page.goto("/signup");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.locator(".field-error").first().waitFor();
  await check(page, "sign-up");

  await checkLinks(page);
  await page.goto("/");

  const user = await signUp(page);
  const other = await site.visit();
  await other.page.goto("/login");
  await logIn(other.page, user);
  await other.page.waitForURL("**/dashboard");
  await page.reload();
  await page.getByRole("button", { name: "Send the link again" }).click();
  await page.getByText("Sent.").waitFor();
  await page.getByLabel("New e-mail address").fill("a-rather-long-address-of-somebody@mail.example.com");
  await page.getByRole("button", { name: "Change address" }).click();
  await page.getByText("We have sent a link").waitFor();
  await page.getByRole("button", { name: "Write a post" }).click();
  await page.getByLabel("Title").fill("A title that is rather long, in order to see what it does");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByRole("button", { name: "Delete A title" }).waitFor();
  await page.getByRole("button", { name: "Write a post" }).click();
  await page.getByRole("button", { name: "Log out everywhere else" }).waitFor();
  await check(page, "dashboard");
  await page.getByRole("button", { name: "Delete A title" }).click();
  await page.getByRole("alertdialog").waitFor();
  await check(page, "delete dialog");
  await page.getByRole("alertdialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Delete account" }).click();
  await page.getByRole("alertdialog").waitFor();
  await check(page, "account dialog");
  await page.getByRole("alertdialog").getByRole("button", { name: "Cancel" }).click();
  await askForProof(page, "**/sessions", "password");
  await page.getByRole("button", { name: "Log out everywhere else" }).click();
  await page.getByRole("dialog", { name: "Confirm that it is you" }).waitFor();
  await check(page, "password dialog");

  await other.page.evaluate(() => fetch("/sessions", { method: "DELETE" }));
  await other.context.close();
  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  await page.route("**/session", (route) => route.abort());
  await page.reload();
  await page.getByRole("heading", { name: "We cannot reach the newsroom" }).waitFor();
  await check(page, "unreachable");
  await context.close();
});

/** The pages that mails lead to, and those that lead to a mail, for a visitor. */
async function checkLinks(page: Page): Promise<void> {
  const shows = async (name: string) => {
    await page.getByRole("heading", { name, level: 1 }).waitFor();
    await check(page, name);
  };
  await fake(page, "**/login", 403, { code: "email_not_verified" });
  await page.goto("/login");
  await page.getByRole("main").getByRole("button", { name: "Log in", exact: true }).click();
  await shows("Verify your address first");
  await fake(page, "**/signup", 202, { next: "verify_email" });
  await page.goto("/signup");
  await page.getByLabel("E-mail").fill("a-rather-long-address-of-somebody@mail.example.com");
  await page.getByRole("button", { name: "Sign up" }).click();
  await shows("Look into your mailbox");

  await page.goto("/forgot-password");
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.locator(".field-error").waitFor();
  await shows("Forgotten your password?");
  await page.getByLabel("E-mail").fill("a-rather-long-address-of-somebody@mail.example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await shows("Look into your mailbox");

  await page.goto("/reset-password");
  await shows("Open the link in our mail");
  await page.goto("/reset-password#token=any");
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.locator(".field-error").waitFor();
  await shows("Choose a password");
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
  await shows("This link does not work any more");
  await fake(page, "**/password/reset", 204);
  await page.goto("/reset-password#token=any");
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
  await shows("Your new password is set");

  await page.goto("/verify-email");
  await shows("Open the link in our mail");
  await page.goto("/verify-email#token=any");
  await shows("This link does not work any more");
  await fake(page, "**/email/verify", 204);
  await page.goto("/verify-email#token=other");
  await shows("Your e-mail address is verified");
  await page.goto("/verify-email?undo#token=any");
  await shows("Take the change back?");
  await page.getByRole("button", { name: "Take it back" }).click();
  await shows("Your address is back");
  await page.unrouteAll();
}

test("by keyboard alone: sign up, vote, write, delete, log out, log in", async () => {
  const { context, page } = await site.visit();
  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  await tabTo(page, "Skip to the content");
  await tabTo(page, "Sign up");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Sign up", level: 1 }).waitFor();
  const user = `Keys-${process.pid}`;
  await tabTo(page, "Username");
  await page.keyboard.type(user);
  await tabTo(page, "E-mail");
  await page.keyboard.type(`${user}@example.com`);
  await tabTo(page, "Password");
  await page.keyboard.type(PASSWORD);
  await tabTo(page, "Show the password");
  await page.keyboard.press("Space");
  expect(await page.getByLabel("Password").inputValue()).toBe(PASSWORD);
  await tabTo(page, "Sign up");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();

  await tabTo(page, "Write a post");
  await page.keyboard.press("Enter");
  await tabTo(page, "Title");
  await page.keyboard.type("By keys");
  await tabTo(page, "Publish");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "By keys" }).waitFor();
  await tabTo(page, "Delete By keys");
  await page.keyboard.press("Enter");
  await page.getByRole("alertdialog").waitFor();
  // Inside the dialog, the page below cannot be reached.
  await tabTo(page, "Delete");
  await page.keyboard.press("Enter");
  await page.getByText("You have not written anything yet.").waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Write a post");

  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  await tabTo(page, /votes?\. Vote for/);
  await page.keyboard.press("Space");
  await page.getByRole("button", { pressed: true }).waitFor();

  await page.goto("/dashboard");
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await tabTo(page, "Log out");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
  await tabTo(page, "Username");
  await page.keyboard.type(user);
  await tabTo(page, "Password");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await context.close();
});

test("by keyboard alone: a forgotten password, a new one, an address, the account's end", async () => {
  const { context, page } = await site.visit();
  await page.goto("/");
  const user = await signUp(page);
  await tabTo(page, "New e-mail address");
  await page.keyboard.type(`next-${user}@example.com`);
  await tabTo(page, "Change address");
  await page.keyboard.press("Space");
  await page.getByText("We have sent a link").waitFor();

  await page.goto("/login?next=/");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto("/login");
  await tabTo(page, "Forgotten your password?");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Forgotten your password?" }).waitFor();
  await tabTo(page, "E-mail");
  await page.keyboard.type("nobody@example.com");
  await page.keyboard.press("Enter");
  const outcome = page.getByRole("heading", { name: "Look into your mailbox" });
  await outcome.waitFor();
  // Read out, and the next Tab goes on from there.
  await expect.poll(() => outcome.evaluate((heading) => heading === document.activeElement)).toBe(true);
  await tabTo(page, "Try another address");

  await fake(page, "**/password/reset", 204);
  await page.goto("/reset-password#token=any");
  await page.getByRole("heading", { name: "Choose a password" }).waitFor();
  await tabTo(page, "New password");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your new password is set" }).waitFor();
  await tabTo(page, "Log in");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
  await logIn(page, user);
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await tabTo(page, "Delete account");
  await page.keyboard.press("Enter");
  await page.getByRole("alertdialog").waitFor();
  await tabTo(page, "Delete account");
  await page.keyboard.press("Enter");
  await page.getByText("your account was deleted").waitFor();
  await context.close();
});

interface Watched {
  shifts: string[];
}

/** Notes every move of the layout, and every breach of the policy. */
async function watch(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shifts: string[] = [];
    Object.assign(window, { shifts });
    interface Shift extends PerformanceEntry {
      value: number;
      sources: { node: Node | null }[];
    }
    new PerformanceObserver((list) => {
      for (const { value, sources } of list.getEntries() as Shift[]) {
        const moved = sources.map(({ node }) => (node as Element | null)?.className ?? "");
        shifts.push(`${value.toFixed(4)} ${moved.join(", ")}`);
      }
    }).observe({ type: "layout-shift", buffered: true });
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
}

test.each([1280, 390])("nothing moves while a page loads, at %i pixels", async (width) => {
  const { context, page, complaints } = await site.visit();
  await page.setViewportSize({ width, height: 800 });
  await watch(page);
  const settled = async (path: string) => {
    await page.goto(path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    const shifts = await page.evaluate(() => (window as unknown as Watched).shifts);
    expect(shifts, `${path} at ${width}`).toEqual([]);
  };
  const visitAll = async () => {
    for (const path of ["/", "/login", "/signup", "/nowhere"]) await settled(path);
    for (const path of ["/forgot-password", "/reset-password", "/verify-email"]) await settled(path);
    for (const path of ["/reset-password", "/verify-email", "/verify-email?undo"]) {
      await page.goto("/login");
      await settled(`${path}#token=any`);
    }
    await page.goto("/");
    for (const place of [0, 1, 2, 3]) {
      const link = page.getByRole("article").nth(place).getByRole("heading").getByRole("link");
      await settled((await link.getAttribute("href")) ?? "");
      await page.goto("/");
    }
  };
  await visitAll();
  // Everything late, and each at another time: the font, the session, the posts.
  const late = { "**/*.woff2": 900, "**/session": 300, "**/posts*": 700, "**/posts/*": 500 };
  for (const [pattern, delay] of Object.entries(late)) {
    await page.route(pattern, async (route) => {
      await new Promise((done) => setTimeout(done, delay));
      await route.continue();
    });
  }
  await visitAll();
  await page.goto("/");
  await signUp(page);
  for (const path of ["/dashboard", "/"]) await settled(path);
  expect(complaints).toEqual([]);
  await context.close();
});

test("text is set in the page's own font, with a bold of its own", async () => {
  const { context, page, complaints } = await site.visit();
  await watch(page);
  const fonts: string[] = [];
  page.on("request", (request) => {
    if (request.resourceType() === "font") fonts.push(request.url());
  });
  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  await page.waitForLoadState("networkidle");
  expect(fonts).toHaveLength(1);
  expect(fonts.every((url) => url.startsWith(site.server.base))).toBe(true);

  const client = await context.newCDPSession(page);
  await client.send("DOM.enable");
  await client.send("CSS.enable");
  const { root } = await client.send("DOM.getDocument");
  const fontOf = async (selector: string) => {
    const { nodeId } = await client.send("DOM.querySelector", { nodeId: root.nodeId, selector });
    const { fonts } = await client.send("CSS.getPlatformFontsForNode", { nodeId });
    return fonts.map(({ familyName, isCustomFont }) => `${familyName} ${isCustomFont}`);
  };
  for (const selector of [".story-title a", ".story-text", ".masthead-link"]) {
    expect(await fontOf(selector), selector).toEqual(["Source Serif 4 true"]);
  }
  // Without the browser's own smearing, only a drawn bold has other letters.
  const widths = await page.evaluate(() =>
    [400, 700].map((weight) => {
      const span = document.createElement("span");
      span.style.cssText = `position: absolute; font: ${weight} 100px "Source Serif 4"; font-synthesis: none`;
      span.textContent = "Just Tech News";
      document.body.append(span);
      return span.getBoundingClientRect().width;
    }),
  );
  expect(widths[1]).toBeGreaterThan((widths[0] ?? NaN) * 1.01);
  expect(complaints).toEqual([]);
  await context.close();
});
