/** What tests hold a page to: accessibility, its width, and the keyboard. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** Lets the page's requests succeed or fail without the server. */
export async function fake(
  page: Page,
  pattern: string,
  status: number,
  json?: object,
  method = "POST",
): Promise<void> {
  await page.route(pattern, (route) => {
    const contentType = status < 400 ? "application/json" : "application/problem+json";
    return route.request().method() === method
      ? route.fulfill({ status, contentType, ...(json ? { json } : {}) })
      : route.continue();
  });
}

/** The next removals ask for a proof of who the user is, by one of these. */
export async function askForProof(page: Page, pattern: string, ...methods: string[]): Promise<void> {
  await fake(page, pattern, 403, { code: "reauthentication_required", methods }, "DELETE");
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds on the page in both colour schemes, and whether it is wider than the window. */
export async function check(page: Page, what: string): Promise<void> {
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
    expect(overflow, `${what} is wider than the window`).toBeLessThanOrEqual(0);
  }
}

/** Presses Tab until what has the focus has this name, and shows that it has it. */
export async function tabTo(page: Page, name: string | RegExp): Promise<void> {
  const nameOf = (text: string) =>
    typeof name === "string" ? text === name : name.test(text);
  const seen: string[] = [];
  for (let tabs = 0; tabs < 60; tabs += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      const labels = (element as HTMLInputElement | null)?.labels;
      const text = labels?.[0]?.textContent ?? element?.textContent ?? "";
      const { outlineStyle, outlineWidth } = getComputedStyle(element ?? document.body);
      return { text: text.trim(), isOutlined: outlineStyle !== "none" && parseFloat(outlineWidth) > 0 };
    });
    seen.push(focused.text);
    if (!nameOf(focused.text)) continue;
    expect(focused.isOutlined, `${focused.text} shows that it has the focus`).toBe(true);
    return;
  }
  throw new Error(`not reached by Tab: ${String(name)}; seen: ${seen.join(", ")}`);
}
