import { expect, test } from "vitest";
import { loginPath, nextPath, signUpPath } from "./next";

test.each([
  ["/post/1", "/post/1"],
  ["/dashboard?tab=2", "/dashboard?tab=2"],
  ["", "/dashboard"],
  ["https://evil.example/", "/dashboard"],
  ["//evil.example/", "/dashboard"],
  ["/\\evil.example", "/dashboard"],
  ["javascript:alert(1)", "/dashboard"],
  ["post/1", "/dashboard"],
])("after logging in, %s leads to %s", (next, path) => {
  expect(nextPath(new URLSearchParams({ next }))).toBe(path);
});

test.each([loginPath, signUpPath])("there and back", (pathOf) => {
  const [, query = ""] = pathOf("/post/1").split("?");
  expect(nextPath(new URLSearchParams(query))).toBe("/post/1");
  expect(pathOf()).not.toContain("?");
});
