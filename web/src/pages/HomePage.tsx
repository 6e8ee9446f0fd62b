import { PostItem } from "../components/posts/PostItem";
import { PostList } from "../components/posts/PostList";

export function HomePage() {
  return (
    <>
      <title>Just Tech News</title>
      <h1 className="mb-2 text-3xl font-semibold tracking-tight">Latest</h1>
      <PostList empty="Nothing has been written yet.">
        {(post) => <PostItem post={post} />}
      </PostList>
    </>
  );
}
