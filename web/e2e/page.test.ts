import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import openapiTS, { astToString } from "openapi-typescript";
import type { Browser } from "playwright-core";
import type { ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchBrowser, Server, signUp, startVite, visit } from "./site";

let server: Server;
let vite: ViteDevServer;
let browser: Browser;
let bases: Record<string, string>;

beforeAll(async () => {
  server = await Server.start();
  browser = await launchBrowser();
  const dev = await startVite(server.base);
  vite = dev.vite;
  bases = {
    binary: server.base,
    localhost: `http://localhost:${dev.port}`,
    "127.0.0.1": `http://127.0.0.1:${dev.port}`,
    "news.test": `http://news.test:${dev.port}`,
  };
});

afterAll(async () => {
  await browser.close();
  await vite.close();
  server.remove();
});

describe.each(["binary", "localhost", "127.0.0.1", "news.test"])("from %s", (name) => {
  test("sign up, reload, comment, log out", async () => {
    const { context, page, complaints } = await visit(browser, bases[name] ?? "");
    await page.goto("/");
    await page.getByRole("link", { name: "Log in" }).click();
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
    await page.getByRole("article").first().getByRole("link").click();
    const comment = `Said by ${user}`;
    await page.getByLabel("Your comment").fill(comment);
    await page.getByRole("button", { name: "Post comment" }).click();
    await page.getByRole("listitem").filter({ hasText: comment }).waitFor();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("link", { name: "Log in", exact: true }).first().waitFor();
    expect(await page.getByLabel("Your comment").count()).toBe(0);
    // The remaining cookie is a visitor's, which meters free reads.
    const [visitor] = await context.cookies();
    expect(visitor?.value).not.toBe(cookie?.value);
    expect(await page.evaluate(async () => (await fetch("/checklogin")).status)).toBe(401);
    await page.goto("/dashboard");
    await page.waitForURL("**/login?next=%2Fdashboard");
    expect(complaints).toEqual([]);
    await context.close();
  });
});

test("the API below a prefix is found, from the server and from Vite", async () => {
  const below = await Server.start({ API_PREFIX: "/api" });
  const dev = await startVite(below.base, "/api");
  for (const base of [below.base, `http://127.0.0.1:${dev.port}`]) {
    const { context, page, complaints } = await visit(browser, base);
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
  const { context, page } = await visit(browser, server.base);
  await page.goto("/login");
  const user = await signUp(page);
  const other = await context.newPage();
  await other.goto("/");
  await other.getByRole("link", { name: user }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await other.getByRole("link", { name: "Log in" }).waitFor({ timeout: 1_000 });
  // So does a login, by somebody else.
  await page.goto("/login");
  const next = await signUp(page);
  await other.getByRole("link", { name: next }).waitFor({ timeout: 1_000 });
  await context.close();
});

test("the fourth article shows the paywall, and opens after logging in", async () => {
  const { context, page } = await visit(browser, server.base);
  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  const articles = page.getByRole("article").getByRole("link");
  const paths = await articles.evaluateAll((links) =>
    links.slice(0, 4).map((link) => link.getAttribute("href") ?? ""),
  );
  const title = await articles.nth(3).textContent();
  for (const [index, words] of ["2 free articles left", "1 free article left", "last free"].entries()) {
    await page.goto(paths[index] ?? "");
    await page.getByText(words).waitFor();
  }
  await page.goto(paths[3] ?? "");
  await page.getByRole("heading", { name: "You have read what is free" }).waitFor();
  await page.getByRole("main").getByRole("link", { name: "Log in to read on" }).click();
  await signUp(page);
  await page.waitForURL(`**${paths[3] ?? ""}`);
  await page.getByRole("heading", { name: title ?? "", level: 1 }).waitFor();
  await context.close();
});

test("write, edit and delete a post; change the password; end another session", async () => {
  const { context, page, complaints } = await visit(browser, server.base);
  await page.goto("/login");
  const user = await signUp(page);
  await page.getByRole("button", { name: "Write a post" }).click();
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText("Is required.").first().waitFor();
  await page.getByLabel("Title").fill("My first post");
  await page.getByLabel("Link").fill("javascript:alert(1)");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText("Must be an http or https address.").waitFor();
  await page.getByLabel("Link").fill("");
  await page.getByLabel("Text").fill("<b>Not HTML</b>");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByRole("button", { name: "Edit My first post" }).click();
  await page.getByLabel("Title").fill("My only post");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name: "My only post" }).click();
  await page.getByText("<b>Not HTML</b>").waitFor();
  await page.getByRole("button", { name: "Vote" }).click();
  await page.getByText("1 vote").waitFor();

  const elsewhere = await visit(browser, server.base);
  await elsewhere.page.goto("/login");
  await elsewhere.page.getByLabel("Username").fill(user.toUpperCase());
  await elsewhere.page.getByLabel("Password").fill("wrong");
  await elsewhere.page.getByRole("button", { name: "Log in" }).click();
  await elsewhere.page.getByText("The username or the password is wrong.").waitFor();
  await elsewhere.page.getByLabel("Password").fill("plain tea at dawn");
  await elsewhere.page.getByRole("button", { name: "Log in" }).click();
  await elsewhere.page.waitForURL("**/dashboard");

  await page.goto("/dashboard");
  await page.getByRole("button", { name: "Log out everywhere else" }).click();
  await page.getByRole("button", { name: "Log out everywhere else" }).waitFor({ state: "detached" });
  // The other browser learns of it from its next request.
  await elsewhere.page.getByRole("button", { name: "Write a post" }).click();
  await elsewhere.page.getByLabel("Title").fill("Too late");
  await elsewhere.page.getByRole("button", { name: "Publish" }).click();
  await elsewhere.page.waitForURL("**/login?next=%2Fdashboard");
  await elsewhere.context.close();

  await page.getByLabel("Current password").fill("wrong");
  await page.getByLabel("New password").fill("black coffee by noon");
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("That is not your current password.").waitFor();
  await page.getByLabel("Current password").fill("plain tea at dawn");
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("Changed.").waitFor();

  await page.getByRole("button", { name: "Delete My only post" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("You have not written anything yet.").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});

test("an unreachable server shows a retry button, not a logout", async () => {
  const { context, page } = await visit(browser, server.base);
  await page.goto("/login");
  const user = await signUp(page);
  await page.route("**/checklogin", (route) => route.abort());
  await page.reload();
  await page.getByRole("heading", { name: "We cannot reach the newsroom" }).waitFor();
  expect(await page.getByRole("link", { name: "Log in" }).count()).toBe(0);
  await page.unroute("**/checklogin");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("link", { name: user }).waitFor();
  await context.close();
});

test("the wrong state never flashes", async () => {
  const { context, page } = await visit(browser, server.base);
  await page.goto("/login");
  const user = await signUp(page);
  // Every state that the navigation showed during a slow load.
  await page.route("**/checklogin", async (route) => {
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
  const { context, page } = await visit(browser, server.base);
  for (const path of ["/nowhere", "/post/nowhere"]) {
    await page.goto(path);
    await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
  }
  await context.close();
});

test("axe finds nothing serious, in light and dark, at 360 pixels", async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const { context, page } = await visit(browser, server.base);
  await page.setViewportSize({ width: 360, height: 740 });
  const check = async (what: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const { axe } = window as unknown as { axe: typeof import("axe-core") };
        const { violations } = await axe.run();
        return violations.map(
          ({ impact, id, nodes }) =>
            `${impact ?? ""} ${id}: ${nodes[0]?.html ?? ""} ${nodes[0]?.failureSummary ?? ""}`,
        );
      });
      expect(found, `${what}, ${colorScheme}`).toEqual([]);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow, `${what} is wider than the screen`).toBeLessThanOrEqual(0);
    }
  };
  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  await check("home");
  await page.getByRole("article").first().getByRole("link").click();
  await page.locator("#comments").waitFor();
  await check("post");
  await page.goto("/login");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").getByText("wrong").waitFor();
  await check("login");
  await signUp(page);
  await page.getByRole("button", { name: "Write a post" }).click();
  await page.getByText("this one").waitFor();
  await check("dashboard");
  await context.close();
});

test("logging in by keyboard alone", async () => {
  const { context, page } = await visit(browser, server.base);
  await page.goto("/login");
  const user = await signUp(page);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto("/login");
  await page.getByRole("tab", { name: "Log in" }).focus();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("name"));
  for (const [field, text] of [["username", user], ["password", "plain tea at dawn"]] as const) {
    for (let tabs = 0; tabs < 3 && (await focused()) !== field; tabs += 1) {
      await page.keyboard.press("Tab");
    }
    await page.keyboard.type(text);
  }
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();
  await context.close();
});

test("the first page is small, stable and free of errors", async () => {
  const { context, page, complaints } = await visit(browser, server.base);
  let scripts = 0;
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  const types = new Map<string, string>();
  client.on("Network.responseReceived", (event) => types.set(event.requestId, event.type));
  client.on("Network.loadingFinished", (event) => {
    if (types.get(event.requestId) === "Script") scripts += event.encodedDataLength;
  });
  await page.addInitScript(() => {
    Object.assign(window, { shift: 0 });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as unknown as { value: number }[]) {
        (window as unknown as { shift: number }).shift += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await page.goto("/");
  await page.getByRole("article").first().waitFor();
  await page.waitForLoadState("networkidle");
  const shift = await page.evaluate(() => (window as unknown as { shift: number }).shift);
  console.log(`first page: ${(scripts / 1024).toFixed(1)} KiB of script, layout shift ${shift}`);
  expect(scripts).toBeGreaterThan(0);
  expect(scripts).toBeLessThanOrEqual(120 * 1024);
  expect(shift).toBeLessThan(0.05);
  expect(complaints).toEqual([]);
  await context.close();
});

test("schema.d.ts is what the server describes", async () => {
  const described = astToString(await openapiTS(new URL(`${server.base}/openapi.json`)));
  const committed = readFileSync(new URL("../src/api/schema.d.ts", import.meta.url), "utf8");
  // openapi-typescript writes a comment above it.
  expect(committed.slice(committed.indexOf("export interface paths"))).toBe(
    described.slice(described.indexOf("export interface paths")),
  );
});
