import { Link } from "react-router";
import { loginPath } from "../../lib/next";
import { Stamp } from "../shared/Stamp";
import { Title } from "../shared/Title";

/** Shown when the free articles are used up; logging in leads back to the same post. */
export function Paywall({ id }: { id: string }) {
  return (
    <section className="mx-auto max-w-md py-12 text-center">
      <Title>Log in to read on</Title>
      <div className="mb-4 flex justify-center">
        <Stamp />
      </div>
      <h1 className="mb-3 text-2xl font-semibold">You have read what is free</h1>
      <p className="mb-6 leading-relaxed text-soft">
        Log in or sign up, and this article opens, with all the others. It costs nothing but a
        name.
      </p>
      <Link to={loginPath(`/post/${id}`)} className="button">
        Log in to read on
      </Link>
    </section>
  );
}
