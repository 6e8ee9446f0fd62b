import { Link } from "react-router";
import { Title } from "../components/shared/Title";

export function NotFoundPage() {
  return (
    <section className="mx-auto max-w-md py-12 text-center">
      <Title>Not found</Title>
      <h1 className="mb-3 text-2xl font-semibold">There is nothing here</h1>
      <p className="mb-6 text-soft">
        The page was moved, deleted, or never written.
      </p>
      <Link to="/" className="link">
        To the front page
      </Link>
    </section>
  );
}
