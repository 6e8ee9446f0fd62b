/** How many bytes of scripts a browser loads. */
import { expect, test } from "vitest";
import { openStory, signUp, useSite } from "./site";

const FRONT_PAGE = 105 * 1024;
/** Every page, and what they load on demand. */
const ALL = 132 * 1024;

const site = useSite();

test("the scripts of the front page and of all pages together are small", async () => {
  const { context, page } = await site.visit();
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  const scripts = new Map<string, { path: string; size: number }>();
  client.on("Network.responseReceived", ({ requestId, type, response }) => {
    if (type === "Script") scripts.set(requestId, { path: new URL(response.url).pathname, size: 0 });
  });
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const script = scripts.get(requestId);
    if (script) script.size = encodedDataLength;
  });
  const sum = () => {
    const sizes = new Map<string, number>();
    for (const { path, size } of scripts.values()) sizes.set(path, Math.max(size, sizes.get(path) ?? 0));
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  };
  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  await page.waitForLoadState("networkidle");
  const first = sum();
  await openStory(page, 1);
  await page.goto("/login");
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  await signUp(page);
  await page.waitForLoadState("networkidle");
  for (const path of ["/forgot-password", "/reset-password", "/verify-email"]) {
    await page.goto(path);
    await page.getByRole("heading", { level: 1 }).waitFor();
  }
  await page.waitForLoadState("networkidle");
  await page.goto("/dashboard");
  await page.getByRole("button", { name: "Set up an app" }).click();
  await page.getByRole("img", { name: "QR code" }).waitFor();
  const all = sum();
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
  console.log(`scripts: ${kib(first)} for the front page, ${kib(all)} for all pages`);
  expect(first).toBeGreaterThan(0);
  expect(all).toBeGreaterThan(first);
  expect(first).toBeLessThanOrEqual(FRONT_PAGE);
  expect(all).toBeLessThanOrEqual(ALL);
  await context.close();
});
