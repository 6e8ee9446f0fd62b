import { expect, test } from "vitest";
import { ageOf } from "./time";

const now = new Date("2026-03-10T12:00:00Z");

test.each([
  ["2026-03-10T12:00:30Z", "just now"],
  ["2026-03-10T11:59:30Z", "just now"],
  ["2026-03-10T11:59:00Z", "1 minute ago"],
  ["2026-03-10T09:30:00Z", "2 hours ago"],
  ["2026-03-09T11:00:00Z", "yesterday"],
  ["2026-01-01T00:00:00Z", "2 months ago"],
  ["2020-01-01T00:00:00Z", "6 years ago"],
])("%s was %s", (time, age) => {
  expect(ageOf(time, now)).toBe(age);
});
