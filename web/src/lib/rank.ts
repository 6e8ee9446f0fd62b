import type { Post } from "../api/client";

/** Posts by votes and age: the older a post is, the more votes it takes to stay on top. */
export function ranked(posts: readonly Post[], now: number): Post[] {
  const scores = new Map(posts.map((post) => [post.id, scoreOf(post, now)]));
  // Equal scores stay in the order of the list.
  return [...posts].sort((a, b) => (scores.get(b.id) ?? 0) - (scores.get(a.id) ?? 0));
}

function scoreOf(post: Post, now: number): number {
  const hours = Math.max(0, now - Date.parse(post.created_at)) / 3_600_000;
  // Without the reader's own vote, which would move a story away from under the pointer.
  const votes = post.vote_count - (post.voted ? 1 : 0);
  return (votes + 1) / (hours + 4) ** 1.5;
}
