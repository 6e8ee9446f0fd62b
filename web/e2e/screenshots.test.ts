import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { launchBrowser, Server, signUp } from "./site";

/** The folder for the screenshots; none are taken when it is not set. */
const folder = process.env.SCREENSHOTS;

test.runIf(folder)("the three pictures of the README", async () => {
  const server = await Server.start();
  const browser = await launchBrowser();
  const take = async (name: string, options: { dark?: boolean; width?: number }, path: string[]) => {
    const context = await browser.newContext({
      baseURL: server.base,
      colorScheme: options.dark ? "dark" : "light",
      viewport: { width: options.width ?? 960, height: 720 },
    });
    const page = await context.newPage();
    for (const step of path) {
      if (step === "sign up") await signUp(page);
      else if (step === "open the first") {
        await page.getByRole("article").first().getByRole("link").click();
        await page.locator("#comments").waitFor();
      } else await page.goto(step);
      await page.waitForLoadState("networkidle");
    }
    mkdirSync(folder ?? "", { recursive: true });
    await page.screenshot({ path: join(folder ?? "", `${name}.png`) });
    await context.close();
  };
  try {
    await take("front-page", {}, ["/"]);
    await take("post", { dark: true }, ["/", "open the first"]);
    await take("login", {}, ["/login"]);
    if (process.env.SCREENSHOTS_MORE) {
      await take("narrow", { width: 360 }, ["/"]);
      await take("dashboard", {}, ["/login", "sign up"]);
    }
  } finally {
    await browser.close();
    server.remove();
  }
});
