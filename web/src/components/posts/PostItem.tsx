import { Link } from "react-router";
import type { Post } from "../../api/client";
import { TimeAgo } from "../shared/TimeAgo";

/** A post in a list. */
export function PostItem({ post }: { post: Post }) {
  return (
    <article className="py-5">
      <h2 className="text-xl leading-snug font-semibold">
        <Link to={`/post/${post.id}`} className="hover:text-stamp">
          {post.title}
        </Link>
      </h2>
      {post.text !== null && (
        <p className="mt-1 line-clamp-2 leading-relaxed wrap-anywhere text-soft">{post.text}</p>
      )}
      <p className="small mt-2 flex flex-wrap gap-x-4">
        <span>
          {post.author}, <TimeAgo time={post.created_at} />
        </span>
        <span>{count(post.vote_count, "vote")}</span>
        <span>{count(post.comment_count, "comment")}</span>
      </p>
    </article>
  );
}

export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
