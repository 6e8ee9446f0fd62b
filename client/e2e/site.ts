import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createServer as createNetServer, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { build, createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
const binary = process.env.HANDSTAMP ?? join(target, "debug/handstamp");
const configFile = join(import.meta.dirname, "vite.config.ts");

/** A link in a mail, which a server without a mail server writes to its log. */
interface Link {
  /** `ADDRESS: SUBJECT` */
  mail: string;
  token: string;
}

/** A server with a folder of its own, which serves the tests' page and the API below `/api`. */
export class Server {
  private constructor(
    private readonly folder: string,
    private child: ChildProcess,
    readonly base: string,
    /** What it responded to: `GET /api/session 200`. */
    private readonly log: string[],
    private readonly links: Link[],
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), "handstamp-client-"));
    const log: string[] = [];
    const links: Link[] = [];
    const { child, base } = await run(folder, "0", log, links, settings);
    return new Server(folder, child, base, log, links);
  }

  /** Starts it again, with the same data and address, `pause` milliseconds after it stopped. */
  async restart(pause = 0): Promise<void> {
    const ended = new Promise((done) => this.child.once("exit", done));
    this.child.kill("SIGTERM");
    await ended;
    await new Promise((done) => setTimeout(done, pause));
    this.child = (await run(this.folder, new URL(this.base).port, this.log, this.links)).child;
  }

  /** Waits for the token in the `number`th mail whose recipient and subject have these words. */
  async token(mail: RegExp, number = 1): Promise<string> {
    for (let waits = 0; waits < 500; waits += 1) {
      const found = this.links.filter((link) => mail.test(link.mail))[number - 1];
      if (found) return found.token;
      await pause(20);
    }
    throw new Error(`there is no mail like ${String(mail)}`);
  }

  /** How often it responded to `request` so far. */
  count(request: string): number {
    return this.log.filter((line) => line.startsWith(`${request} `)).length;
  }

  remove(): void {
    this.child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function run(
  folder: string,
  port: string,
  log: string[],
  links: Link[],
  settings: Record<string, string> = {},
): Promise<{ child: ChildProcess; base: string }> {
  const child = spawn(binary, ["serve"], {
    cwd: folder,
    env: {
      PORT: port,
      API_PREFIX: "/api",
      NEWS: "off",
      SIGNUP: "open",
      WEB_DIR: join(import.meta.dirname, "dist"),
      RUST_LOG: "info,handstamp::http::layers=debug",
      ...settings,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let mail = "";
  createInterface(child.stderr).on("line", (line) => {
    const field = (name: string) => new RegExp(`\\b${name}="?([^ "]+)`).exec(line)?.[1] ?? "";
    const token = /#token=([\w-]+)/.exec(line)?.[1];
    mail = /mail to (.*)/.exec(line)?.[1] ?? mail;
    if (token) links.push({ mail, token });
    if (line.includes("answered")) log.push(`${field("method")} ${field("path")} ${field("status")}`);
  });
  for await (const line of createInterface(child.stdout)) {
    const base = /^listening on (\S+)$/.exec(line)?.[1];
    if (base) return { child, base };
  }
  throw new Error("the server did not start");
}

export async function buildPage(): Promise<void> {
  process.env.NODE_ENV = "production";
  const outDir = join(import.meta.dirname, "dist");
  await build({ configFile, logLevel: "error", build: { outDir, emptyOutDir: true } });
}

/** Vite's dev server in front of `api`. */
export async function startVite(api: string): Promise<{ vite: ViteDevServer; base: string }> {
  process.env.API_URL = api;
  const vite = await createServer({ configFile, logLevel: "error" });
  await vite.listen();
  return { vite, base: `http://127.0.0.1:${vite.config.server.port}` };
}

export async function launchBrowser(...args: string[]): Promise<Browser> {
  const paths = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = process.env.CHROMIUM ?? paths.find(existsSync);
  if (!executablePath) throw new Error("there is no Chromium; scripts/test installs one");
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...args,
    ],
  });
}

/** A browser whose tabs can be hidden and frozen: Playwright's own are always in the focus. */
export async function launchPlainBrowser(...args: string[]): Promise<{ context: BrowserContext; close: () => Promise<void> }> {
  const port = await freePort();
  const launched = await launchBrowser(`--remote-debugging-port=${port}`, ...args);
  const browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { noDefaults: true });
  const [context] = browser.contexts();
  if (!context) throw new Error("there is no default context");
  return { context, close: () => launched.close() };
}

async function freePort(): Promise<number> {
  const server = createNetServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

export const password = "plain tea at dawn";
let users = 0;

interface Visit {
  context: BrowserContext;
  page: Page;
}

/** A browser, and a server for it. */
export interface Site {
  server: Server;
  browser: Browser;
  /** A browser context of its own, for this server's page unless another is named. */
  visit: (base?: string) => Promise<Visit>;
}

/** A server and a browser that the tests of a file share. */
export function useSite(): Site {
  const site = { visit: (base = site.server.base) => visit(site.browser, base) } as Site;
  beforeAll(async () => {
    await buildPage();
    site.server = await Server.start();
    site.browser = await launchBrowser();
  });
  afterAll(async () => {
    await site.browser.close();
    site.server.remove();
  });
  return site;
}

/** A browser of somebody's own, with a page that is open and has asked for the session. */
export async function visit(browser: Browser, base: string): Promise<Visit> {
  const context = await browser.newContext({ baseURL: base });
  return { context, page: await openTab(context) };
}

export async function openTab(context: BrowserContext, address = "/"): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => { throw error; });
  await page.goto(address);
  await shows(page, /signed-/);
  return page;
}

/** Many times as long as anything takes that happens at once, in milliseconds; a busy browser is slow. */
export const SOON = 10_000;

/** Waits until the page says so. */
export async function shows(page: Page, text: RegExp | string, timeout = 20_000): Promise<void> {
  await page.locator("#status").getByText(text).waitFor({ timeout });
}

export async function signUp(page: Page): Promise<string> {
  users += 1;
  const username = `Reader-${process.pid}-${users}`;
  const account = { username, email: `${username}@example.com`, password };
  await page.evaluate((account) => window.client.signup(account), account);
  return username;
}

export async function logIn(page: Page, username: string): Promise<void> {
  const credentials = { username, password };
  await page.evaluate((credentials) => window.client.login(credentials), credentials);
}

/** Waits until the event stream is open, which the server's log does not show. */
export async function untilLive(server: Server, streams = 1): Promise<void> {
  const before = Date.now();
  while (server.count("GET /api/session/events") < streams) {
    if (Date.now() - before > 10_000) throw new Error("no stream was opened");
    await pause(20);
  }
  await pause(100);
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
