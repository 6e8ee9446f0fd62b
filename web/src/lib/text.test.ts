import { expect, test } from "vitest";
import { count, sourceOf } from "./text";

test.each([[0, "0 votes"], [1, "1 vote"], [2, "2 votes"]])("%i are %s", (number, words) => {
  expect(count(number, "vote")).toBe(words);
});

test.each([
  ["https://www.sqlite.org/wal.html", "sqlite.org"],
  ["http://example.com:8080/", "example.com"],
  ["https://wwwhatever.example/", "wwwhatever.example"],
])("%s leads to %s", (url, source) => {
  expect(sourceOf(url)).toBe(source);
});
