import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { postsQuery } from "../../lib/queries";
import { count } from "../../lib/text";

/** The first stories of the front page but the one that is open. */
export function MoreStories({ except }: { except: string }) {
  const posts = useInfiniteQuery(postsQuery("front"));
  const others = posts.data?.pages[0]?.posts.filter(({ id }) => id !== except).slice(0, 6) ?? [];
  // The article does not need them: neither waiting nor a failure is shown.
  if (others.length === 0) return <div />;
  return (
    <aside className="beside" aria-labelledby="beside">
      <h2 id="beside">On the front page</h2>
      <ul role="list">
        {others.map((post) => (
          <li key={post.id}>
            <Link to={`/post/${post.id}`} className="beside-title">
              {post.title}
            </Link>
            <p className="meta">
              <span>{count(post.vote_count, "vote")}</span>
              <span>{count(post.comment_count, "comment")}</span>
            </p>
          </li>
        ))}
      </ul>
    </aside>
  );
}
