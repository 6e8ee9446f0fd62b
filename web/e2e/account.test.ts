/** Logging in, signing up, devices and the password. */
import { expect, test } from "vitest";
import { logIn, PASSWORD, Server, signUp, useSite } from "./site";

const site = useSite();

test("the forms say what they are, and password managers can read them", async () => {
  const { context, page } = await site.visit();
  const fields = () =>
    page
      .locator("main input")
      .evaluateAll((inputs) =>
        inputs.map((input) => [input.getAttribute("type"), input.getAttribute("autocomplete")].join(" ")),
      );
  await page.goto("/login");
  await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
  expect(await page.title()).toBe("Log in · Just Tech News");
  expect(await fields()).toEqual(["text username webauthn", "password current-password"]);
  await page.getByRole("main").getByRole("link", { name: "Sign up" }).click();
  await page.getByRole("heading", { name: "Sign up", level: 1 }).waitFor();
  expect(await page.title()).toBe("Sign up · Just Tech News");
  expect(await fields()).toEqual(["text username", "email email", "password new-password"]);
  const user = await signUp(page);
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await page.getByLabel("New e-mail address").waitFor();
  expect(await fields()).toEqual([
    "email email",
    "text username",
    "password current-password",
    "password new-password",
  ]);
  await page.goto("/forgot-password");
  await page.getByRole("heading", { name: "Forgotten your password?", level: 1 }).waitFor();
  expect(await page.title()).toBe("Forgotten your password? · Just Tech News");
  expect(await fields()).toEqual(["email email"]);
  await page.goto("/reset-password#token=any");
  await page.getByRole("heading", { name: "Choose a password", level: 1 }).waitFor();
  expect(await fields()).toEqual(["text username", "password new-password"]);
  await context.close();
});

test("a password can be shown, and its rule is told before a mistake", async () => {
  const { context, page } = await site.visit();
  await page.goto("/signup");
  const password = page.getByLabel("Password");
  const rule = page.getByText("At least 8 characters");
  await rule.waitFor();
  const described = await password.getAttribute("aria-describedby");
  expect(await page.locator(`[id="${described ?? ""}"]`).textContent()).toContain("At least 8 characters");
  await password.fill("1234567");
  expect(await rule.getAttribute("data-kept")).toBe("false");
  await password.fill("12345678");
  expect(await rule.getAttribute("data-kept")).toBe("true");

  expect(await password.getAttribute("type")).toBe("password");
  await page.getByRole("button", { name: "Show the password" }).click();
  expect(await password.getAttribute("type")).toBe("text");
  await page.getByRole("button", { name: "Hide the password" }).click();
  expect(await password.getAttribute("type")).toBe("password");

  // What the server refuses is said at the field; the rule stays.
  await page.getByLabel("Username").fill("Somebody");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.locator(".field-error").first().waitFor();
  await rule.waitFor();
  await context.close();
});

test("devices have a place and a time; one logged out from elsewhere says so", async () => {
  const { context, page, complaints } = await site.visit();
  await page.goto("/");
  const user = await signUp(page);
  const other = await site.visit();
  await other.page.goto("/login");
  await logIn(other.page, user.toUpperCase(), "wrong");
  await other.page.getByText("The username or the password is wrong.").waitFor();
  await logIn(other.page, user.toUpperCase());
  await other.page.waitForURL("**/dashboard");

  await page.reload();
  const devices = page.getByRole("region", { name: "Devices" }).getByRole("listitem");
  await devices.nth(1).waitFor();
  expect(await devices.count()).toBe(2);
  await devices.first().getByText("This device").waitFor();
  await devices.first().getByText("127.0.0.1").waitFor();
  await devices.first().getByText("Last used just now").waitFor();
  expect(await devices.nth(1).getByText("This device").count()).toBe(0);
  await devices.nth(1).getByRole("button", { name: "Log out" }).click();
  await devices.nth(1).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Log out everywhere else" }).waitFor({ state: "detached" });

  // At once, and without a click.
  const notice = other.page.getByText("You were logged out: this session was ended from another device");
  await notice.waitFor({ timeout: 1_000 });
  await other.page.waitForURL("**/login?next=%2Fdashboard");
  await other.page.getByRole("button", { name: "OK" }).click();
  await notice.waitFor({ state: "detached" });
  await other.context.close();
  expect(complaints).toEqual([]);
  await context.close();
});

test("ending other sessions asks for the password after a while", async () => {
  const strict = await Server.start({ REAUTHENTICATION_WINDOW: "3s" });
  const { context, page, complaints } = await site.visit(strict.base);
  await page.goto("/");
  const user = await signUp(page);
  const other = await site.visit(strict.base);
  await other.page.goto("/login");
  await logIn(other.page, user);
  await other.page.waitForURL("**/dashboard");
  await page.waitForTimeout(3_100);

  await page.reload();
  const button = page.getByRole("button", { name: "Log out everywhere else" });
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  // Cancelled, by button and by key: nothing has happened, and nothing is wrong.
  await button.click();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "hidden" });
  await button.click();
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  expect(await page.getByRole("alert").filter({ hasText: /./ }).count()).toBe(0);
  expect(await page.getByRole("region", { name: "Devices" }).getByRole("listitem").count()).toBe(2);

  await button.click();
  const password = dialog.getByLabel("Password");
  await expect.poll(() => password.evaluate((field) => field === document.activeElement)).toBe(true);
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await dialog.getByText("That is not your password.").waitFor();
  await password.fill(PASSWORD);
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  await button.waitFor({ state: "detached" });
  expect(await page.getByRole("region", { name: "Devices" }).getByRole("listitem").count()).toBe(1);
  expect(complaints).toEqual([]);
  await other.context.close();
  await context.close();
  strict.remove();
});

test("a changed password needs the old one", async () => {
  const { context, page, complaints } = await site.visit();
  await page.goto("/");
  await signUp(page);
  await page.getByLabel("Current password").fill("wrong");
  await page.getByLabel("New password").fill("black coffee by noon");
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("That is not your current password.").waitFor();
  await page.getByLabel("Current password").fill(PASSWORD);
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("Changed.").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("deleting the account asks twice, takes the password, and leaves what was written", async () => {
  const strict = await Server.start({ REAUTHENTICATION_WINDOW: "3s" });
  const { context, page, complaints } = await site.visit(strict.base);
  await page.goto("/");
  const user = await signUp(page);
  await page.getByRole("button", { name: "Write a post" }).click();
  await page.getByLabel("Title").fill("My last words");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByRole("link", { name: "My last words" }).waitFor();
  const other = await site.visit(strict.base);
  await other.page.goto("/login");
  await logIn(other.page, user);
  await other.page.waitForURL("**/dashboard");
  await page.waitForTimeout(3_100);

  const button = page.getByRole("button", { name: "Delete account" });
  const warning = page.getByRole("alertdialog", { name: "Delete your account?" });
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await button.click();
  await warning.getByRole("button", { name: "Cancel" }).click();
  await warning.waitFor({ state: "hidden" });
  await button.click();
  await warning.getByRole("button", { name: "Delete account" }).click();
  // Cancelled: nothing has happened, and nothing is wrong.
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "hidden" });
  expect(await page.getByRole("alert").filter({ hasText: /./ }).count()).toBe(0);
  await button.click();
  await warning.getByRole("button", { name: "Delete account" }).click();
  await dialog.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");

  await page.getByText("You were logged out: your account was deleted.").waitFor();
  await page.waitForURL(`${strict.base}/`);
  await other.page.getByText("You were logged out: your account was deleted.").waitFor({ timeout: 2_000 });
  const post = page.getByRole("article").filter({ hasText: "My last words" });
  await post.getByText("[deleted]").waitFor();
  await page.getByRole("banner").getByRole("link", { name: "Log in" }).click();
  await logIn(page, user);
  await page.getByText("The username or the password is wrong.").waitFor();
  expect(complaints).toEqual([]);
  await other.context.close();
  await context.close();
  strict.remove();
});

test("a new address waits for the password, and is kept in its field meanwhile", async () => {
  const strict = await Server.start({ REAUTHENTICATION_WINDOW: "3s" });
  const { context, page, complaints } = await site.visit(strict.base);
  await page.goto("/");
  const user = await signUp(page);
  await page.waitForTimeout(3_100);
  const field = page.getByLabel("New e-mail address");
  const button = page.getByRole("button", { name: "Change address" });
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await field.fill(`next-${user}@example.com`);
  await button.click();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "hidden" });
  expect(await page.getByRole("alert").filter({ hasText: /./ }).count()).toBe(0);
  expect(await field.inputValue()).toBe(`next-${user}@example.com`);
  await button.click();
  await dialog.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByText(`We have sent a link to next-${user}@example.com.`).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
  strict.remove();
});
