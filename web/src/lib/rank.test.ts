import { expect, test } from "vitest";
import type { Post } from "../api/client";
import { ranked } from "./rank";

const now = Date.parse("2026-03-10T12:00:00Z");

function post(id: string, hours: number, vote_count: number, voted = false): Post {
  const created_at = new Date(now - hours * 3_600_000).toISOString();
  return { id, title: id, url: null, text: null, author: "Ann", comment_count: 0, vote_count, voted, created_at };
}

function order(...posts: Post[]): string {
  return ranked(posts, now).map(({ id }) => id).join(" ");
}

test("of the same age, votes decide; of the same votes, age does", () => {
  expect(order(post("few", 2, 1), post("many", 2, 5))).toBe("many few");
  expect(order(post("old", 9, 3), post("new", 1, 3))).toBe("new old");
});

test("votes outweigh a few hours and not a week", () => {
  expect(order(post("new", 1, 1), post("loved", 5, 9))).toBe("loved new");
  expect(order(post("loved", 170, 9), post("new", 1, 0))).toBe("new loved");
});

test("one's own vote moves nothing", () => {
  const others = post("others", 2, 3);
  expect(order(post("own", 3, 3), others)).toBe("others own");
  expect(order(post("own", 3, 4, true), others)).toBe("others own");
});

test("equal posts stay in order, and the list that is given stays as it is", () => {
  const given = [post("a", 2, 1), post("b", 2, 1), post("c", 2, 2)];
  expect(order(...given)).toBe("c a b");
  expect(given.map(({ id }) => id).join(" ")).toBe("a b c");
});
