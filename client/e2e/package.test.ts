/** The package as others install it. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import openapiTS, { astToString } from "openapi-typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Server } from "./site";

const client = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "handstamp-package-"));
let files: string[];

beforeAll(() => {
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: client });
  const [{ filename, files: list }] = JSON.parse(packed.toString()) as [
    { filename: string; files: { path: string }[] },
  ];
  files = list.map(({ path }) => path);
  const into = join(folder, "node_modules/@handstamp/client");
  mkdirSync(into, { recursive: true });
  execFileSync("tar", ["--extract", "--file", join(folder, filename), "--strip", "1", "--directory", into]);
  for (const name of ["react", "@types"]) {
    symlinkSync(join(client, "node_modules", name), join(folder, "node_modules", name));
  }
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test("it holds what is needed, and no more", () => {
  for (const file of ["LICENSE", "README.md", "package.json", "dist/index.js", "dist/react.d.ts"]) {
    expect(files).toContain(file);
  }
  expect(files.filter((file) => /test|e2e|\.tsx?$|\.map$/.test(file.replace(".d.ts", "")))).toEqual([]);
});

test.each([["bundler", "esnext"], ["nodenext", "nodenext"]])(
  "the README's examples compile with tsc --strict, moduleResolution %s",
  (moduleResolution, module) => {
    const readme = readFileSync(join(client, "README.md"), "utf8");
    const blocks = [...readme.matchAll(/```tsx\n([^]*?)```/g)].map(([, code]) => code ?? "");
    expect(blocks.length).toBeGreaterThan(3);
    const names = blocks.map((code) => {
      const name = /export function (\w+)/.exec(code)?.[1] ?? "main";
      const text = module === "nodenext" ? code.replaceAll(/"(\.\/\w+)"/g, '"$1.js"') : code;
      writeFileSync(join(folder, `${name}.tsx`), text);
      return `${name}.tsx`;
    });
    const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--jsx", "react-jsx"];
    const targets = ["--target", "es2022", "--module", module, "--moduleResolution", moduleResolution];
    const checked = spawnSync(join(client, "node_modules/.bin/tsc"), [...options, ...targets, ...names], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(checked.stdout).toBe("");
    expect(checked.status).toBe(0);
  },
);

test("it can be imported where there is no browser", () => {
  const script = `
    const { createClient } = await import("@handstamp/client");
    const client = createClient();
    client.subscribe(() => {});
    console.log((await client.session()).status, typeof (await import("@handstamp/client/react")).Show);
    console.log(typeof (await import("@handstamp/client/react/login")).useLogin);
    console.log((await import("@handstamp/client/factors")).hasPasskeys());
  `;
  const run = spawnSync("node", ["--input-type", "module", "--eval", script], { cwd: folder, encoding: "utf8" });
  expect(run.stderr).toBe("");
  expect(run.stdout.trim()).toBe("loading function\nfunction\nfalse");
});

test("schema.d.ts is what the server describes", async () => {
  const server = await Server.start();
  const described = astToString(await openapiTS(new URL(`${server.base}/openapi.json`)));
  server.remove();
  const committed = readFileSync(join(client, "src/schema.d.ts"), "utf8");
  // openapi-typescript writes a comment above it; the API of the tests lives below a prefix.
  const body = (text: string) => text.slice(text.indexOf("export interface paths"));
  expect(body(committed)).toBe(body(described).replaceAll('"/api/', '"/'));
});

test("a server that wants addresses verified describes what signup() resolves with then", async () => {
  const server = await Server.start({ EMAIL_VERIFICATION: "required" });
  const described = astToString(await openapiTS(new URL(`${server.base}/openapi.json`)));
  server.remove();
  expect(described).toContain('"application/json": components["schemas"]["VerifyEmail"];');
  expect(described).toMatch(/VerifyEmail: \{[^}]*next: components\["schemas"\]\["VerifyEmailStep"\];/);
  expect(described).toMatch(/VerifyEmailStep: "verify_email";/);
});

test("the login form of the README has at most 15 lines", () => {
  const readme = readFileSync(join(client, "README.md"), "utf8");
  const form = /```tsx\n([^]*?)```/.exec(readme)?.[1] ?? "";
  expect(form).toContain("LoginForm");
  expect(form.trim().split("\n").length).toBeLessThanOrEqual(15);
});
