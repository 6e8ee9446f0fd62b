import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer as createNetServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll } from "vitest";

export const webFolder = resolve(import.meta.dirname, "..");
const target = resolve(webFolder, "..", process.env.CARGO_TARGET_DIR ?? "target");
const binary = process.env.HANDSTAMP ?? join(target, "debug/handstamp");

/** A server with its own folder and port. */
export class Server {
  private constructor(
    readonly base: string,
    private readonly process: ChildProcess,
    readonly folder: string,
    private readonly log: string[],
  ) {}

  /** The same page at a name: passkeys are bound to one. */
  get named(): string {
    return this.base.replace("127.0.0.1", "localhost");
  }

  /** All that it has logged. */
  get logged(): string {
    return this.log.join("");
  }

  /** With the sample news and its page. */
  static async start(settings: Record<string, string> = {}, folder = newFolder()): Promise<Server> {
    return Server.run(["serve", "--demo"], { WEB_DIR: join(webFolder, "dist"), ...settings }, folder);
  }

  /** For a page of somebody else's. */
  static async startBare(settings: Record<string, string>): Promise<Server> {
    return Server.run(["serve"], settings, newFolder());
  }

  private static async run(
    command: string[],
    settings: Record<string, string>,
    folder: string,
  ): Promise<Server> {
    const child = spawn(binary, command, {
      cwd: folder,
      env: { PORT: "0", ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const log: string[] = [];
    child.stderr.on("data", (chunk: Buffer) => log.push(chunk.toString()));
    for await (const line of createInterface(child.stdout)) {
      const base = /^listening on (\S+)$/.exec(line)?.[1];
      if (base) return new Server(base, child, folder, log);
    }
    throw new Error("the server did not start");
  }

  /** Stops the server; `restart` starts it again with the same data and address. */
  async stop(): Promise<void> {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGINT");
    await ended;
  }

  async restart(): Promise<Server> {
    return Server.start({ PORT: new URL(this.base).port }, this.folder);
  }

  remove(): void {
    this.process.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "handstamp-e2e-"));
}

/** A port for a server whose address others have to know before it starts. */
export async function freePort(): Promise<number> {
  const server = createNetServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Vite's dev server in front of `api`, whose API lives under `prefix`. */
export async function startVite(
  api: string,
  prefix = "",
  ownPort?: number,
): Promise<{ vite: ViteDevServer; port: number }> {
  process.env.API_URL = api;
  process.env.API_PREFIX = prefix;
  const vite = await createServer({
    root: webFolder,
    logLevel: "error",
    // As scripts/dev --host allows any.
    server: { allowedHosts: ["news.test"], ...(ownPort !== undefined && { port: ownPort, strictPort: true }) },
  });
  await vite.listen();
  return { vite, port: vite.config.server.port };
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
      // A host name that browsers do not treat as local.
      "--host-resolver-rules=MAP news.test 127.0.0.1",
      ...args,
    ],
  });
}

interface Visit {
  context: BrowserContext;
  page: Page;
  /** The errors that its console shows. */
  complaints: string[];
}

/** A browser, and a server for it. */
export interface Site {
  server: Server;
  browser: Browser;
  /** A fresh browser context, for this server's page unless another is named. */
  visit: (base?: string) => Promise<Visit>;
}

/** A server and a browser that the tests of a file share. */
export function useSite(start = () => Server.start()): Site {
  const site = { visit: (base = site.server.base) => visit(site.browser, base) } as Site;
  beforeAll(async () => {
    site.server = await start();
    site.browser = await launchBrowser();
  });
  afterAll(async () => {
    await site.browser.close();
    site.server.remove();
  });
  return site;
}

/** A fresh browser context. */
export async function visit(browser: Browser, base: string): Promise<Visit> {
  const context = await browser.newContext({ baseURL: base });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // The browser logs every 401, 402 and 422; those are expected.
    const isStatus = /status of 4[0-9][0-9]/.test(message.text());
    if (message.type() === "error" && !isStatus) complaints.push(message.text());
  });
  return { context, page, complaints };
}

let users = 0;

export const PASSWORD = "plain tea at dawn";

/** Signs up a new user with the form, which the masthead leads to. */
export async function signUp(page: Page): Promise<string> {
  const name = await fillSignUp(page);
  await page.getByRole("link", { name: "Dashboard" }).waitFor();
  return name;
}

/** Sends the form for a new user. */
export async function fillSignUp(page: Page): Promise<string> {
  users += 1;
  const name = `Reader-${process.pid}-${users}`;
  await page.getByRole("banner").getByRole("link", { name: "Sign up" }).click();
  await page.getByRole("heading", { name: "Sign up", level: 1 }).waitFor();
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("E-mail").fill(addressOf(name));
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign up" }).click();
  return name;
}

/** The e-mail address that a user signs up with. */
export function addressOf(name: string): string {
  return `${name}@example.com`;
}

/** Logs in with the form of the page that is open. */
export async function logIn(page: Page, username: string, password = PASSWORD): Promise<void> {
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("main").getByRole("button", { name: "Log in", exact: true }).click();
}

/** Opens a story of the front page by its place, from 1. */
export async function openStory(page: Page, place: number): Promise<void> {
  await page.getByRole("article").nth(place - 1).getByRole("heading").getByRole("link").click();
  await page.locator("#comments").waitFor();
}
