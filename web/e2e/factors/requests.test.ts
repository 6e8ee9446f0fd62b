/** What a page load costs that shows passkeys. */
import { expect, test } from "vitest";
import { Authenticator } from "./authenticator";
import { signUp, useSite } from "../site";

const site = useSite();

test("a page load with passkeys asks once for the session, and for no challenge", async () => {
  const { context, page } = await site.visit(site.server.named);
  const authenticator = await Authenticator.add(page);
  await page.goto("/");
  await signUp(page);
  const rename = page.getByRole("button", { name: /^Rename/ });
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await rename.waitFor();
  // The browser is told of it.
  await expect.poll(() => page.evaluate(() => sessionStorage.length)).toBe(1);
  expect(await authenticator.kept()).toHaveLength(1);

  const requests: string[] = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  await page.reload();
  await rename.waitFor();
  await new Promise((done) => setTimeout(done, 500));
  expect(requests.filter((path) => path === "/session")).toHaveLength(1);
  expect(requests.filter((path) => path === "/passkeys")).toHaveLength(1);
  expect(requests.filter((path) => path.endsWith("/options"))).toEqual([]);
  await context.close();
});
