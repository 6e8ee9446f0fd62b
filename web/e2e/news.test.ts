/** The front page, articles, the paywall, and what authors do. */
import { expect, test } from "vitest";
import { openStory, signUp, useSite } from "./site";

const site = useSite();

test("the front page has a lead, ranks, sources and votes, over the whole width", async () => {
  const { context, page } = await site.visit();
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto("/");
  const stories = page.getByRole("article");
  await stories.first().waitFor();
  expect(await stories.count()).toBe(30);
  expect(await page.locator(".story-rank").allTextContents()).toEqual(
    Array.from({ length: 30 }, (_, index) => String(index + 1)),
  );
  await page.getByText("sqlite.org", { exact: true }).waitFor();

  // The lead's title is the largest, the three beside it come next, then the rows.
  const sizes = await stories
    .getByRole("heading")
    .evaluateAll((titles) => titles.map((title) => parseFloat(getComputedStyle(title).fontSize)));
  const [lead = 0, second = 0, , , row = 0] = sizes;
  expect(lead).toBeGreaterThan(2 * second);
  expect(second).toBeGreaterThan(row);

  // Text in both halves of the window, above the fold and below.
  for (const [left, right] of [[0, 1], [4, 5]] as const) {
    const boxes = [await stories.nth(left).boundingBox(), await stories.nth(right).boundingBox()];
    expect(boxes[0]?.x).toBeLessThan(100);
    expect((boxes[1]?.x ?? 0) + (boxes[1]?.width ?? 0)).toBeGreaterThan(1180);
  }
  await context.close();
});

test("votes in the list: a visitor logs in first, a user's counts in its place", async () => {
  const { context, page, complaints } = await site.visit();
  await page.goto("/");
  const third = page.getByRole("article").nth(2);
  await third.getByRole("link", { name: "Log in to vote" }).click();
  await page.waitForURL("**/login?next=%2F");
  await signUp(page);
  await page.waitForURL(site.server.base + "/");

  await third.waitFor();
  const titles = () => page.getByRole("article").getByRole("heading").allTextContents();
  const order = await titles();
  const button = third.getByRole("button", { name: "Vote for" });
  const before = parseInt((await button.textContent()) ?? "");
  await button.click();
  await expect.poll(() => button.getAttribute("aria-pressed")).toBe("true");
  expect(parseInt((await button.textContent()) ?? "")).toBe(before + 1);
  expect(await titles()).toEqual(order);
  // The article says so as well; a vote that is taken back there is gone here.
  await openStory(page, 3);
  await page.getByRole("button", { name: "Vote for", pressed: true }).click();
  await page.getByRole("button", { name: "Vote for", pressed: false }).waitFor();
  await page.goBack();
  await expect.poll(async () => parseInt((await button.textContent()) ?? "")).toBe(before);
  expect(complaints).toEqual([]);
  await context.close();
});

test("an article has its source and its votes under the title, and other stories beside it", async () => {
  const { context, page } = await site.visit();
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto("/");
  await page.getByRole("article").filter({ hasText: "sqlite.org" }).getByRole("heading").getByRole("link").click();
  const source = page.getByRole("link", { name: "sqlite.org" });
  await source.waitFor();
  expect(await source.getAttribute("href")).toBe("https://www.sqlite.org/wal.html");
  const title = await page.getByRole("heading", { level: 1 }).boundingBox();
  const votes = await page.getByRole("link", { name: "Log in to vote" }).boundingBox();
  const line = await source.boundingBox();
  const middle = (box: typeof line) => (box ? box.y + box.height / 2 : NaN);
  expect(line?.y).toBeGreaterThan((title?.y ?? NaN) + (title?.height ?? NaN));
  expect(Math.abs(middle(votes) - middle(line))).toBeLessThan(8);
  const beside = page.getByRole("complementary").getByRole("link");
  expect(await beside.count()).toBe(6);
  expect((await beside.first().boundingBox())?.x).toBeGreaterThan(640);
  await context.close();
});

test.each(["Sign up", "Log in"])("the paywall shows the beginning of the article; %s opens it", async (way) => {
  const { context, page } = await site.visit();
  await page.goto("/");
  const stories = page.getByRole("article").filter({ has: page.locator(".story-text") });
  await stories.first().waitFor();
  const paths = await stories
    .getByRole("heading")
    .getByRole("link")
    .evaluateAll((links) => links.map((link) => link.getAttribute("href") ?? ""));
  const [path = "", ...free] = paths;
  const title = (await stories.first().getByRole("heading").textContent()) ?? "";
  const text = (await stories.first().locator(".story-text").textContent()) ?? "";
  for (const [index, words] of ["2 free articles left", "1 free article left", "last free"].entries()) {
    await page.goto(free[index] ?? "");
    await page.getByText(words).waitFor();
  }
  await page.goto(path);
  const wall = page.getByRole("region", { name: "You have read what is free" });
  await wall.waitFor();
  await page.getByRole("heading", { name: title, level: 1 }).waitFor();
  const shown = (await page.locator(".beginning").textContent()) ?? "";
  expect(shown.endsWith("…")).toBe(true);
  expect(shown.length).toBeGreaterThan(40);
  expect(text.startsWith(shown.slice(0, -1))).toBe(true);
  expect(await page.getByText(text).count()).toBe(0);
  await wall.getByText("a username, an e-mail address and a password").waitFor();

  const user = `Reader-${process.pid}-${way.length}-wall`;
  await wall.getByRole("link", { name: way }).click();
  await page.getByRole("heading", { name: way, level: 1 }).waitFor();
  if (way === "Log in") {
    const main = page.getByRole("main");
    await main.getByRole("link", { name: "Sign up" }).click();
  }
  await page.getByLabel("Username").fill(user);
  await page.getByLabel("E-mail").fill(`${user}@example.com`);
  await page.getByLabel("Password").fill("plain tea at dawn");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.waitForURL(`**${path}`);
  await page.getByText(text).waitFor();
  await context.close();
});

test("write, edit, vote for and delete a post", async () => {
  const { context, page, complaints } = await site.visit();
  await page.goto("/");
  await signUp(page);
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
  await page.getByRole("button", { name: "1 vote. Vote for My only post" }).waitFor();

  await page.getByRole("link", { name: "Dashboard" }).click();
  await page.getByRole("button", { name: "Delete My only post" }).click();
  const dialog = page.getByRole("alertdialog", { name: "Delete this post?" });
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Delete My only post" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.getByText("You have not written anything yet.").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
});
