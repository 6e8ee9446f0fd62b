/** examples/react, a page that knows nothing of the news, in front of handstamp. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "./factors/authenticator";
import { PASSWORD, Server, useSite } from "./site";

const example = resolve(import.meta.dirname, "../../examples/react");
const root = resolve(import.meta.dirname, "../..");

const site = useSite(() =>
  Server.startBare({ API_PREFIX: "/api", SIGNUP: "open", NEWS: "off", WEB_DIR: join(example, "dist") }),
);
let vite: ChildProcess;
let bases: Record<string, string>;

beforeAll(async () => {
  const dev = await startDevServer(site.server.base);
  vite = dev.process;
  bases = { binary: site.server.base, "Vite's dev server": dev.base };
});

afterAll(() => { vite.kill(); });

/** The example's own Vite, as `npm run dev` starts it. */
async function startDevServer(api: string): Promise<{ process: ChildProcess; base: string }> {
  const child = spawn(join(example, "node_modules/.bin/vite"), ["--host", "127.0.0.1", "--port", "5180"], {
    cwd: example,
    env: { ...process.env, API_URL: api, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(child.stdout)) {
    const base = /(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (base) return { process: child, base };
  }
  throw new Error("Vite did not start");
}

/** An account with an authenticator app, and its recovery codes. */
async function signUpWithApp(base: string, username: string): Promise<{ secret: string; codes: string[] }> {
  let cookie = "";
  const post = async (path: string, body: object) => {
    const headers = { "Content-Type": "application/json", cookie };
    const response = await fetch(`${base}/api${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    cookie = response.headers.get("set-cookie")?.split(";")[0] ?? cookie;
    return (await response.json()) as Record<string, unknown>;
  };
  await post("/signup", { username, email: `${username}@example.com`, password: PASSWORD });
  const secret = (await post("/totp", {})).secret as string;
  const { recovery_codes } = await post("/totp/confirm", { code: codeOf(secret, -1) });
  return { secret, codes: recovery_codes as string[] };
}

describe.each(["binary", "Vite's dev server"])("from %s", (name) => {
  test("sign up, reload a client route, log out, log in", async () => {
    const base = bases[name] ?? "";
    const { context, page, complaints } = await site.visit(base);
    const user = `Skipper-${name.length}`;

    // A route of the page that the server has never heard of, and one that the API has.
    const settings = await page.goto("/settings");
    expect(settings?.status()).toBe(200);
    await page.waitForURL("**/login");
    const signUp = await page.goto("/signup");
    expect(signUp?.status()).toBe(200);
    await page.getByLabel("Username").fill(user);
    await page.getByLabel("E-mail").fill(`${user}@example.com`);
    await page.getByLabel("Password").fill("short");
    await page.getByRole("button", { name: "Sign up" }).click();
    await page.getByText("must be 8 to 256 characters").waitFor();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign up" }).click();
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    const session = (await context.cookies()).find(({ name }) => name === "session");
    expect(session).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });

    await page.reload();
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    await page.getByText(`${user}@example.com`).waitFor();
    const fonts = await page.evaluate(async () => {
      await document.fonts.ready;
      const fonts: string[] = [];
      document.fonts.forEach((font) => fonts.push(`${font.family.replaceAll('"', "")} ${font.status}`));
      return fonts;
    });
    expect(fonts).toEqual(["Silkscreen loaded"]);

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("link", { name: "Log in" }).click();
    // But for the one that binds a challenge for a passkey to this browser.
    const cookies = (await context.cookies()).map(({ name }) => name);
    expect(cookies.filter((name) => name !== "passkey")).toEqual([]);
    // A file whose name begins as an address of the API does.
    const picture = await page.evaluate(async () => {
      const response = await fetch("/login-bg.svg");
      return [response.status, response.headers.get("content-type")];
    });
    expect(picture).toEqual([200, "image/svg+xml"]);
    if (process.env.SCREENSHOTS) {
      await page.screenshot({ path: join(process.env.SCREENSHOTS, `example-${name.length}.png`) });
    }
    await page.getByLabel("Username").fill(user);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Log in", exact: true }).click();
    await page.getByRole("link", { name: user }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("a login in two steps, the way back, a recovery code, and a proof in its dialog", async () => {
    const base = bases[name] ?? "";
    const user = `Pilot-${name.length}`;
    const { secret, codes } = await signUpWithApp(base, user);
    const { context, page, complaints } = await site.visit(base);
    const logIn = async () => {
      await page.getByLabel("Username").fill(user);
      await page.getByLabel("Password").fill(PASSWORD);
      await page.getByRole("button", { name: "Log in", exact: true }).click();
    };
    await page.goto("/login");
    await logIn();
    await page.getByRole("button", { name: "Back to the password" }).click();
    await logIn();
    await page.getByLabel("Code of your app").fill("000000");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: /./ }).waitFor();
    await page.getByLabel("Code of your app").fill(codeOf(secret));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Settings" }).waitFor();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("link", { name: "Log in" }).click();
    await logIn();
    await page.getByRole("button", { name: "Use a recovery code" }).click();
    await page.getByLabel("Recovery code").fill(codes[0] ?? "");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Settings" }).waitFor();

    // As ten minutes after the login.
    const problem = { code: "reauthentication_required", methods: ["password"] };
    const once = { times: 1 };
    await page.route("**/passkeys/options", (route) =>
      route.fulfill({ status: 403, contentType: "application/problem+json", json: problem }), once);
    const options = page.waitForResponse((response) => response.url().endsWith("/passkeys/options") && response.ok());
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByLabel("Your password").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByRole("alert").waitFor();
    await page.getByLabel("Your password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await options;
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("the end of a session arrives at once, and a closed stream makes room", async () => {
    const base = bases[name] ?? "";
    const { context, page } = await site.visit(base);
    await page.goto("/");
    const user = `Bosun-${Date.now()}`;
    const account = {
      username: user,
      email: `${user}@example.com`,
      password: PASSWORD,
    };
    const heard = await page.evaluate(async (account) => {
      const headers = { "Content-Type": "application/json" };
      await fetch("/api/signup", { method: "POST", headers, body: JSON.stringify(account) });
      const source = new EventSource("/api/session/events");
      const events: unknown[] = [];
      await new Promise<void>((done) => {
        source.addEventListener("session", ({ data }: MessageEvent<string>) => {
          const event = JSON.parse(data) as { state: string };
          events.push(event);
          if (event.state === "active") void fetch("/api/logout", { method: "DELETE" });
          else done();
        });
      });
      // It connects once more and is told to stop.
      await new Promise<void>((done) => {
        source.addEventListener("error", () => {
          if (source.readyState === EventSource.CLOSED) done();
        });
      });
      return events;
    }, account);
    expect(heard).toEqual([{ state: "active" }, { state: "ended", reason: "logged_out" }]);
    await context.close();

    const login = await fetch(`${base}/api/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(account),
    });
    const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
    const open = (signal?: AbortSignal): Promise<Response> =>
      fetch(`${base}/api/session/events`, { headers: { cookie }, signal });
    const closing = new AbortController();
    for (let number = 0; number < 8; number += 1) {
      expect((await open(closing.signal)).status).toBe(200);
    }
    expect((await open()).status).toBe(429);
    closing.abort();
    await expect
      .poll(
        async () => {
          const stop = new AbortController();
          const { status } = await open(stop.signal);
          stop.abort();
          return status;
        },
        { timeout: 25_000 },
      )
      .toBe(200);
  });
});

test("it is under 60 lines, but for what passkeys and codes need", () => {
  const sources = ["src/main.tsx", "vite.config.ts"].map((file) => readFileSync(join(example, file), "utf8"));
  expect(sources.join("").trim().split("\n").length).toBeLessThan(60);
});

test("the README's Vite configuration type-checks", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const snippet = /```ts\n(import react [^]*?)```/.exec(readme)?.[1] ?? "";
  expect(snippet).toContain('"/api"');
  const file = join(example, "readme.config.ts");
  writeFileSync(file, snippet);
  try {
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--target", "es2022"];
    const checked = spawnSync(
      join(example, "node_modules/.bin/tsc"),
      [...options, "--moduleResolution", "bundler", file],
      { cwd: example, encoding: "utf8" },
    );
    expect(checked.stdout).toBe("");
    expect(checked.status).toBe(0);
  } finally {
    rmSync(file);
  }
});
