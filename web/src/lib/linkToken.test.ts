import { beforeAll, beforeEach, expect, test } from "vitest";
import { spendToken, watchLinks } from "./linkToken";

beforeAll(watchLinks);

beforeEach(() => { spendToken(); });

/** Opens a link in the tab of this page. */
function open(link: string): void {
  history.pushState(null, "", link);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

test.each([
  ["/reset-password#token=abc-_1", "/reset-password", "abc-_1"],
  ["/verify-email?undo#token=abc", "/verify-email?undo", "abc"],
  ["/dashboard#security", "/dashboard#security", ""],
  ["/verify-email#token=", "/verify-email#token=", ""],
])("%s becomes %s", (link, address, token) => {
  open(link);
  expect(location.pathname + location.search + location.hash).toBe(address);
  expect(spendToken()).toBe(token);
  expect(spendToken()).toBe("");
});

test("the newest link counts", () => {
  open("/verify-email#token=one");
  open("/verify-email#token=two");
  expect(spendToken()).toBe("two");
});
