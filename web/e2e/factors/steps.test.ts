/** The login in two steps, passkeys and codes: accessibility, and the keyboard alone. */
import { expect, test } from "vitest";
import { Authenticator, codeOf, shownSecret } from "./authenticator";
import { askForProof, check, fake, tabTo } from "../checks";
import { logIn, PASSWORD, signUp, useSite } from "../site";

const site = useSite();

// Three minutes: axe takes seconds for each page on a busy machine.
test.each([1280, 390, 320])("axe finds nothing, in light and dark, at %i pixels", { timeout: 180_000 }, async (width) => {
  const { context, page } = await site.visit(site.server.named);
  await page.setViewportSize({ width, height: 800 });
  const authenticator = await Authenticator.add(page);
  await authenticator.setPresent(false);
  await fake(page, "**/login/passkey/options", 503, { code: "unavailable", detail: "Try again later." });
  await page.goto("/login");
  await page.getByRole("button", { name: "Log in with a passkey" }).click();
  await page.getByText("Try again later.").waitFor();
  await check(page, "login, passkey refused");

  await fake(page, "**/login", 202, { next: "second_factor", methods: ["totp", "recovery_code"] });
  await page.goto("/login");
  await logIn(page, "Ann");
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  await check(page, "second step");
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await fake(page, "**/login/recovery-code", 400, { code: "bad_code" });
  await page.getByLabel("Recovery code").fill("3h7k");
  await page.keyboard.press("Enter");
  await page.getByText("That code is wrong").waitFor();
  await check(page, "second step, a wrong recovery code");
  await page.unrouteAll({ behavior: "wait" });

  await page.goto("/");
  const user = await signUp(page);
  await page.getByRole("button", { name: "Log out", exact: true }).click();
  await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
  await logIn(page, user);
  await page.getByRole("heading", { name: "No password next time?" }).waitFor();
  await check(page, "offer of a passkey");
  await authenticator.setPresent(true);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByRole("button", { name: /^Rename/ }).click();
  await page.getByLabel("Name of the passkey").fill("A name that is rather long, to see what it does to the list");
  await check(page, "rename");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByText("has a passkey of this account already").waitFor();
  await page.getByRole("button", { name: "Set up an app" }).click();
  await page.getByRole("img", { name: "QR code" }).waitFor();
  await check(page, "passkeys and the set-up of an app");
  const secret = await shownSecret(page);
  await page.getByLabel("Code of the app").fill(codeOf(secret));
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  await check(page, "recovery codes");
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByText("You have 10 recovery codes left").waitFor();
  await check(page, "codes on");

  for (const ways of [["password", "passkey"], ["passkey"]]) {
    await askForProof(page, "**/totp", ...ways);
    await page.getByRole("button", { name: "Turn off" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Turn off" }).click();
    await page.getByRole("dialog", { name: "Confirm that it is you" }).waitFor();
    await check(page, `proof by ${ways.join(" or ")}`);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.unroute("**/totp");
  }
  await context.close();
});

test("by keyboard alone: an app, a login in two steps, a passkey", async () => {
  const { context, page } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  await page.goto("/");
  const user = await signUp(page);
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await tabTo(page, "Set up an app");
  await page.keyboard.press("Enter");
  const setUp = page.getByRole("heading", { name: "Set up your app" });
  await setUp.waitFor();
  // Read out, and the next Tab goes on from there.
  await expect.poll(() => setUp.evaluate((heading) => heading === document.activeElement)).toBe(true);
  const secret = await shownSecret(page);
  await tabTo(page, "Code of the app");
  await page.keyboard.type(codeOf(secret, -1));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  await tabTo(page, "I have kept them");
  await page.keyboard.press("Enter");
  await page.getByText("You have 10 recovery codes left").waitFor();
  // The focus is not lost with the button.
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Authenticator app");

  await tabTo(page, "Add a passkey");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /^Rename/ }).waitFor();
  await authenticator.setPresent(false);
  await tabTo(page, /^Rename/);
  await page.keyboard.press("Enter");
  await page.getByLabel("Name of the passkey").waitFor();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type("By keys");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Rename By keys" }).waitFor();
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.textContent))
    .toBe("Rename By keys");

  await page.getByRole("button", { name: "Log out", exact: true }).click();
  await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
  await tabTo(page, "Username");
  await page.keyboard.type(user);
  await tabTo(page, "Password");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  await page.keyboard.type(codeOf(secret));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await context.close();
});
