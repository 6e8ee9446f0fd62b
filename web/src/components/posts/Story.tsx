import { Link } from "react-router";
import type { Post } from "../../api/client";
import { count, sourceOf } from "../../lib/text";
import { TimeAgo } from "../shared/TimeAgo";
import { VoteButton } from "./VoteButton";

interface Props {
  post: Post;
  /** Its place on the page, from 1. */
  rank: number;
}

/** A post on the front page: the first leads, three are beside it, the others are rows. */
export function Story({ post, rank }: Props) {
  const weight = rank === 1 ? "lead" : rank <= 4 ? "second" : "row";
  return (
    <article className="story" data-weight={weight}>
      <p className="story-rank" aria-hidden="true">
        {rank}
      </p>
      <h2 className="story-title">
        <Link to={`/post/${post.id}`}>{post.title}</Link>
      </h2>
      {weight !== "row" && post.text !== null && <p className="story-text">{post.text}</p>}
      <div className="story-vote">
        <VoteButton post={post} from="/" />
      </div>
      <p className="meta">
        {post.url !== null && <span className="story-source">{sourceOf(post.url)}</span>}
        <span>{post.author}</span>
        <TimeAgo time={post.created_at} />
        <span>{count(post.comment_count, "comment")}</span>
      </p>
    </article>
  );
}
