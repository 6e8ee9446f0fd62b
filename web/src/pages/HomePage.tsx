import { PostPages } from "../components/posts/PostPages";
import { Story } from "../components/posts/Story";
import { today } from "../lib/time";

export function HomePage() {
  return (
    <>
      <title>Just Tech News</title>
      <div className="edition">
        <h1>The front page</h1>
        <p>{today()}, by votes and age</p>
      </div>
      <PostPages
        list="front"
        className="stories"
        empty="Nothing has been written yet."
        loading={
          <div aria-busy="true" className="loading">
            <p className="sr-only">Loading…</p>
          </div>
        }
      >
        {(post, rank) => <Story post={post} rank={rank} />}
      </PostPages>
    </>
  );
}
