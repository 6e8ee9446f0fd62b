/** Sessions that the browser has bound to its device. */
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SecureSite } from "./secureSite";
import { check } from "../checks";
import { logIn, PASSWORD, signUp, visit } from "../site";

let site: SecureSite;

beforeAll(async () => {
  site = await SecureSite.start("5s");
});

afterAll(() => site.remove());

const devices = (page: Page) => page.getByRole("region", { name: "Devices" }).getByRole("listitem");

/** Waits until the browser has bound the session that it has logged in to. */
async function untilBound(page: Page): Promise<void> {
  const hasProof = async () =>
    (await page.context().cookies()).some(({ name }) => name === "__Host-session-proof");
  await expect.poll(hasProof, { timeout: 20_000 }).toBe(true);
}

async function signUpBound(page: Page): Promise<string> {
  await page.goto("/");
  const user = await signUp(page);
  await untilBound(page);
  return user;
}

test("the list of devices says which sessions are bound", { timeout: 120_000 }, async () => {
  const { context, page, complaints } = await visit(site.browser, site.base);
  const user = await signUpBound(page);
  const other = await visit(site.browser, site.base);
  await other.page.goto("/login");
  await logIn(other.page, user);
  await untilBound(other.page);
  // What is no browser binds nothing.
  const unbound = await fetch(`${site.server.base}/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: user, password: PASSWORD }),
  });
  expect(unbound.status).toBe(200);

  await page.reload();
  await devices(page).nth(2).waitFor();
  await devices(page).filter({ hasText: "This device" }).getByText("Bound to this device").waitFor();
  expect(await devices(page).getByText("Bound to that device").count()).toBe(1);
  expect(await devices(page).getByText("Bound to").count()).toBe(2);
  expect(complaints).toEqual([]);
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 844 });
    await check(page, `bound devices at ${width} pixels`);
    for (const colorScheme of process.env.SCREENSHOTS ? (["light", "dark"] as const) : []) {
      await page.emulateMedia({ colorScheme });
      const path = join(process.env.SCREENSHOTS ?? "", `dashboard-bound-${width}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true });
    }
  }
  await other.context.close();
  await context.close();
});

test("a page whose proof is missing for a moment goes on, with what was typed", async () => {
  const { context, page } = await visit(site.browser, site.base);
  const user = await signUpBound(page);
  await page.getByRole("button", { name: "Write a post" }).click();
  await page.getByLabel("Title").fill("A draft");
  const responses: string[] = [];
  page.on("response", (response) => {
    const { pathname } = new URL(response.url());
    if (pathname === "/session") response.text().then((text) => responses.push(text), () => undefined);
  });
  // The stream closes with its proof, and the client asks why.
  site.isRefusing = true;
  const latest = () => responses.at(-1);
  await expect.poll(latest, { timeout: 30_000 }).toContain('"reason":"device_proof_missing"');
  site.isRefusing = false;
  expect(site.refusals).toBeGreaterThan(0);
  await expect.poll(latest, { timeout: 30_000 }).toContain(`"username":"${user}"`);
  expect(await page.getByText("You were logged out").count()).toBe(0);
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByRole("link", { name: "A draft" }).waitFor();
  await context.close();
});
