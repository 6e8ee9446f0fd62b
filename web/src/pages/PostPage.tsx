import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import type { Comment, FreeReadsUsed, Post } from "../api/client";
import { isProblem } from "../api/problem";
import { Comments } from "../components/comments/Comments";
import { ArticleMeta } from "../components/posts/ArticleMeta";
import { FreeReads } from "../components/posts/FreeReads";
import { MoreStories } from "../components/posts/MoreStories";
import { Paywall } from "../components/posts/Paywall";
import { VoteButton } from "../components/posts/VoteButton";
import { ErrorNotice } from "../components/shared/ErrorNotice";
import { Title } from "../components/shared/Title";
import { postQuery } from "../lib/queries";
import { NotFoundPage } from "./NotFoundPage";

export function PostPage() {
  const { id = "" } = useParams();
  const query = useQuery(postQuery(id));
  if (query.isPending) return <div aria-busy="true" className="loading" />;
  if (isProblem(query.error, "not_found")) return <NotFoundPage />;
  const pastLimit = isProblem(query.error, "free_reads_used")
    ? (query.error.body as FreeReadsUsed)
    : null;
  if (!pastLimit && !query.data) {
    return <ErrorNotice isPage error={query.error} retry={() => void query.refetch()} />;
  }
  return (
    <div className="reading">
      <div className="reading-main">
        {pastLimit ? (
          <Paywall id={id} limit={pastLimit.limit} preview={pastLimit.preview} />
        ) : (
          query.data && <OpenPost {...query.data} />
        )}
      </div>
      <MoreStories except={id} />
    </div>
  );
}

interface OpenPostProps {
  post: Post;
  comments: Comment[];
  reads_left: number | null;
}

function OpenPost({ post, comments, reads_left: readsLeft }: OpenPostProps) {
  const path = `/post/${post.id}`;
  return (
    <>
      <Title>{post.title}</Title>
      {readsLeft !== null && <FreeReads left={readsLeft} path={path} />}
      <article className="article">
        <h1>{post.title}</h1>
        <div className="article-head">
          <VoteButton post={post} from={path} />
          <ArticleMeta {...post} />
        </div>
        {post.text !== null && <p className="article-text">{post.text}</p>}
      </article>
      <Comments postId={post.id} total={post.comment_count} comments={comments} />
    </>
  );
}
