import { readFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import type { ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStory, Server, signUp, startVite, useSite } from "./site";

const site = useSite();
let vite: ViteDevServer;
let bases: Record<string, string>;

beforeAll(async () => {
  const dev = await startVite(site.server.base);
  vite = dev.vite;
  bases = {
    binary: site.server.base,
    localhost: `http://localhost:${dev.port}`,
    "127.0.0.1": `http://127.0.0.1:${dev.port}`,
    "news.test": `http://news.test:${dev.port}`,
  };
});

afterAll(() => vite.close());

describe.each(["binary", "localhost", "127.0.0.1", "news.test"])("from %s", (name) => {
  test("sign up, reload, comment, log out", async () => {
    const { context, page, complaints } = await site.visit(bases[name] ?? "");
    await page.goto("/");
    const user = await signUp(page);
    await page.waitForURL("**/dashboard");
    expect(await page.getByRole("link", { name: "Log in" }).count()).toBe(0);

    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ name: "session", httpOnly: true, sameSite: "Lax", path: "/" });
    expect(cookie?.expires).toBeGreaterThan(Date.now() / 1000 + 29 * 24 * 3600);

    await page.reload();
    await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
    await page.goto("/login");
    await page.waitForURL("**/dashboard");

    await page.goto("/");
    await openStory(page, 1);
    const comment = `Said by ${user}`;
    await page.getByLabel("Your comment").fill(comment);
    await page.getByRole("button", { name: "Post comment" }).click();
    await page.getByRole("listitem").filter({ hasText: comment }).waitFor();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("banner").getByRole("link", { name: "Log in" }).waitFor();
    expect(await page.getByLabel("Your comment").count()).toBe(0);
    // The remaining cookie is a visitor's, which meters free reads.
    const [visitor] = await context.cookies();
    expect(visitor?.value).not.toBe(cookie?.value);
    expect(await page.evaluate(async () => (await fetch("/checklogin")).status)).toBe(401);
    await page.goto("/dashboard");
    await page.waitForURL("**/login?next=%2Fdashboard");
    expect(await page.getByText("You were logged out").count()).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });
});

test("the API below a prefix is found, from the server and from Vite", async () => {
  const below = await Server.start({ API_PREFIX: "/api" });
  const dev = await startVite(below.base, "/api");
  for (const base of [below.base, `http://127.0.0.1:${dev.port}`]) {
    const { context, page, complaints } = await site.visit(base);
    await page.goto("/login");
    const user = await signUp(page);
    await page.waitForURL("**/dashboard");
    await page.reload();
    await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
    expect(await page.evaluate(async () => (await fetch("/api/checklogin")).status)).toBe(200);
    await page.goto("/login");
    await page.waitForURL("**/dashboard");
    expect(complaints).toEqual([]);
    await context.close();
  }
  await dev.vite.close();
  below.remove();
});

test("a logout shows in the other tab without a click", async () => {
  const { context, page } = await site.visit();
  await page.goto("/");
  const user = await signUp(page);
  const other = await context.newPage();
  await other.goto("/dashboard");
  await other.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await other.getByRole("heading", { name: "Log in" }).waitFor({ timeout: 1_000 });
  // So does a login, by somebody else.
  const next = await signUp(page);
  await other.getByRole("heading", { name: `${next}’s dashboard` }).waitFor({ timeout: 1_000 });
  await context.close();
});

test("an unreachable server shows a retry button, not a logout", async () => {
  const { context, page } = await site.visit();
  await page.goto("/login");
  const user = await signUp(page);
  await page.route("**/session", (route) => route.abort());
  await page.reload();
  await page.getByRole("heading", { name: "We cannot reach the newsroom" }).waitFor();
  expect(await page.getByRole("link", { name: "Log in" }).count()).toBe(0);
  await page.unroute("**/session");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await context.close();
});

test("the wrong state never flashes", async () => {
  const { context, page } = await site.visit();
  await page.goto("/login");
  const user = await signUp(page);
  // Every state that the navigation showed during a slow load.
  await page.route("**/session", async (route) => {
    await new Promise((done) => setTimeout(done, 300));
    await route.continue();
  });
  await page.addInitScript(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    setInterval(() => {
      seen.push(document.querySelector("nav")?.textContent ?? "");
    }, 10);
  });
  await page.goto("/dashboard");
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
  expect(seen.some((text) => text.includes("Log in"))).toBe(false);
  await context.close();
});

test("an unknown address shows the not-found page", async () => {
  const { context, page } = await site.visit();
  for (const path of ["/nowhere", "/post/nowhere"]) {
    await page.goto(path);
    await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
  }
  await context.close();
});

test("schema.d.ts is what the server describes", async () => {
  const described = astToString(await openapiTS(new URL(`${site.server.base}/openapi.json`)));
  const committed = readFileSync(new URL("../src/api/schema.d.ts", import.meta.url), "utf8");
  // openapi-typescript writes a comment above it.
  expect(committed.slice(committed.indexOf("export interface paths"))).toBe(
    described.slice(described.indexOf("export interface paths")),
  );
});
