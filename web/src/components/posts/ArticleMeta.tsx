import type { ReactNode } from "react";
import { sourceOf } from "../../lib/text";
import { TimeAgo } from "../shared/TimeAgo";

interface Props {
  url: string | null;
  author: string;
  created_at: string;
  /** What else there is to say. */
  children?: ReactNode;
}

/** The source of a post, its author and its age. */
export function ArticleMeta({ url, author, created_at: createdAt, children }: Props) {
  return (
    <p className="meta">
      {url !== null && (
        <span>
          <a href={url} className="link article-source" rel="noopener nofollow ugc">
            {sourceOf(url)}
          </a>
        </span>
      )}
      <span>{author}</span>
      <TimeAgo time={createdAt} />
      {children}
    </p>
  );
}
