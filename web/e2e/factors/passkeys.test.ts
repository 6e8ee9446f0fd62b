/** Passkeys, with Chromium's virtual authenticators. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { Authenticator } from "./authenticator";
import { freePort, logIn, Server, signUp, startVite, useSite } from "../site";

const site = useSite(() => Server.start({ SIGNUPS_PER_ADDRESS: "unlimited" }));

const passkeys = (page: Page) => page.getByRole("region", { name: "Passkeys" });
const rename = (page: Page) => passkeys(page).getByRole("button", { name: /^Rename/ });

/** Signs up, and adds the number of passkeys that the page then has. */
async function enrol(page: Page, number = 1): Promise<string> {
  await page.goto("/");
  const user = await signUp(page);
  await add(page, number);
  return user;
}

async function add(page: Page, number = 1): Promise<void> {
  await passkeys(page).getByRole("button", { name: "Add a passkey" }).click();
  await rename(page).nth(number - 1).waitFor();
}

/** Logs out, with nobody near the authenticators, which would log in again by autofill. */
async function logOut(page: Page, ...authenticators: Authenticator[]): Promise<void> {
  for (const authenticator of authenticators) await authenticator.setPresent(false);
  await offering(page, () => page.getByRole("button", { name: "Log out", exact: true }).first().click());
}

/** Goes to the login page, until the browser offers passkeys in its field. */
async function offering(page: Page, go: () => Promise<unknown>): Promise<void> {
  const options = page.waitForResponse("**/login/passkey/options");
  await go();
  await (await options).finished();
  await page.getByRole("heading", { name: "Log in", level: 1 }).waitFor();
  await new Promise((done) => setTimeout(done, 200));
}

const shows = (page: Page, user: string) =>
  page.getByRole("heading", { name: `${user}’s dashboard` }).waitFor();

/** By the button: a request in the field that began with nobody near the authenticator stays without a choice. */
async function byButton(page: Page, authenticator: Authenticator): Promise<void> {
  await page.getByRole("button", { name: "Log in with a passkey" }).waitFor();
  await authenticator.setPresent(true);
  await page.getByRole("button", { name: "Log in with a passkey" }).click();
}

/** Who is logged in, by the server's word. */
async function userOf(page: Page): Promise<string | null> {
  return page.evaluate(async () => {
    const body = (await (await fetch("/session")).json()) as { user: { username: string } | null };
    return body.user?.username ?? null;
  });
}

test("a passkey is added, logs in by button without a name, is renamed and removed", async () => {
  const { context, page, complaints } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  const user = await enrol(page);
  await passkeys(page).getByText("Not used yet").waitFor();
  expect(await authenticator.kept()).toMatchObject([{ userName: user }]);

  await logOut(page, authenticator);
  await byButton(page, authenticator);
  await shows(page, user);
  expect(await userOf(page)).toBe(user);
  await passkeys(page).getByText("Last used just now").waitFor();

  await rename(page).click();
  const name = page.getByLabel("Name of the passkey");
  expect(await name.evaluate((input) => input === document.activeElement)).toBe(true);
  await name.fill("  My thumb ");
  await page.getByRole("button", { name: "Save" }).click();
  await passkeys(page).getByText("My thumb", { exact: true }).first().waitFor();

  await passkeys(page).getByRole("button", { name: "Remove My thumb" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Remove" }).click();
  await rename(page).waitFor({ state: "detached" });
  // The browser was told (Signal API), and offers it no more.
  await expect.poll(() => authenticator.kept()).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
});

test("a passkey chosen in the field for the username logs in", async () => {
  const { context, page, complaints } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  const user = await enrol(page);
  await logOut(page, authenticator);
  const field = page.getByLabel("Username");
  expect(await field.getAttribute("autocomplete")).toBe("username webauthn");
  // A virtual authenticator that is touched chooses for its user.
  await authenticator.setPresent(true);
  await page.goto("/login");
  await shows(page, user);
  expect(complaints).toEqual([]);
  await context.close();
});

test("after a dialog that came to nothing the field takes a choice again", async () => {
  const { context, page } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  const user = await enrol(page);
  await logOut(page, authenticator);
  // The user cannot be verified: the button's request ends with nothing. The field's request comes after it.
  await authenticator.setVerified(false);
  let requests = 0;
  await page.route("**/login/passkey/options", async (route) => {
    requests += 1;
    if (requests === 2) {
      expect(await userOf(page)).toBeNull();
      await authenticator.setVerified(true);
    }
    await route.continue();
  });
  await byButton(page, authenticator);
  await shows(page, user);
  expect(requests).toBe(2);
  await context.close();
});

test("two passkeys on two authenticators: each logs in, one is removed", async () => {
  const { context, page, complaints } = await site.visit(site.server.named);
  const inside = await Authenticator.add(page);
  const user = await enrol(page);
  const stick = await inside.beside("usb");
  await inside.setPresent(false);
  await add(page, 2);
  expect(await inside.kept()).toHaveLength(1);
  expect(await stick.kept()).toHaveLength(1);
  for (const used of [inside, stick]) {
    await logOut(page, inside, stick);
    await byButton(page, used);
    await shows(page, user);
  }
  await expect.poll(() => passkeys(page).getByText("Last used just now").count()).toBe(2);
  await passkeys(page).getByRole("button", { name: /^Remove/ }).first().click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Remove" }).click();
  await rename(page).nth(1).waitFor({ state: "detached" });
  await expect.poll(async () => [(await inside.kept()).length, (await stick.kept()).length]).toEqual([0, 1]);
  await logOut(page, inside, stick);
  await byButton(page, stick);
  await shows(page, user);
  expect(complaints).toEqual([]);
  await context.close();
});

test("one authenticator does not take two passkeys of one account", async () => {
  const { context, page } = await site.visit(site.server.named);
  await Authenticator.add(page);
  await enrol(page);
  await passkeys(page).getByRole("button", { name: "Add a passkey" }).click();
  await passkeys(page).getByText("has a passkey of this account already").waitFor();
  expect(await rename(page).count()).toBe(1);
  await context.close();
});

test("a passkey proves who the user is; the call that waited goes on", async () => {
  const strict = await Server.start({ REAUTHENTICATION_WINDOW: "3s" });
  const { context, page, complaints } = await site.visit(strict.named);
  const authenticator = await Authenticator.add(page);
  const user = await enrol(page);
  await new Promise((done) => setTimeout(done, 3_500));
  await rename(page).click();
  await page.getByLabel("Name of the passkey").fill("Later");
  await page.getByRole("button", { name: "Save" }).click();
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.waitFor();
  expect(await dialog.getByLabel("Password").count()).toBe(1);
  await dialog.getByRole("button", { name: "Use a passkey" }).click();
  await dialog.waitFor({ state: "hidden" });
  await passkeys(page).getByText("Later", { exact: true }).first().waitFor();
  expect(await userOf(page)).toBe(user);
  expect(await authenticator.kept()).toHaveLength(1);
  expect(complaints).toEqual([]);
  await context.close();
  strict.remove();
});

test("after a login with the password a passkey is offered, until it is declined", async () => {
  const { context, page, complaints } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  await page.goto("/");
  const user = await signUp(page);
  const offer = page.getByRole("heading", { name: "No password next time?" });
  const again = async () => {
    await logOut(page, authenticator);
    await logIn(page, user);
  };
  await again();
  await offer.waitFor();
  expect(await offer.evaluate((heading) => heading === document.activeElement)).toBe(true);
  await authenticator.setPresent(true);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await shows(page, user);
  expect(await authenticator.kept()).toHaveLength(1);
  // Who has one is not asked.
  await again();
  await shows(page, user);
  await passkeys(page).getByRole("button", { name: /^Remove/ }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Remove" }).click();
  await rename(page).waitFor({ state: "detached" });
  await again();
  await offer.waitFor();
  await page.getByRole("button", { name: "Not now" }).click();
  await shows(page, user);
  await again();
  await shows(page, user);
  expect(complaints).toEqual([]);
  await context.close();
});

interface Reply {
  status: number;
  code: string;
}

const refused: Reply = { status: 400, code: "bad_credentials" };

/** Sends a body as the page would. */
async function send(page: Page, path: string, body: string): Promise<Reply> {
  return page.evaluate(
    async ([path, body]) => {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch(path, { method: "POST", headers, body });
      const { code } = (await response.json()) as { code?: string };
      return { status: response.status, code: code ?? "" };
    },
    [path, body] as const,
  );
}

/** The body of a login that Chromium has made of a passkey, and that was not sent. */
async function held(page: Page, authenticator: Authenticator): Promise<string> {
  const body = new Promise<string>((done) => {
    void page.route("**/login/passkey", async (route) => {
      // The page waits for another choice, which is not to be made at once.
      await authenticator.setPresent(false);
      done(route.request().postData() ?? "");
      await route.abort();
    });
  });
  await byButton(page, authenticator);
  const made = await body;
  await page.unroute("**/login/passkey");
  return made;
}

test("a response that was used is refused", async () => {
  const { context, page } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  const user = await enrol(page);
  await logOut(page, authenticator);
  const body = await held(page, authenticator);
  expect(await send(page, "/login/passkey", body)).toMatchObject({ status: 200 });
  expect(await userOf(page)).toBe(user);
  await page.evaluate(() => fetch("/logout", { method: "DELETE" }));
  expect(await send(page, "/login/passkey", body)).toEqual(refused);
  expect(await userOf(page)).toBeNull();
  await context.close();
});

test("a response to an old challenge is refused, and the page says what to do", async () => {
  const { context, page } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  await enrol(page);
  await logOut(page, authenticator);
  const expire = () => {
    const sql = "update passkey_challenges set expires_at = '2020-01-01T00:00:00Z'";
    const script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=10); db.execute(sys.argv[2]); db.commit()";
    const { status, stderr } = spawnSync("python3", ["-c", script, join(site.server.folder, "handstamp.db"), sql]);
    if (status !== 0) throw new Error(stderr.toString());
  };
  const body = await held(page, authenticator);
  expire();
  expect(await send(page, "/login/passkey", body)).toEqual(refused);
  expect(await userOf(page)).toBeNull();

  await page.route("**/login/passkey", async (route) => {
    await authenticator.setPresent(false);
    expire();
    await route.continue();
  });
  await byButton(page, authenticator);
  await page.getByText("This passkey did not log you in").waitFor();
  expect(await userOf(page)).toBeNull();
  // A right passkey that was refused is not hidden.
  expect(await authenticator.kept()).toHaveLength(1);
  await context.close();
});

test("a response for another browser is refused", async () => {
  const { context, page } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  await enrol(page);
  await logOut(page, authenticator);
  const body = await held(page, authenticator);
  const thief = await site.visit(site.server.named);
  await thief.page.goto("/login");
  expect(await send(thief.page, "/login/passkey", body)).toEqual(refused);
  expect(await userOf(thief.page)).toBeNull();
  await thief.context.close();
  await context.close();
});

test("a passkey of another user proves nothing, and does not change who is logged in", async () => {
  const { context, page } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  await enrol(page);
  const [passkey] = await authenticator.kept();
  await logOut(page, authenticator);
  await page.goto("/");
  const user = await signUp(page);
  await authenticator.setPresent(true);
  const body = await page.evaluate(async (id) => {
    const response = await fetch("/reauthenticate/passkey/options", { method: "POST" });
    const json = (await response.json()) as PublicKeyCredentialRequestOptionsJSON;
    const allowCredentials = [{ type: "public-key", id: id.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "") }];
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({ ...json, allowCredentials });
    const credential = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential;
    return JSON.stringify({ credential: credential.toJSON() as object });
  }, passkey?.credentialId ?? "");
  expect(await send(page, "/reauthenticate/passkey", body)).toEqual(refused);
  expect(await userOf(page)).toBe(user);
  await context.close();
});

test("a passkey used on a page of another origin is refused", async () => {
  const port = String(await freePort());
  const own = await Server.start({ PORT: port, RP_ID: "localhost", RP_ORIGINS: `http://localhost:${port}` });
  const { context, page } = await site.visit(own.named);
  const authenticator = await Authenticator.add(page);
  await enrol(page);
  await logOut(page, authenticator);
  // The same page, which the server from now on takes for a stranger's.
  await own.stop();
  const next = await Server.start({ PORT: port, RP_ID: "localhost", RP_ORIGINS: "http://localhost:1" }, own.folder);
  await offering(page, () => page.goto("/login"));
  await byButton(page, authenticator);
  await page.getByText("This passkey did not log you in").waitFor();
  expect(await userOf(page)).toBeNull();
  expect(next.logged).not.toMatch(/ 5\d\d /);
  await context.close();
  next.remove();
});

test("passkeys work on the page of Vite's server, as scripts/dev starts it", async () => {
  const port = String(await freePort());
  const page = await freePort();
  const origins = `http://localhost:${page},http://localhost:${port}`;
  const own = await Server.start({ PORT: port, PUBLIC_URL: `http://localhost:${page}`, RP_ORIGINS: origins });
  const { vite, port: served } = await startVite(own.base, "", page);
  expect(served).toBe(page);
  for (const base of [`http://localhost:${page}`, `http://localhost:${port}`]) {
    const { context, page, complaints } = await site.visit(site.server.named);
    const authenticator = await Authenticator.add(page);
    const user = await enrol(page);
    await logOut(page, authenticator);
    await byButton(page, authenticator);
    await shows(page, user);
    expect(complaints, base).toEqual([]);
    await context.close();
  }
  await vite.close();
  own.remove();
});

test("a site without passkeys takes their button away, and nothing moves", async () => {
  const { context, page } = await site.visit(site.server.named);
  await Authenticator.add(page);
  let respond: () => void = () => undefined;
  const isShown = new Promise<void>((done) => { respond = done; });
  await page.route("**/login/passkey/options", async (route) => {
    await isShown;
    await route.fulfill({ status: 404, contentType: "application/problem+json", json: { code: "not_found" } });
  });
  await page.goto("/login");
  const button = page.getByRole("button", { name: "Log in with a passkey" });
  await button.waitFor();
  const boxes = () => Promise.all([page.getByRole("link", { name: "Forgotten" }), page.getByRole("contentinfo")].map((place) => place.boundingBox()));
  const before = await boxes();
  respond();
  await button.waitFor({ state: "hidden" });
  expect(await boxes()).toEqual(before);
  await context.close();
});

test("at an address that passkeys are not for, the page says so", async () => {
  const { context, page } = await site.visit();
  await Authenticator.add(page);
  await page.goto("/login");
  await page.getByRole("button", { name: "Log in with a passkey" }).click();
  await page.getByText("The passkeys of this site do not work at this address.").waitFor();
  await context.close();
});
